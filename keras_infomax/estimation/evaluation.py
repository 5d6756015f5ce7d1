"""Evaluates held-out scores: bounds, their errors, and a test of independence."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from keras import ops
from scipy import stats

from keras_infomax import bounds
from keras_infomax.estimation.infonce import symmetric_infonce

# Number of blocks of held-out rows; each is left out in turn.
_BLOCKS = 20
# More rows are evaluated in parts, which limits the memory.
LARGEST = 4096


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Scores of held-out pairs, and their baselines from the training rows.

    Args:
        scores: Float matrix `(rows, rows)`, with minus infinity for pairs left out.
        baselines: `(rows,)`, the log of the mean exponential score of each row of x
            over training rows of y.
        groups: `(rows,)`, groups of dependent rows; all different for independent rows.
        largest: Upper limit of scores in means of exponentials.
    """

    scores: np.ndarray
    baselines: np.ndarray
    groups: np.ndarray
    largest: float = math.inf

    @property
    def cut(self) -> np.ndarray:
        """Scores `(rows, rows)` that are at most `largest`."""
        return np.minimum(self.scores, self.largest)

    def without(self, left_out: np.ndarray) -> "HeldOut":
        """A copy without some rows.

        Args:
            left_out: Booleans `(rows,)`.
        """
        kept = ~left_out
        return HeldOut(
            self.scores[np.ix_(kept, kept)],
            self.baselines[kept],
            self.groups[kept],
            self.largest,
        )

    def blocks(self) -> list[np.ndarray]:
        """Booleans `(rows,)` of the rows of each block; groups are not split."""
        found, codes = np.unique(self.groups, return_inverse=True)
        count = min(_BLOCKS, len(found))
        of_group = np.arange(len(found)) * count // len(found)
        return [of_group[codes] == block for block in range(count)]


def _infonce(held):
    return symmetric_infonce(held.scores)


def _of_bound(bound, shift=None):
    def value(held):
        scores = held.cut
        if shift is not None:
            scores = scores - shift(held)
        values = bound(scores.astype("float32"))
        return float(np.mean(ops.convert_to_numpy(values)))

    return value


def _row_baselines(held):
    # Half of each: the own baseline of a row far from all others is unreliable.
    return np.logaddexp(held.baselines, _one_baseline(held))[:, None] - math.log(2)


def _one_baseline(held):
    largest = held.baselines.max()
    return largest + math.log(np.mean(np.exp(held.baselines - largest)))


# Each bound as a function of held-out scores. Bounds with a normalizer take it from the
# training rows, for each row or for all rows.
ESTIMATORS: dict[str, Callable[[HeldOut], float]] = {
    "infonce": _infonce,
    "nwj": _of_bound(bounds.nwj, lambda held: _one_baseline(held) - 1.0),
    "tuba": _of_bound(bounds.tuba, _row_baselines),
    "interpolated": _of_bound(
        lambda s: bounds.interpolated(s, alpha=0.01), _row_baselines
    ),
    "donsker_varadhan": _of_bound(bounds.donsker_varadhan, _one_baseline),
    "smile": _of_bound(bounds.smile, _one_baseline),
    "jensen_shannon_information": _of_bound(
        bounds.jensen_shannon_information, _one_baseline
    ),
}


def ceiling(method: str, columns: int) -> float:
    """Largest possible value of a bound with this number of columns, in nats.

    Args:
        method: Name of the bound.
        columns: Number of columns.
    """
    if method == "infonce":
        return math.log(columns)
    if method == "interpolated":
        return 1 + math.log((columns - 1) / 0.01)
    return math.inf


def error(method: str, held: HeldOut) -> float:
    """Standard error of a bound, by the delete-a-block jackknife.

    Terms of rows depend on each other, since each row is a negative of the others. A
    row is left out both as a row and as a column. If a bound is a function of sums over
    pairs, the sums of all blocks are computed at once.

    Args:
        method: Name of the bound.
        held: Held-out scores.

    Reference:
        Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", section 11.5.
    """
    blocks = held.blocks()
    if len(blocks) < 2:
        return math.nan
    if method in _OF_SUMS:
        values = _OF_SUMS[method](held, np.stack(blocks, axis=1).astype("float32"))
    else:
        value = ESTIMATORS[method]
        values = np.array([value(held.without(block)) for block in blocks])
    count = len(blocks)
    return float(np.sqrt((count - 1) / count * np.sum((values - values.mean()) ** 2)))


def _infonce_without(held, blocks):
    scores, true = held.scores, np.diagonal(held.scores)
    kept = 1 - blocks
    total = 0.0
    for by_row in (scores, scores.T):
        largest = by_row.max(axis=1, keepdims=True)
        others = np.exp(by_row - largest) @ kept
        counts = (by_row > -np.inf).astype("float32") @ kept
        with np.errstate(divide="ignore"):
            values = true[:, None] - largest - np.log(others) + np.log(counts)
        total = total + _means(values, kept) / 2
    return total


def _tuba_without(held, blocks, shifts):
    """`1 + mean(true) - mean(exp(others))` of shifted scores, over the kept pairs."""
    scores = held.cut - shifts
    true = np.diagonal(scores)
    means = _mean_exp_without(scores, blocks)
    return 1 + _means(np.repeat(true[:, None], blocks.shape[1], 1), 1 - blocks) - means


def _donsker_varadhan_without(held, blocks, clip=None):
    scores = held.cut - _one_baseline(held)
    true = np.repeat(np.diagonal(scores)[:, None], blocks.shape[1], 1)
    if clip is not None:
        scores = np.where(np.isfinite(scores), np.clip(scores, -clip, clip), scores)
    means = _mean_exp_without(scores, blocks)
    return _means(true, 1 - blocks) - np.log(means)


def _mean_exp_without(scores, blocks):
    """Means of the exponentials of negatives, without each block in turn."""
    kept = 1 - blocks
    exponentials = np.exp(scores.astype("float64"))
    np.fill_diagonal(exponentials, 0.0)
    counts = (scores > -np.inf).astype("float32")
    np.fill_diagonal(counts, 0.0)
    sums, numbers = (np.sum(kept * (m @ kept), axis=0) for m in (exponentials, counts))
    return sums / numbers


def _means(values, kept):
    return np.sum(np.where(kept > 0, values, 0.0), axis=0) / np.sum(kept, axis=0)


# Bounds whose errors need only one pass over the scores.
_OF_SUMS = {
    "infonce": _infonce_without,
    "nwj": lambda held, blocks: _tuba_without(held, blocks, _one_baseline(held)),
    "tuba": lambda held, blocks: _tuba_without(held, blocks, _row_baselines(held)),
    "donsker_varadhan": _donsker_varadhan_without,
    "smile": lambda held, blocks: _donsker_varadhan_without(held, blocks, 5.0),
}


def quick(rows: int) -> list[str]:
    """Bounds whose errors are computed quickly, in addition to that of the method.

    Args:
        rows: Number of held-out rows.
    """
    return list(_OF_SUMS) if rows <= LARGEST else []


def quantile(blocks: int, level: float) -> float:
    """Half the width of an interval in standard errors.

    Args:
        blocks: Number of blocks of the standard error.
        level: Confidence level.
    """
    return float(stats.t.ppf((1 + level) / 2, max(blocks - 1, 1)))


def permuted(held: HeldOut, count: int, generator: np.random.Generator) -> np.ndarray:
    """Mean scores of pairs with permuted y, after the mean score of the true pairs.

    The critic was not trained on these rows. Under independence, all orders of y are
    equally likely.

    Args:
        held: Held-out scores; rows of one group are permuted together.
        count: Number of permutations.
        generator: Generator.

    Returns:
        `(1 + count,)` means.
    """
    rows = np.arange(len(held.scores))
    found = [np.mean(np.diagonal(held.scores))]
    names, codes = np.unique(held.groups, return_inverse=True)
    members = [np.flatnonzero(codes == group) for group in range(len(names))]
    apart = len(names) == len(rows)
    scores = np.where(np.isfinite(held.scores), held.scores, np.nan)
    for _ in range(count):
        order = generator.permutation(len(names))
        if apart:
            partner = order
        else:
            partner = np.empty(len(rows), int)
            for group, other in enumerate(order):
                given = members[other]
                turn = np.arange(len(members[group])) % len(given)
                partner[members[group]] = given[turn]
        found.append(np.nanmean(scores[rows, partner]))
    return np.array(found)


def largest_score(scores: np.ndarray, true: np.ndarray) -> float:
    """Upper limit of scores in means of exponentials.

    Training by InfoNCE does not limit the scores of rare pairs that exceed all true
    ones, and the exponential of one such score can dominate a mean. The limit is the
    quantile of the true scores with the largest Donsker-Varadhan bound on rows that are
    not held out. A critic with a limit is still a critic, so a bound remains valid.

    Args:
        scores: Float matrix `(rows, columns)` of pairs that are not true pairs.
        true: Scores of true pairs, `(rows,)`.
    """
    best, chosen = -math.inf, math.inf
    for share in (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0):
        largest = float(np.quantile(true, share))
        means = row_baselines(np.minimum(scores, largest))
        top = means.max()
        value = np.mean(np.minimum(true, largest))
        value -= top + math.log(np.mean(np.exp(means - top)))
        if value > best:
            best, chosen = value, largest
    return chosen


def row_baselines(scores: np.ndarray) -> np.ndarray:
    """Log of the mean exponential score of each row over columns of training rows.

    Args:
        scores: Float matrix `(rows, columns)`.
    """
    largest = scores.max(axis=1, keepdims=True)
    return np.log(np.mean(np.exp(scores - largest), axis=1)) + largest[:, 0]
