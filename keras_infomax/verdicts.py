"""Statistics of a table of results, each with the interval in which it should lie.

A check is one number a seed, and the interval in which a claim says that it lies. The
verdict rests on a bootstrap over seeds of the mean of these numbers: *holds* if the
whole interval of confidence lies inside, *does not hold* if it lies outside,
*undecided* otherwise, and always where there are fewer than two seeds or the budget was
not the full one.
"""

import dataclasses
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from keras_infomax.settings import KEY, OTHERS

HOLDS, FAILS = "holds", "does not hold"
UNDECIDED, NOT_RUN = "undecided at this budget", "not run"

CONFIDENCE = 0.95
_RESAMPLES = 10_000

Row = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Check:
    """One statistic of a claim.

    Args:
        statistic: What is measured.
        values: One number a seed.
        low: The claim says that the mean is larger.
        high: The claim says that the mean is smaller.
        full: Whether every number comes from runs of the full budget.
        exact: Whether the number does not depend on the seed, so that one decides.
    """

    statistic: str
    values: tuple[float, ...]
    low: float = -math.inf
    high: float = math.inf
    full: bool = True
    exact: bool = False

    def interval(self) -> tuple[float, float] | None:
        """Bootstrap interval of the mean over seeds; `None` for a single seed."""
        values = np.array(self.values)
        if self.exact and len(values):
            return float(values.min()), float(values.max())
        if len(values) < 2:
            return None
        # One stream of resamples for every check: the report is the same each time.
        draws = np.random.default_rng(0).integers(
            len(values), size=(_RESAMPLES, len(values))
        )
        tail = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(values[draws].mean(axis=1), [tail, 100 - tail])
        return float(low), float(high)

    def verdict(self) -> str:
        """Whether the statistic lies where the claim says."""
        if not self.values:
            return NOT_RUN
        interval = self.interval()
        if interval is None or not self.full:
            return UNDECIDED
        if self.low < interval[0] and interval[1] < self.high:
            return HOLDS
        if interval[1] <= self.low or interval[0] >= self.high:
            return FAILS
        return UNDECIDED

    def __str__(self) -> str:
        """The statistic with its mean, interval, seeds, and where it should lie."""
        if not self.values:
            return f"{self.statistic}: {NOT_RUN}"
        interval = self.interval()
        spread = f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else ""
        seeds = "" if self.exact else f", {len(self.values)} seeds"
        bounds = {
            (True, True): "",
            (False, True): f"; claimed above {self.low:.4g}",
            (True, False): f"; claimed below {self.high:.4g}",
            (False, False): f"; claimed between {self.low:.4g} and {self.high:.4g}",
        }[math.isinf(self.low), math.isinf(self.high)]
        return (
            f"{self.statistic}: {np.mean(self.values):.4g}{spread}{seeds}{bounds}: "
            f"{self.verdict()}"
        )


def verdict(checks: Iterable[Check]) -> str:
    """The verdict on a claim: it holds if all checks do, and fails if one does."""
    verdicts = {check.verdict() for check in checks}
    if FAILS in verdicts:
        return FAILS
    if verdicts == {HOLDS}:
        return HOLDS
    return NOT_RUN if verdicts <= {NOT_RUN} else UNDECIDED


class BySeed(dict[str, Any]):
    """What was measured, by seed, and whether all of it with the full budget.

    Args:
        values: The dictionary.
        full: Whether every run had the full budget.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, full: bool = True):
        super().__init__(values or {})
        self.full = full

    def map(self, function: Callable[[Any], Any]) -> "BySeed":
        """What a function makes of the value of each seed; `None` leaves it out."""
        found = {seed: function(value) for seed, value in self.items()}
        return BySeed({s: v for s, v in found.items() if v is not None}, self.full)


class Results:
    """Runs of a table, found by what they are.

    Args:
        rows: Rows of a table of `sweeps.COLUMNS`, as text.
        accuracy: Column of the linear probe's accuracy: `"probe_accuracy"`, solved to
            convergence, or `"stopped_accuracy"`, by the notebook's protocol.
        pixels: Column of the same probe's accuracy on the raw views.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        accuracy: str = "probe_accuracy",
        pixels: str = "pixel_baseline",
    ):
        self.rows = list(rows)
        self.accuracy = accuracy
        self.pixels = pixels

    def by_stopped_probe(self) -> "Results":
        """The same runs, judged by the probe that the paper's notebook stops early."""
        return Results(self.rows, "stopped_accuracy", "stopped_pixels")

    def series(self, column: str, **where: Any) -> BySeed:
        """Values of a column by seed and step; of a seed's longest run.

        Args:
            column: Name of the column; empty cells are left out.
            **where: Columns and the text that they must hold.

        Returns:
            Dictionaries from steps to values, by seed.

        Raises:
            ValueError: If some of the runs differ in settings that have no column of
                their own, so that they are not the same but for their seeds.
        """
        rows = [
            row
            for row in self.rows
            if row[column] and all(row[k] == str(v) for k, v in where.items())
        ]
        check_settings(rows)
        longest: dict[str, int] = {}
        for row in rows:
            longest[row["seed"]] = max(longest.get(row["seed"], 0), _steps(row))
        rows = [row for row in rows if _steps(row) == longest[row["seed"]]]
        found = BySeed(full={row["budget"] for row in rows} <= {"full"})
        for row in rows:
            found.setdefault(row["seed"], {})[int(row["step"])] = float(row[column])
        return found

    def last(self, column: str, **where: Any) -> BySeed:
        """Last value of a column by seed."""
        return self.series(column, **where).map(lambda steps: steps[max(steps)])

    def rise(self, column: str, **where: Any) -> BySeed:
        """Last less first value by seed, where there are two."""
        return self.series(column, **where).map(
            lambda steps: (
                steps[max(steps)] - steps[min(steps)] if len(steps) > 1 else None
            )
        )


def check_settings(rows: Iterable[Row]) -> None:
    """Refuses rows that look the same but are of runs with different settings.

    Args:
        rows: Rows of a table. Those of an earlier version, which do not tell the
            settings without a column, fit any others.

    Raises:
        ValueError: If rows agree in all columns of settings but seed and steps, and
            not in the others.
    """
    alike = [c for c in KEY if c not in ("seed", "steps", "budget")]
    found: dict[tuple[str, ...], str] = {}
    for row in rows:
        if not row.get(OTHERS):
            continue
        key = tuple(row[column] for column in alike)
        other = found.setdefault(key, row[OTHERS])
        if other != row[OTHERS]:
            raise ValueError(
                f"Runs of {row['figure']!r} must have the same settings to be one "
                f"statistic; received {other} and {row[OTHERS]}. Give the others "
                "another name in their table (--config.figure=NAME)."
            )


def check(statistic: str, by_seed: BySeed, **interval: Any) -> Check:
    """A check of numbers by seed.

    Args:
        statistic: What is measured.
        by_seed: One number a seed.
        **interval: `low` and `high` of `Check`.
    """
    values = tuple(by_seed[seed] for seed in sorted(by_seed))
    return Check(statistic, values, full=by_seed.full, **interval)


def combined(function: Callable[..., float], *measured: BySeed) -> BySeed:
    """What a function makes of several numbers, for the seeds that have them all.

    Args:
        function: Function of as many numbers as there are dictionaries.
        *measured: Numbers by seed.
    """
    seeds = set.intersection(*(set(values) for values in measured))
    return BySeed(
        {s: function(*(values[s] for values in measured)) for s in sorted(seeds)},
        full=all(values.full for values in measured),
    )


def difference(a: BySeed, b: BySeed) -> BySeed:
    """`a - b` for the seeds that both have."""
    return combined(operator.sub, a, b)


def _steps(row: Row) -> int:
    return int(row["steps"] or 0)
