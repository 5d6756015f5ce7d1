"""What all pictures have in common. Matplotlib is imported when the first is drawn."""

import importlib.util
import os
import pathlib
from collections.abc import Iterable
from typing import Any

from keras_infomax import checks, files

# What curves are compared with.
REFERENCE = {"color": "0.4", "linestyle": "--"}


def check_installed() -> None:
    """Raises an `ImportError` if pictures cannot be drawn: before a run, not after."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            "Drawing needs Matplotlib. Install it with "
            '`pip install "keras_infomax[plots]"`.'
        )


def check_format(path: str | os.PathLike) -> None:
    """Raises an error if no picture can be written there: before a run, not after.

    Args:
        path: Picture to write; its suffix chooses the format.

    Raises:
        ValueError: If its suffix is that of no format.
        ImportError: If Matplotlib is missing.

    Example:
    >>> check_format("curves.svg")
    """
    check_installed()
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.get_supported_filetypes())
    suffix = pathlib.PurePath(path).suffix.removeprefix(".")
    if suffix and suffix not in known:
        raise checks.refusal(
            "path",
            f"that of a picture, ending in one of {', '.join(known)}",
            os.fspath(path),
            "Write, for example, curves.png.",
        )


def new_figure(width: float, height: float) -> Any:
    """An empty figure.

    Args:
        width: Inches.
        height: Inches.
    """
    check_installed()
    from keras_infomax.plots.picture import Picture

    return Picture(figsize=(width, height), layout="constrained")


def curve(axes: Any, points: Iterable[tuple[Any, Any]], label: str, **style: Any):
    """Draws a curve through the points that have a value, if any has.

    Args:
        axes: Where to.
        points: Positions, and values or `None`.
        label: Name in the legend.
        **style: Passed to `plot` of the axes.
    """
    known = [(x, y) for x, y in points if y is not None]
    if known:
        axes.plot(*zip(*known, strict=True), label=label, **style)


def finish(axes: Any, **options: Any) -> None:
    """Draws the grid, and the legend if anything has a name.

    Args:
        axes: Where to.
        **options: Passed to `legend` of the axes.
    """
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(**{"frameon": False, **options})


def save(figure: Any, path: str | os.PathLike, dpi: int = 120, **options: Any) -> None:
    """Writes a figure, so that a reader sees the old picture or the new, never half.

    Args:
        figure: The figure.
        path: Picture to write; its suffix chooses the format.
        dpi: Dots an inch, of formats that have them.
        **options: Passed to `savefig`.
    """
    with files.replaced_file(path) as temporary:
        figure.savefig(temporary, dpi=dpi, **options)
