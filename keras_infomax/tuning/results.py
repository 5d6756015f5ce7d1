"""Results of the trials of a search, ranked, as a table."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_infomax import checks, files, measures, tables

# On the screen, where a table has less room than in a file.
_SHOWN = ("probe_accuracy", "val_mi", "mi")


@dataclasses.dataclass(frozen=True)
class Trial:
    """Result of one trial.

    Args:
        name: What keras-tuner calls it.
        values: What was chosen for the settings that vary, by name; an option of a
            method is called `options.NAME`.
        score: The objective after its best epoch, or `None` if the trial failed.
        steps: Training steps after which it had that score.
        metrics: All that was logged then.
        failure: Why the trial failed, or an empty string.
    """

    name: str
    values: Mapping[str, Any]
    score: float | None = None
    steps: int | None = None
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    failure: str = ""


class Trials(list[Trial]):
    """A list of trials, best first, that shows itself as a table."""

    def __repr__(self) -> str:
        return to_text(self)

    def _repr_html_(self) -> str:
        shown = [name for name in _metrics(self) if name in _SHOWN]
        header, *rows = _rows(self, shown, tables.short, with_failures=True)
        return tables.as_html(header, rows)


def rank(trials: Sequence[Trial], direction: str) -> Trials:
    """The best trial first, those that failed last.

    Args:
        trials: The trials.
        direction: `"max"` or `"min"`, what the best score is.
    """
    check_trials(trials)
    sign = {"max": -1, "min": 1}[checks.one_of("direction", direction, ("max", "min"))]

    def key(trial):
        failed = trial.score is None
        return failed, 0 if failed else sign * trial.score, trial.name

    return Trials(sorted(trials, key=key))


def write_table(trials: Sequence[Trial], path: str | os.PathLike) -> None:
    """Writes ranked trials as a CSV, with every digit.

    Args:
        trials: The trials, best first.
        path: The file.
    """
    check_trials(trials)
    path = checks.path("path", path, "trials.csv")
    files.write_csv(path, *_rows(trials, _metrics(trials), str, with_failures=True))


def to_text(trials: Sequence[Trial]) -> str:
    """Ranked trials as a table for the screen, followed by the reasons of failures.

    Args:
        trials: The trials, best first.
    """
    check_trials(trials)
    metrics = [name for name in _metrics(trials) if name in _SHOWN]
    rows = _rows(trials, metrics, tables.short)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    failed = [f"failed: trial {t.name}: {t.failure}" for t in trials if t.failure]
    return "\n".join([*map(str.rstrip, lines), *failed])


def check_trials(trials: Any) -> None:
    """Raises a `ValueError` unless it is a list of trials, which may be empty."""
    found = trials if isinstance(trials, (list, tuple)) else [trials]
    for trial in found:
        checks.instance(
            "trials", trial, Trial, "a list of Trial", "Take what search has returned."
        )


def _rows(trials, metrics, text, with_failures=False) -> list[list[str]]:
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    header = ["rank", "trial", "score", "steps", *names, *metrics]
    rows = [header + ["failure"] * with_failures]
    for number, trial in enumerate(trials, 1):
        failed = trial.score is None
        row = ["" if failed else str(number), trial.name]
        row += ["" if v is None else text(v) for v in (trial.score, trial.steps)]
        row += [text(trial.values[n]) if n in trial.values else "" for n in names]
        row += [text(trial.metrics[n]) if n in trial.metrics else "" for n in metrics]
        rows.append(row + [trial.failure] * with_failures)
    return rows


def _metrics(trials: Sequence[Trial]) -> list[str]:
    return measures.ordered(name for trial in trials for name in trial.metrics)
