"""Pictures of a run."""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_infomax import checks, files


def check_installed() -> None:
    """Raises an `ImportError` if pictures cannot be drawn: before a run, not after."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            "Drawing curves needs matplotlib. Install it with "
            '`pip install "keras_infomax[programs]"`.'
        )


def plot_curves(rows: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> None:
    """Draws MI with its ceiling, and probe accuracy with its baseline, over steps.

    Args:
        rows: Rows of a run's metrics; see `measures.MEASURES`.
        path: Picture to write; its suffix chooses the format.
    """
    path = checks.path("path", path, "curves.png")
    for row in rows if isinstance(rows, (list, tuple)) else [rows]:
        checks.mapping("rows", row, "Give those of runs.read_metrics.")
    from matplotlib.figure import Figure

    # A figure of its own, not pyplot's: no display and no global state.
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    information, accuracy = figure.subplots(1, 2)
    _curve(information, rows, "mi", "training batches", color="C0", alpha=0.6)
    _curve(information, rows, "val_mi", "held out", color="C0", marker="o")
    _curve(information, rows, "mi_ceiling", "ceiling, log(batch size)", **_REFERENCE)
    _curve(information, rows, "true_mi", "true value", **{**_REFERENCE, "color": "C3"})
    information.set(xlabel="step", ylabel="mutual information, nats")
    _curve(accuracy, rows, "probe_accuracy", "encodings", color="C1", marker="o")
    _curve(accuracy, rows, "pixel_baseline", "pixels", **_REFERENCE)
    _curve(accuracy, rows, "test_accuracy", "classifier", color="C2", marker="o")
    accuracy.set(xlabel="step", ylabel="test accuracy")
    for axes in (information, accuracy):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(frameon=False)
    with files.replaced_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


_REFERENCE = {"color": "0.4", "linestyle": "--"}


def _curve(axes: Any, rows: Any, column: str, label: str, **style: Any) -> None:
    points = [(r["step"], r[column]) for r in rows if r[column] is not None]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, **style)
