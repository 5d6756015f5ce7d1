"""Curves of a run: information with its ceiling, accuracy with its baseline."""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from keras_infomax import checks
from keras_infomax.plots import drawing

_INFORMATION = {
    "mi": ("training batches", {"color": "C0", "alpha": 0.6}),
    "val_mi": ("held out", {"color": "C0", "marker": "o"}),
    "mi_ceiling": ("ceiling", drawing.REFERENCE),
    "true_mi": ("true value", {**drawing.REFERENCE, "color": "C3"}),
}
# Without one of them, there is nothing that has a ceiling.
_ESTIMATES = ("mi", "val_mi", "true_mi")
_LOSSES = {"loss": _INFORMATION["mi"], "val_loss": _INFORMATION["val_mi"]}
# Of the probe that all runs have, and of a classifier; then of other probes.
_ACCURACIES = {
    "probe_accuracy": ("encodings", {"color": "C1", "marker": "o"}),
    "raw_baseline": ("raw views", drawing.REFERENCE),
    "test_accuracy": ("classifier", {"color": "C2", "marker": "o"}),
}
_COLORS = 7


def history(
    history: Any, ceiling: float | None = None, baseline: float | None = None
) -> Any:
    """Draws mutual information and probe accuracy over a run, side by side.

    A higher bound is not a better representation, so they are looked at together. Where
    no loss estimates information, the loss is drawn instead.

    Args:
        history: What `fit` returns, its dictionary `history`, or rows of a
            `metrics.csv`, a mapping each with the `step`. What is `None` or NaN was not
            measured.
        ceiling: What the estimate cannot exceed, in nats, such as `log(batch_size)`
            for InfoNCE; drawn dashed. Rows have it as `mi_ceiling`.
        baseline: Accuracy of the probe on the raw views, in [0, 1]; drawn dashed. Rows
            have it as `raw_baseline`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If `history` is none of the above.
        ImportError: If Matplotlib is missing.

    Example:
    >>> from keras_infomax import plots
    >>> figure = plots.history({"mi": [0.5, 1.5]}, ceiling=4.85)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['training batches', 'ceiling']
    """
    rows, label = _given("history", history)
    if ceiling is not None:
        ceiling = checks.number("ceiling", ceiling, "finite", lambda _: True, 4.85)
        rows = [{**row, "mi_ceiling": ceiling} for row in rows]
    if baseline is not None:
        baseline = checks.probability("baseline", baseline, example=0.8)
        rows = [{**row, "raw_baseline": baseline} for row in rows]
    return draw(rows, label)


def plot_curves(rows: Any, path: str | os.PathLike) -> None:
    """Writes the picture of `history`.

    Args:
        rows: As the `history` there, such as the rows of a `metrics.csv`.
        path: Picture to write; its suffix chooses the format.

    Raises:
        ValueError: As `history`.
        ImportError: If Matplotlib is missing.
    """
    path = checks.path("path", path, "curves.png")
    drawing.save(draw(*_given("rows", rows)), path)


def draw(rows: Sequence[Mapping[str, Any]], label: str) -> Any:
    """Draws rows of measures; accuracies have a panel of their own, if there are any.

    Args:
        rows: Values by name, and by `label` the position.
        label: What is counted, `"step"` or `"epoch"`.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    accuracies = _accuracies(dict.fromkeys(name for row in rows for name in row))
    measured = _are_measured(rows, accuracies)
    figure = drawing.new_figure(9.0 if measured else 4.6, 3.6)
    panels = figure.subplots(1, 1 + measured, squeeze=False)[0]
    if _are_measured(rows, _ESTIMATES):
        _panel(panels[0], rows, label, _INFORMATION, "mutual information, nats")
    else:
        _panel(panels[0], rows, label, _LOSSES, "loss")
    if measured:
        _panel(panels[1], rows, label, accuracies, "accuracy on held-out rows")
    return figure


def _are_measured(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> bool:
    return any(_value(row, name) is not None for row in rows for name in names)


def _panel(axes, rows, label, curves, units):
    for name, (text, style) in curves.items():
        points = [(row[label], _value(row, name)) for row in rows]
        drawing.curve(axes, points, text, **style)
    axes.set(xlabel=label, ylabel=units)
    drawing.finish(axes)


_Rows = list[Mapping[str, Any]]


def _given(argument: str, history: Any) -> tuple[_Rows, str]:
    """Rows, and what is counted in them."""
    if isinstance(history, keras.callbacks.History):
        return _of_epochs(argument, history.history, history.epoch), "epoch"
    if isinstance(history, Mapping):
        return _of_epochs(argument, history, None), "epoch"
    rows = history if isinstance(history, (list, tuple)) else [history]
    if not rows or not all(isinstance(row, Mapping) and "step" in row for row in rows):
        raise checks.refusal(
            argument,
            "what fit returns, its dictionary, or rows with a step each",
            history,
            "Write, for example, plots.history(model.fit(pairs, epochs=5)).",
        )
    return list(rows), "step"


def _of_epochs(
    argument: str, columns: Mapping[str, Any], epochs: Sequence[int] | None
) -> _Rows:
    lengths = {len(v) if isinstance(v, (list, tuple)) else -1 for v in columns.values()}
    if len(lengths) != 1 or min(lengths) < 1:
        raise checks.refusal(
            argument,
            "a dictionary of lists that are equally long, with a value for each epoch",
            dict(columns),
            "Give what fit returns.",
        )
    numbers = range(*lengths) if epochs is None else epochs
    return [
        {**dict(zip(columns, values, strict=True)), "epoch": number + 1}
        for number, *values in zip(numbers, *columns.values(), strict=True)
    ]


def _accuracies(names: Mapping[str, Any]) -> dict[str, Any]:
    """Curves of the accuracies among names, each probe's own with its baseline."""
    found = dict(_ACCURACIES)
    matches = [re.fullmatch(r"(?!val_)(\w+)_accuracy", name) for name in names]
    others = [m[1] for m in matches if m and m[0] not in _ACCURACIES]
    for number, name in enumerate(others):
        color = f"C{3 + number % _COLORS}"
        found[f"{name}_accuracy"] = (name, {"color": color, "marker": "o"})
        raw = {**drawing.REFERENCE, "color": color}
        found[f"{name}_raw"] = (f"{name}, raw views", raw)
    return found


def _value(row: Mapping[str, Any], name: str) -> Any:
    value = row.get(name)
    return None if value is None or math.isnan(value) else value
