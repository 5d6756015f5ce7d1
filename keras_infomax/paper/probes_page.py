"""The page on the paper's main finding: which probe sees the gap between critics."""

import collections
import os
import pathlib
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from keras_infomax import checks
from keras_infomax.paper.figures import COLORS
from keras_infomax.paper.verdicts import Check, Results, check, difference
from keras_infomax.plots import drawing
from keras_infomax.probes.table import PASSES

Row = Mapping[str, Any]

BOUNDS = ("infonce", "nwj")
CRITICS = ("bilinear", "separable", "mlp")
# Rows of one reader and three orders in which it visits the examples.
_ORDERS = ("linear_stopped", "stopped_seed_1", "stopped_seed_2")
_EPOCHS = tuple(f"passes_{passes}" for passes in PASSES)
_CONVERGED = "linear"

_NAMES = {
    "linear_stopped": "linear, stopped as in the paper's notebook",
    "stopped_seed_1": "linear, stopped, a second order of the rows",
    "stopped_seed_2": "linear, stopped, a third order of the rows",
    "stopped_standardized": "linear, stopped, standardized features",
    "stopped_whitened": "linear, stopped, whitened features",
    **{
        f"passes_{n}": f"linear, {n} pass{'' if n == 1 else 'es'} of SAGA"
        for n in PASSES
    },
    "linear": "linear, converged",
    "standardized": "linear, converged, standardized features",
    "whitened": "linear, converged, whitened features",
    "best_penalty": "linear, converged, C by cross-validation",
    "few_labels": "linear, ten labels a class",
    "one_percent": "linear, 1 % of the labels",
    "ten_percent": "linear, 10 % of the labels",
    "mlp": "one hidden layer",
    "neighbours": "nearest neighbors",
}
_SHOWN = {"infonce": "InfoNCE", "nwj": "NWJ", "mlp": "MLP"}

# Accuracy in percent, differences in points: both are 100 times the table's.
_PERCENT = 100
# Evaluations of training that the page shows.
_STEPS = (1_000, 5_000, 10_000, 21_000)
_WORDS = ("ahead", "not told from those of the MLP critic", "behind")


class Judged:
    """Rows of `comparison.compare`, found by probe, bound and critic.

    Args:
        rows: The rows; of figures other than the third, none is used.
    """

    def __init__(self, rows: Iterable[Row]):
        self._of: dict[tuple[str, str, str], dict[int, Row]] = {}
        for row in rows:
            if row["figure"] == "figure3":
                key = row["probe"], row["bound"], row["critic"]
                self._of.setdefault(key, {})[int(row["seed"])] = row
        self.probes = [n for n in _NAMES if any(key[0] == n for key in self._of)]

    def values(self, probe: str, bound: str, critic: str, column="accuracy"):
        """Numbers of a column by seed."""
        found = self._of.get((probe, bound, critic), {})
        return {seed: row[column] for seed, row in found.items()}

    def check(self, probe: str, bound: str, critic: str, column="accuracy") -> Check:
        """Values of a column in percent, with their interval."""
        scale = _PERCENT if column == "accuracy" else 1
        values = self.values(probe, bound, critic, column).values()
        return Check(probe, tuple(scale * value for value in values))

    def gap(self, probe: str, bound: str, critic: str, other: str) -> Check:
        """How many points a critic is ahead of another, of the seeds that have both."""
        first, second = (self.values(probe, bound, c) for c in (critic, other))
        both = sorted(first.keys() & second.keys())
        gaps = tuple(_PERCENT * (first[seed] - second[seed]) for seed in both)
        return Check(probe, gaps)

    def gain(self, probe: str, bound: str, critic: str) -> Check:
        """How many points the encodings are ahead of the raw views."""
        rows = self._of.get((probe, bound, critic), {}).values()
        gains = (_PERCENT * (row["accuracy"] - row["raw_accuracy"]) for row in rows)
        return Check(probe, tuple(gains))

    def seeds(self) -> list[int]:
        """Numbers of seeds of the six settings."""
        counts: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
        for (_, bound, critic), rows in self._of.items():
            counts[bound, critic] |= rows.keys()
        return [len(found) for found in counts.values()]

    def encoders(self) -> list[tuple[Row, Row]]:
        """Rows of the stopped and of the converged probe, of each encoder."""
        return [
            (row, self._of[_CONVERGED, bound, critic][seed])
            for (probe, bound, critic), rows in self._of.items()
            if probe == "linear_stopped"
            for seed, row in rows.items()
            if seed in self._of.get((_CONVERGED, bound, critic), {})
        ]


def is_about(rows: Iterable[Row]) -> bool:
    """Whether encoders of Figure 3 are judged by the stopped and the converged probe.

    Args:
        rows: Rows of `comparison.compare`.
    """
    return {"linear_stopped", _CONVERGED} <= set(Judged(rows).probes)


def report(rows: Sequence[Row], results: Results) -> str:
    """The page, as Markdown.

    Args:
        rows: Rows of `comparison.compare`.
        results: The runs in which the encoders were trained.
    """
    judged = Judged(rows)
    commits = sorted({row["commit"] for row in results.rows})
    counts = sorted(set(judged.seeds()))
    many = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    made = ", ".join(sorted({row["commit"] for row in rows}))
    command = (
        "keras-infomax sweep --config=paper/figure3 --workdir=runs/figure3 \\",
        "    --seeds=20 --results=docs/paper/figure3.csv",
        "keras-infomax probe --workdir=runs/figure3 --output=docs/paper/probes.csv \\",
        f"    --probes={','.join(judged.probes)}",
        "keras-infomax report --workdir=docs/paper",
    )
    lines = [
        "# Is it the encoder, or the probe?",
        "",
        *_prose(
            "Tschannen et al., 2020, judge encoders by a linear classifier that their "
            "notebook stops after a few passes over the data, and find that an MLP "
            "critic gives much worse encoders than a bilinear or a separable one. "
            "Here the encoders of that experiment (Figure 3: MNIST halves, 21,000 "
            f"steps of batch 128, {many} of 20 seeds for each critic and bound) are "
            "judged once more: by the same classifier after more and more passes, and "
            "by other readers. Accuracies are in percent, differences in points, each "
            "with a 95 % interval of Student's t over seeds. *Ahead* and *behind* "
            "mean that the interval leaves out 0. Intervals are not corrected for "
            "their number; [claims.md](claims.md) corrects its own.",
            f"Encoders are of commit {', '.join(commits)}, the probes of {made}. All "
            "rows are in [probes.csv](probes.csv). The last of these commands writes "
            "this page and its picture:",
        ),
        *("```text", *command, "```", ""),
        *("![Accuracy over passes](probes.png)", ""),
        *("## What remains of the finding", ""),
        *_summary(judged),
        *("## The gap between the critics, by reader", ""),
        *_prose(
            "How many points the encoders of the bilinear critic are ahead of those "
            "of the MLP critic, by pairs of equal seeds:"
        ),
        *_table(judged, "bilinear", "mlp"),
        *_prose("And of those of the separable critic:"),
        *_table(judged, "bilinear", "separable"),
        *("## Over training", ""),
        *_prose(
            "The gap to the MLP critic in the course of training, of all seeds in "
            "[figure3.csv](figure3.csv):"
        ),
        *_over_training(results),
        *("## Accuracy, and what it gains over the pixels", ""),
        *_prose("In parentheses stands the gain over the same reader on the pixels."),
        *_by_setting(judged, _accuracy, _ORDERS[1:]),
        *("## Nats", ""),
        *_prose(
            "Predictive V-information of the same readers: the entropy of the "
            "held-out labels less the reader's cross-entropy on them. A reader that "
            "is sure of its errors has less of it than its accuracy suggests."
        ),
        *_by_setting(judged, _information, (*_ORDERS[1:], *_EPOCHS)),
        *("## Why", ""),
        *_condition(judged),
        *_orders(judged),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _prose(*paragraphs: str) -> list[str]:
    """Lines of paragraphs, each followed by an empty one."""
    return [
        line
        for paragraph in paragraphs
        for line in (*textwrap.wrap(paragraph, 88, break_on_hyphens=False), "")
    ]


def _summary(judged: Judged) -> list[str]:
    paragraphs = []
    for bound in BOUNDS:
        gaps = {
            name: judged.gap(name, bound, "bilinear", "mlp") for name in judged.probes
        }
        stopped, converged = gaps["linear_stopped"], gaps[_CONVERGED]
        others = {
            name: gap
            for name, gap in gaps.items()
            if name not in (_CONVERGED, *_EPOCHS, *_ORDERS)
        }
        found = [
            f"{word}: {'; '.join(names)}"
            for word in _WORDS
            if (names := [_NAMES[n] for n, gap in others.items() if _word(gap) == word])
        ]
        paragraphs.append(
            f"**{_SHOWN[bound]}.** Stopped early, the probe sees a gap of "
            f"{_said(stopped)}. Solved to convergence, it sees one of "
            f"{_said(converged)}. By other readers, the encoders of the bilinear "
            f"critic are {'. They are '.join(found)}."
        )
    return _prose(*paragraphs)


def _word(gap: Check) -> str:
    interval = gap.interval()
    if interval is None or interval[0] <= 0 <= interval[1]:
        return _WORDS[1]
    return _WORDS[0] if gap.mean > 0 else _WORDS[2]


def _said(gap: Check) -> str:
    doubt = {
        _WORDS[1]: ", which may be none",
        _WORDS[2]: ", in favor of the MLP critic",
    }
    spread = f"{gap.mean:+.1f} points ({_interval(gap)})"
    return spread + doubt.get(_word(gap), "")


def _interval(check: Check) -> str:
    interval = check.interval()
    if interval is None:
        return "unknown"
    return f"{interval[0]:+.1f} to {interval[1]:+.1f}"


def _table(judged: Judged, critic: str, other: str) -> list[str]:
    lines = [["reader", *(_SHOWN[bound] for bound in BOUNDS), "seeds"]]
    for name in judged.probes:
        if name not in _ORDERS[1:]:
            gaps = [judged.gap(name, bound, critic, other) for bound in BOUNDS]
            lines.append([_NAMES[name], *_gap_cells(gaps)])
    return _markdown(lines)


def _gap_cells(gaps: Sequence[Check]) -> list[str]:
    """A cell for each gap, and one for the numbers of seeds."""
    cells = [f"{g.mean:+.1f} ({_interval(g)})" if g.values else "" for g in gaps]
    seeds = sorted({len(g.values) for g in gaps})
    return [*cells, " and ".join(map(str, seeds))]


def _over_training(results: Results) -> list[str]:
    lines = [["steps", "probe", *(_SHOWN[bound] for bound in BOUNDS), "seeds"]]
    by_probe = {"stopped": results.by_stopped_probe(), "converged": results}
    for step in _STEPS:
        for name, found in by_probe.items():
            gaps = [_gap_at(found, step, bound) for bound in BOUNDS]
            lines.append([f"{step:,}", name, *_gap_cells(gaps)])
    return _markdown(lines)


def _gap_at(results: Results, step: int, bound: str) -> Check:
    of_critics = [
        results.series(
            results.accuracy, figure="figure3", critic=critic, bound=bound
        ).map(lambda steps: steps.get(step))
        for critic in ("bilinear", "mlp")
    ]
    gap = difference(*of_critics).map(lambda value: _PERCENT * value)
    return check(f"gap after {step} steps", gap)


def _by_setting(
    judged: Judged, cell: Callable[..., str], left_out: Sequence[str]
) -> list[str]:
    settings = [(bound, critic) for bound in BOUNDS for critic in CRITICS]
    lines = [["reader", *(f"{_SHOWN[b]}, {_SHOWN.get(c, c)}" for b, c in settings)]]
    for name in judged.probes:
        if name not in left_out:
            cells = [cell(judged, name, *setting) for setting in settings]
            lines.append([_NAMES[name], *cells])
    return _markdown(lines)


def _accuracy(judged: Judged, probe: str, bound: str, critic: str) -> str:
    found = judged.check(probe, bound, critic)
    if not found.values:
        return ""
    return f"{found.mean:.1f} ({judged.gain(probe, bound, critic).mean:+.1f})"


def _information(judged: Judged, probe: str, bound: str, critic: str) -> str:
    found = judged.check(probe, bound, critic, "information")
    return f"{found.mean:.2f}" if found.values else ""


def _condition(judged: Judged) -> list[str]:
    column = "covariance_log_condition"
    lines = [["log condition of the covariance", *(_SHOWN.get(c, c) for c in CRITICS)]]
    for bound in BOUNDS:
        found = [judged.check(_CONVERGED, bound, c, column) for c in CRITICS]
        cells = [f"{c.mean:.1f} ({_interval(c)})" if c.values else "" for c in found]
        lines.append([_SHOWN[bound], *cells])
    pairs = [
        (stopped[column], converged["accuracy"] - stopped["accuracy"])
        for stopped, converged in judged.encoders()
    ]
    said = []
    if len(pairs) > 2:
        rank = stats.spearmanr(pairs).statistic
        said = _prose(
            "What the early stop costs, the converged accuracy less the stopped one, "
            f"has a rank correlation of {rank:.2f} with this over the {len(pairs)} "
            "encoders."
        )
    return [
        *_prose(
            "A solver of first order learns the directions of small variance last. So "
            "how far it comes in a few passes depends on the condition of the "
            "encodings' covariance. Its natural logarithm, with intervals:"
        ),
        *_markdown(lines),
        *said,
    ]


def _orders(judged: Judged) -> list[str]:
    """How much the order of the rows moves the stopped probe, beside training."""
    deviations, of_training = [], []
    for bound in BOUNDS:
        for critic in CRITICS:
            by_order = [judged.values(name, bound, critic) for name in _ORDERS]
            shared = sorted(set.intersection(*(set(found) for found in by_order)))
            for seed in shared:
                found = [_PERCENT * values[seed] for values in by_order]
                deviations.append(np.var(found, ddof=1))
            if len(by_order[0]) > 1:
                values = [_PERCENT * value for value in by_order[0].values()]
                of_training.append(np.var(values, ddof=1))
    if not deviations or not of_training:
        return []
    orders, seeds = (np.sqrt(np.mean(found)) for found in (deviations, of_training))
    return _prose(
        "The order in which SAGA visits the rows is noise of the stopped probe's own: "
        f"over three orders its accuracy has a standard deviation of {orders:.2f} "
        f"points, where over seeds of training it has one of {seeds:.2f}. The "
        "converged probe has no such noise."
    )


def _markdown(lines: Sequence[Sequence[str]]) -> list[str]:
    head, *rest = lines
    rows = (head, ["---"] * len(head), *rest)
    return [*(f"| {' | '.join(row)} |" for row in rows), ""]


def draw(rows: Sequence[Row], folder: str | os.PathLike) -> list[pathlib.Path]:
    """Draws accuracy over passes of the solver, a panel for each bound.

    Args:
        rows: Rows of `comparison.compare`.
        folder: Where the picture goes.

    Returns:
        Path of the picture, in a list.
    """
    judged = Judged(rows)
    figure = drawing.new_figure(8.4, 3.6)
    end = 3 * max(PASSES)
    for place, bound in enumerate(BOUNDS, 1):
        axes = figure.add_subplot(1, 2, place)
        for critic in CRITICS:
            color, label = COLORS["critic", critic]
            names = {**{n: f"passes_{n}" for n in PASSES}, end: _CONVERGED}
            found = [(x, judged.check(n, bound, critic)) for x, n in names.items()]
            found = [(x, check) for x, check in found if check.values]
            if not found:
                continue
            positions = [x for x, _ in found]
            means = [check.mean for _, check in found]
            axes.plot(positions, means, "o-", color=color, label=label, ms=3)
            limits = [check.interval() or (np.nan, np.nan) for _, check in found]
            low, high = zip(*limits, strict=True)
            axes.fill_between(positions, low, high, color=color, alpha=0.2, lw=0)
        ticks = [*PASSES, end]
        axes.set_xscale("log")
        axes.set_xticks(ticks, [*map(str, PASSES), "∞"], minor=False)
        axes.set_xticks([], minor=True)
        axes.set(title=_SHOWN[bound], xlabel="passes of the solver over the data")
        axes.set_ylabel("probe accuracy, percent")
        drawing.finish(axes, fontsize="small")
    counts = sorted(set(judged.seeds()))
    many = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    figure.suptitle(f"Encoders of Figure 3, {many} seeds, 95 % intervals")
    path = pathlib.Path(checks.path("folder", folder, "pictures")) / "probes.png"
    drawing.save(figure, path, dpi=110)
    return [path]
