"""The paper's figures, and that of the methods, drawn from a table of results."""

import dataclasses
import math
import os
import pathlib
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_infomax import checks
from keras_infomax.methods import METHODS
from keras_infomax.paper.verdicts import Results
from keras_infomax.plots import drawing
from keras_infomax.training.settings import OTHERS

NATS = "estimate, nats"
ACCURACY = "probe accuracy"
# More panels than this are set in rows of three.
_MOST_IN_A_ROW = 4

# One color and one name for each thing in all pictures. Columns that come first have
# the color, the others the line style.
COLORS = {
    ("bound", "infonce"): ("C0", "InfoNCE"),
    ("bound", "nwj"): ("C1", "NWJ"),
    ("critic", "bilinear"): ("C2", "bilinear critic"),
    ("critic", "separable"): ("C3", "separable critic"),
    ("critic", "mlp"): ("C4", "MLP critic"),
    ("encoder", "mlp"): ("C5", "MLP"),
    ("encoder", "convnet"): ("C6", "ConvNet"),
}
_STYLES = {
    ("target", "2"): ("-", "t = 2"),
    ("target", "4"): ("--", "t = 4"),
    ("dataset", "gaussian_iid"): ("--", "independent"),
    ("dataset", "gaussian_dependent"): ("-", "dependent"),
}
_REFERENCES = {"raw_baseline": "same probe on pixels", "true_mi": "true MI"}


@dataclasses.dataclass(frozen=True)
class Panel:
    """One pair of axes: a measure over steps, a curve for each combination.

    Args:
        title: Title.
        column: Measure, a column of the table.
        label: Label of its axis.
        curves: Columns whose combinations are the curves.
        where: Columns and the text that rows must hold.
        figure: Name of the experiment in the table; that of the picture by default.
        reference: Column of a constant, drawn dotted; one of `_REFERENCES`.
    """

    title: str
    column: str
    label: str
    curves: tuple[str, ...]
    where: Mapping[str, str] = dataclasses.field(default_factory=dict)
    figure: str | None = None
    reference: str | None = None


def _by_bound(column: str, label: str, curves: tuple[str, ...], **options: Any):
    names = {"infonce": "InfoNCE", "nwj": "NWJ"}
    return tuple(
        Panel(names[bound], column, label, curves, {"bound": bound}, **options)
        for bound in names
    )


def _baselined(column: str, label: str, curves: tuple[str, ...]):
    return _by_bound(column, label, curves, reference="raw_baseline")


_CRITICS = (
    *_baselined("probe_accuracy", ACCURACY, ("critic",)),
    *_by_bound("mi", NATS, ("critic",)),
)
_TARGETS = (
    *_baselined("probe_accuracy", ACCURACY, ("encoder", "target")),
    *_by_bound("loss", "|estimate - target|, nats", ("encoder", "target")),
)

PICTURES: dict[str, tuple[Panel, ...]] = {
    "figure1": (
        Panel("maximized", "mi", NATS, ("bound",)),
        Panel(
            "maximized",
            "probe_accuracy",
            ACCURACY,
            ("bound",),
            reference="raw_baseline",
        ),
        Panel(
            "adversarial",
            "probe_accuracy",
            ACCURACY,
            (),
            figure="figure1_adversarial",
            reference="raw_baseline",
        ),
    ),
    "figure2": (
        Panel("noisy views", "mi", NATS, ("bound",)),
        Panel(
            "noisy views",
            "probe_accuracy",
            ACCURACY,
            ("bound",),
            reference="raw_baseline",
        ),
        Panel("median range", "log_condition_40", "log condition, 40 %", ("bound",)),
        Panel("worst", "log_condition_max", "log condition, maximum", ("bound",)),
    ),
    "figure3": _CRITICS,
    "figure4": _TARGETS,
    "figure4_dependent": (
        Panel(
            "Gaussian pairs",
            "mi",
            NATS,
            ("dataset", "bound"),
            reference="true_mi",
        ),
    ),
    "figure8": _CRITICS,
    "figure9": _TARGETS,
    "supervised": (
        Panel("with labels", "test_accuracy", "test accuracy", ("encoder",)),
    ),
}


def draw(results: Results, folder: str | os.PathLike) -> list[pathlib.Path]:
    """Draws every picture that the results have runs for, as PNG and SVG.

    Curves are means over seeds, in a band of one standard deviation.

    Args:
        results: The runs.
        folder: Where the pictures go.

    Returns:
        Paths of the pictures.
    """
    drawing.check_installed()
    checks.instance(
        "results", results, Results, "Results", "Write results=Results(rows)."
    )
    folder = pathlib.Path(checks.path("folder", folder, "pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    pictures = {**PICTURES, "methods": panels_of_methods(results)}
    for name, panels in pictures.items():
        panels = tuple(p for p in panels if _rows(results, name, p))
        if panels:
            written += _draw(results, name, panels, folder)
    return written


def panels_of_methods(results: Results) -> tuple[Panel, ...]:
    """A panel for each method on each data set, those of one data set together.

    Args:
        results: The runs; other experiments among them have no panel here.
    """
    ran = dict.fromkeys((row["dataset"], row["figure"]) for row in results.rows)
    return tuple(
        Panel(
            f"{name}, {dataset}",
            "probe_accuracy",
            ACCURACY,
            (),
            {"dataset": dataset},
            figure=name,
            reference="raw_baseline",
        )
        for dataset in dict.fromkeys(dataset for dataset, _ in ran)
        for name in METHODS
        if (dataset, name) in ran
    )


def _draw(
    results: Results, name: str, panels: tuple[Panel, ...], folder: pathlib.Path
) -> list[pathlib.Path]:
    import matplotlib

    columns = len(panels) if len(panels) <= _MOST_IN_A_ROW else 3
    lines = math.ceil(len(panels) / columns)
    figure = drawing.new_figure(4.2 * columns, 3.6 * lines)
    for number, panel in enumerate(panels, 1):
        axes = figure.add_subplot(lines, columns, number)
        _panel(axes, panel, _rows(results, name, panel))
    caption = _caption(results, name, panels)
    figure.suptitle("\n".join(textwrap.wrap(caption, width=42 * columns)))
    written = []
    # Without a fixed salt the identifiers in an SVG would differ each time.
    with matplotlib.rc_context({"svg.hashsalt": name}):
        for suffix, metadata in ((".png", {}), (".svg", {"Date": None})):
            path = folder / f"{name}{suffix}"
            drawing.save(figure, path, dpi=110, metadata=metadata)
            written.append(path)
    return written


def _rows(results: Results, name: str, panel: Panel) -> list[Mapping[str, str]]:
    where = {"figure": panel.figure or name, **panel.where}
    return [
        row
        for row in results.rows
        if row[panel.column] and all(row[k] == v for k, v in where.items())
    ]


def _panel(axes: Any, panel: Panel, rows: list[Mapping[str, str]]) -> None:
    curves: dict[tuple[str, ...], dict[int, list[float]]] = {}
    columns = panel.curves
    if len({row[OTHERS] for row in rows} - {""}) > 1:
        # Otherwise they would be averaged as if only their seeds differed.
        columns = (*columns, OTHERS)
    for row in rows:
        curve = curves.setdefault(tuple(row[c] for c in columns), {})
        curve.setdefault(int(row["step"]), []).append(float(row[panel.column]))
    # In the order of their colors, so that all panels of a picture list them alike.
    looks = {key: _look(columns, key) for key in curves}
    for key in sorted(curves, key=lambda key: str(looks[key])):
        points, look = curves[key], looks[key]
        steps = sorted(points)
        means = np.array([np.mean(points[step]) for step in steps])
        deviations = np.array([np.std(points[step]) for step in steps])
        axes.plot(steps, means, **look)
        band = means - deviations, means + deviations
        axes.fill_between(steps, *band, color=look["color"], alpha=0.2, linewidth=0)
    if panel.reference is not None:
        label: str | None = _REFERENCES[panel.reference]
        for value in sorted({r[panel.reference] for r in rows} - {""}):
            axes.axhline(float(value), color="0.4", ls=":", lw=1.5, label=label)
            label = None
    axes.set(title=panel.title, xlabel="step", ylabel=panel.label)
    axes.grid(alpha=0.3)
    if columns or panel.reference is not None:
        axes.legend(frameon=False, fontsize="small")


def _look(columns: tuple[str, ...], key: tuple[str, ...]) -> dict[str, Any]:
    """Color, line style and label of a curve."""
    pairs = list(zip(columns, key, strict=True))
    colored = [COLORS[pair] for pair in pairs if pair in COLORS]
    styled = [_STYLES[pair] for pair in pairs if pair in _STYLES]
    others = [value for c, value in pairs if (c, value) not in {**COLORS, **_STYLES}]
    names = [*(name for _, name in (*colored, *styled)), *filter(None, others)]
    return {
        "color": colored[0][0] if colored else "C7",
        "linestyle": styled[0][0] if styled else "-",
        "label": ", ".join(names) or "encodings",
    }


def _caption(results: Results, name: str, panels: tuple[Panel, ...]) -> str:
    """Names data and seeds: what a curve is worth."""
    seeds: dict[tuple[str, ...], set[str]] = {}
    datasets = set()
    for panel in panels:
        for row in _rows(results, name, panel):
            curve = panel.figure or name, *(row[column] for column in panel.curves)
            seeds.setdefault(curve, set()).add(row["seed"])
            # Kinds of one data set differ in what stands behind its name.
            datasets.add(row["dataset"].partition("_")[0])
    counts = sorted({len(of_curve) for of_curve in seeds.values()})
    many = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    title = name.replace("figure", "Figure ").replace("_", ", ")
    plural = "s" if counts[-1] > 1 else ""
    return f"{title}: {', '.join(sorted(datasets))}, {many} seed{plural}"
