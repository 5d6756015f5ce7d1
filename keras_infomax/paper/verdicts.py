"""Statistics of a table of results, each with the interval in which it should lie.

A check holds one number per seed, and the interval in which a claim says their mean
lies. Its confidence interval is Student's t over seeds. A claim holds if all its checks
do. It is tested twice: whether all means lie where the claim says (intersection-union
test: the largest p-value counts; Berger, 1982), and whether at least one does not (the
smallest p-value, times the number of checks). Holm's correction (Holm, 1979) then
covers all claims of a page. So the probability that any verdict of the page is wrong is
at most that of a single interval.

A claim is *undecided* if neither test decides, if there are fewer than two seeds, or if
the budget was not the full one.
"""

import collections
import dataclasses
import functools
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from keras_infomax.training.settings import KEY, OTHERS

HOLDS, FAILS = "holds", "does not hold"
UNDECIDED, NOT_RUN = "undecided", "not run"

CONFIDENCE = 0.95
POWER = 0.8
# One tail. A verdict needs a smaller p-value; an interval leaves out this on each side.
_TAIL = (1 - CONFIDENCE) / 2
_MOST_SEEDS = 1_000

# What tells apart the runs that claims are about.
_GROUP = ("figure", "dataset", "encoder", "critic", "bound", "target", "batch_size")

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

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """Standard deviation over seeds, with `n - 1` degrees of freedom."""
        return float(np.std(self.values, ddof=1))

    def interval(self) -> tuple[float, float] | None:
        """Student's interval of the mean over seeds; `None` for a single seed."""
        if self.exact and self.values:
            return min(self.values), max(self.values)
        count = len(self.values)
        if count < 2:
            return None
        half = stats.t.ppf(1 - _TAIL, count - 1) * self.deviation / math.sqrt(count)
        return self.mean - half, self.mean + half

    def p_values(self) -> tuple[float, float]:
        """One-sided p-values that the mean lies inside, and that it lies outside.

        The first tests that the mean lies outside `(low, high)`: the larger of the
        p-values at its two ends. The second tests that it lies inside: the smaller,
        doubled where there are two ends. Both are 1 where nothing can be decided.
        """
        if (
            not self.full
            or not self.values
            or (len(self.values) < 2 and not self.exact)
        ):
            return 1.0, 1.0
        if self.exact:
            inside = self.low < min(self.values) and max(self.values) < self.high
            return (0.0, 1.0) if inside else (1.0, 0.0)
        ends = [end for end in (self.low, self.high) if math.isfinite(end)]
        above_low, below_low = self._one_sided(self.low)
        above_high, below_high = self._one_sided(self.high)
        outside = min(below_low, above_high)
        return max(above_low, below_high), min(1.0, len(ends) * outside)

    def _one_sided(self, end: float) -> tuple[float, float]:
        """P-values of the tests that the mean is above, and that it is below `end`."""
        error = self.deviation / math.sqrt(len(self.values))
        if math.isinf(end) or error == 0:
            return float(self.mean <= end), float(self.mean >= end)
        t = stats.t(len(self.values) - 1)
        distance = (self.mean - end) / error
        return float(t.sf(distance)), float(t.cdf(distance))

    def verdict(self) -> str:
        """Whether the interval lies where the claim says, without a correction."""
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

    def seeds_to_decide(self, comparisons: int = 1) -> int | None:
        """Number of seeds that would decide the check, if mean and spread stay as seen.

        The power is 80 %, at the level of the first of so many comparisons after Holm's
        correction.

        Args:
            comparisons: Number of claims that are judged together.

        Returns:
            The number, at most 1,000. `None` if it would be larger, or if there are
            fewer than two seeds to estimate it from.
        """
        if self.exact or len(self.values) < 2:
            return None
        ends = [end for end in (self.low, self.high) if math.isfinite(end)]
        inside = self.low < self.mean < self.high
        crossed = [e for e in ends if inside or (e == self.low) == (self.mean <= e)]
        distance = min(abs(self.mean - end) for end in crossed)
        if distance == 0:
            return None
        if self.deviation == 0:
            return 2
        counts = np.arange(2, _MOST_SEEDS + 1)
        critical = stats.t.ppf(1 - _TAIL / comparisons, counts - 1)
        shift = distance / self.deviation * np.sqrt(counts)
        enough = counts[stats.nct.sf(critical, counts - 1, shift) >= POWER]
        return int(enough[0]) if len(enough) else None

    def __str__(self) -> str:
        """The statistic with its mean, interval, seeds, and where it should lie."""
        if not self.values:
            return f"{self.statistic}: {NOT_RUN}"
        interval = self.interval()
        spread = f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else ""
        plural = "" if len(self.values) == 1 else "s"
        seeds = "" if self.exact else f", {len(self.values)} seed{plural}"
        if len(self.values) > 1 and not self.exact:
            seeds += f", s.d. {self.deviation:.2g}"
        bounds = {
            (True, True): "",
            (False, True): f"; claimed above {self.low:.4g}",
            (True, False): f"; claimed below {self.high:.4g}",
            (False, False): f"; claimed between {self.low:.4g} and {self.high:.4g}",
        }[math.isinf(self.low), math.isinf(self.high)]
        return f"{self.statistic}: {self.mean:.4g}{spread}{seeds}{bounds}: " + (
            self.verdict() if self.full else f"{UNDECIDED} at this budget"
        )


@dataclasses.dataclass(frozen=True)
class Judgement:
    """The verdict on a claim, judged together with the others.

    Args:
        verdict: `HOLDS`, `FAILS`, `UNDECIDED` or `NOT_RUN`.
        p_value: That of the better of its two tests, after Holm's correction.
    """

    verdict: str
    p_value: float


def judge(claims: Sequence[Sequence[Check]]) -> list[Judgement]:
    """Judges claims together, with Holm's correction for their number.

    Of a claim's two tests, the null hypothesis of exactly one is true. So the smaller
    p-value of each enters the correction, and no claim counts twice.

    Args:
        claims: The checks of each claim.
    """
    tests = [_tests(checks) for checks in claims]
    order = sorted(range(len(tests)), key=lambda index: min(tests[index]))
    judged: dict[int, Judgement] = {}
    corrected = 0.0
    for rank, index in enumerate(order):
        holds, fails = tests[index]
        corrected = min(1.0, max(corrected, (len(tests) - rank) * min(holds, fails)))
        if all(not check.values for check in claims[index]):
            verdict = NOT_RUN
        elif corrected < _TAIL:
            verdict = HOLDS if holds < fails else FAILS
        else:
            verdict = UNDECIDED
        judged[index] = Judgement(verdict, corrected)
    return [judged[index] for index in range(len(tests))]


def _tests(checks: Sequence[Check]) -> tuple[float, float]:
    """P-values that all checks lie inside, and that at least one lies outside."""
    tests = [check.p_values() for check in checks]
    ran = sum(bool(check.values) for check in checks) or 1
    holds = max((inside for inside, _ in tests), default=1.0)
    fails = ran * min((outside for _, outside in tests), default=1.0)
    return holds, min(1.0, fails)


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
        pixels: str = "raw_baseline",
    ):
        self.rows = list(rows)
        self.accuracy = accuracy
        self.pixels = pixels

    @functools.cached_property
    def _groups(self) -> dict[tuple[str, ...], list[Row]]:
        """Rows by what their runs are, seeds and steps apart."""
        groups = collections.defaultdict(list)
        for row in self.rows:
            groups[tuple(row[column] for column in _GROUP)].append(row)
        return groups

    def by_stopped_probe(self) -> "Results":
        """The same runs, judged by the probe that the paper's notebook stops early."""
        return Results(self.rows, "stopped_accuracy", "stopped_raw")

    def series(self, column: str, **where: Any) -> BySeed:
        """Values of a column by seed and step; of a seed's longest run.

        Args:
            column: Name of the column; empty cells are left out.
            **where: What the runs must be: some of `figure`, `dataset`, `encoder`,
                `critic`, `bound`, `target` and `batch_size`.

        Returns:
            Dictionaries from steps to values, by seed.

        Raises:
            ValueError: If some of the runs differ in settings that have no column of
                their own, so that they are not the same but for their seeds.
        """
        wanted = {_GROUP.index(name): str(value) for name, value in where.items()}
        rows = [
            row
            for group, rows in self._groups.items()
            if all(group[place] == value for place, value in wanted.items())
            for row in rows
            if row[column]
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


def combined(function: Callable[..., float | None], *measured: BySeed) -> BySeed:
    """What a function makes of several numbers, for the seeds that have them all.

    Args:
        function: Function of as many numbers as there are dictionaries; `None` leaves
            the seed out.
        *measured: Numbers by seed.
    """
    seeds = set.intersection(*(set(values) for values in measured))
    rows = {seed: tuple(values[seed] for values in measured) for seed in sorted(seeds)}
    full = all(values.full for values in measured)
    return BySeed(rows, full).map(lambda row: function(*row))


def difference(a: BySeed, b: BySeed) -> BySeed:
    """`a - b` for the seeds that both have."""
    return combined(operator.sub, a, b)


def _steps(row: Row) -> int:
    return int(row["steps"] or 0)
