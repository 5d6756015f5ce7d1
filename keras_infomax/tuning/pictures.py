"""A page of plots of all trials of a search."""

import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from keras_infomax.plots import drawing
from keras_infomax.tuning.results import Trial

_COLUMNS = 3
_MARKERS = "os^vDPX*"

# So many different numbers are marked one by one, and so many letters fit in a row.
_MOST_CATEGORIES, _MOST_LETTERS = 5, 36


def draw(
    trials: Sequence[Trial], path: str | os.PathLike, objective: str = "score"
) -> None:
    """Draws probe accuracy against MI, and the score over each setting that varies.

    In the first two panels colors tell the critics apart, and marks the bounds, if
    they vary; otherwise the first settings that do and are no numbers. An estimate can
    be negative, which MI cannot: such marks are at 0.

    Args:
        trials: The trials; those that failed are left out.
        path: Picture to write; its suffix chooses the format.
        objective: What the score is.
    """
    done = [trial for trial in trials if trial.score is not None]
    names = list(dict.fromkeys(name for trial in done for name in trial.values))
    rows = math.ceil((3 + len(names)) / _COLUMNS)
    figure = drawing.new_figure(4.2 * _COLUMNS, 3.5 * rows)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for axes, metric, label in zip(
        panels, ("val_mi", "mi"), ("held-out batches", "training batches"), strict=False
    ):
        _against_information(axes, done, metric, names)
        axes.set(xlabel=f"MI on {label}, nats", ylabel="probe accuracy")
    for axes in (panels[2], *panels[3 + len(names) :]):
        axes.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    panels[2].legend(handles, labels, frameon=False, loc="center left")
    for axes, name in zip(panels[3:], names, strict=False):
        _over_setting(axes, done, name)
        axes.set(xlabel=_words(name), ylabel=_words(objective))
    failed = len(trials) - len(done)
    figure.suptitle(
        f"{len(done)} trials, one mark each"
        + (f"; {failed} more failed" if failed else "")
    )
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    drawing.save(figure, path, dpi=110)


def _against_information(
    axes: Any, trials: Sequence[Trial], metric: str, names: Sequence[str]
) -> None:
    kinds = [n for n in names if any(isinstance(t.values.get(n), str) for t in trials)]
    kinds.sort(key=lambda name: {"critic": 0, "bound": 1}.get(name, 2))
    by_colour, by_mark = [*kinds, None, None][:2]
    groups: dict[tuple[str, ...], list[Trial]] = {}
    for trial in trials:
        if {metric, "probe_accuracy"} <= trial.metrics.keys():
            key = tuple(str(trial.values.get(n, "")) for n in (by_colour, by_mark) if n)
            groups.setdefault(key, []).append(trial)
    colours, marks = ([*dict.fromkeys(k[i : i + 1] for k in groups)] for i in (0, 1))
    for key, members in sorted(groups.items()):
        axes.scatter(
            [max(trial.metrics[metric], 0.0) for trial in members],
            [trial.metrics["probe_accuracy"] for trial in members],
            color=f"C{colours.index(key[:1]) % 10}",
            marker=_MARKERS[marks.index(key[1:2]) % len(_MARKERS)],
            label=", ".join(key) or "trials",
        )
    for baseline in {t.metrics.get("raw_baseline") for t in trials} - {None}:
        line = axes.axhline(baseline, color="0.4", linestyle="--", linewidth=1)
        line.set_label("probe on raw views")
    axes.grid(alpha=0.3)


def _over_setting(axes: Any, trials: Sequence[Trial], name: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    shown = [trial for trial in trials if name in trial.values]
    values = [trial.values[name] for trial in shown]
    numbers = all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    )
    if numbers and len(set(values)) > _MOST_CATEGORIES:
        axes.scatter(values, [trial.score for trial in shown], color="C0")
        if min(values) > 0 and max(values) > 10 * min(values):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.locator_params(axis="x", nbins=5)
    else:
        # Numbers and None do not compare, their texts do.
        kinds = sorted(set(values)) if numbers else sorted(set(map(str, values)))
        texts = [str(kind) for kind in kinds]
        positions = [texts.index(str(value)) for value in values]
        axes.scatter(positions, [trial.score for trial in shown], color="C0")
        fits = sum(map(len, texts)) <= _MOST_LETTERS
        axes.set_xticks(range(len(texts)), texts, rotation=0 if fits else 15)
        axes.set_xlim(-0.5, len(texts) - 0.5)
    axes.grid(alpha=0.3)


def _words(name: str) -> str:
    return name.replace("_", " ")
