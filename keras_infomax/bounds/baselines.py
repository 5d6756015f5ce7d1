"""Lower bounds that divide exponentiated scores by a baseline, learned or of the batch.

For any positive a(x), `log E[exp f] <= E[exp f] / a + log a - 1`, and so

    I(X; Y) >= 1 + E[f(x, y) - log a(x)] - E[exp(f(x, y')) / a(x)]

with y' drawn apart from x. NWJ is the case log a = 1. The better the baseline knows
`log E[exp f(x, y')]`, the tighter the bound and the smaller its variance.
"""

import math

from keras import ops

from keras_infomax import checks
from keras_infomax.bounds.scores import (
    LEFT_OUT,
    align,
    checked,
    count_of,
    log_odds,
    log_sums,
    split,
    wide,
)


def tuba(scores, partners=None, log_baseline=0.0):
    """TUBA: the bound of Barber and Agakov without its normalizer, in nats.

        bound[i] = 1 + scores[i, p_i] - a_i - mean_{j != p_i} exp(scores[i, j] - a_i)

    with `a_i` the log-baseline of row i. Any baseline gives a lower bound without bias;
    the best is the log of the mean exponential of all negatives that there are. The
    variance is that of NWJ, exponential in the mutual information, less what a good
    baseline takes away. There is no ceiling. A critic that learns the baseline
    is `critics.BaselineCritic`; its scores come with `a_i` subtracted.

    Args:
        scores: Float tensor `(rows, columns)`. Half precision is computed in float32.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of each
            row's true pairs. Defaults to the diagonal, `arange(rows)`.
        log_baseline: Number, or float tensor `(rows,)`, in nats.

    Returns:
        Tensor of the shape of `partners` in nats; its mean is the estimate.

    Raises:
        ValueError: If `scores` is not a matrix of at least two columns, a partner lies
            outside its columns, or the baseline is neither one number nor one for each
            row, as far as static shapes tell.

    Example:
    >>> scores = ops.ones((8, 8))
    >>> round(float(ops.mean(tuba(scores, log_baseline=1.0))), 4)
    0.0
    >>> round(float(ops.mean(tuba(scores))), 4)  # 2 - e
    -0.7183

    Reference:
        Poole et al., 2019, "On Variational Bounds of Mutual Information", section
        2.2, https://arxiv.org/abs/1905.06922.
    """
    positives, negatives = split(scores, partners)
    baseline = checked_baseline("log_baseline", log_baseline, positives)
    sums, counts = log_sums(negatives)
    # In the exponent, so that only a bound that overflows itself overflows here.
    of_negatives = ops.exp(sums - ops.log(ops.maximum(counts, 1.0)) - baseline)
    return 1.0 + positives - align(baseline + of_negatives, positives)


def flo(scores, partners=None, normalizers=None):
    """FLO: the bound of the Fenchel-Legendre transform, one normalizer a pair, in nats.

        bound[i] = 1 - u_i
                   - exp(-u_i) mean_{j != p_i} exp(scores[i, j] - scores[i, p_i])

    with `u_i = u(x_i, y_(p_i))`. Any normalizer gives a lower bound without bias; the
    best is minus the log density ratio of the pair, at which the second part is 1. Its
    variance is smaller than that of NWJ where u is learned well, and exponential in
    the mutual information where it is not. There is no ceiling. With
    `u_i = a_i - scores[i, p_i]` it is TUBA, so a critic whose scores come with
    `a(x_i, y_(p_i))` subtracted, `critics.BaselineCritic(pairs=True)`, makes of every
    loss that is TUBA this one.

    Args:
        scores: Float tensor `(rows, columns)`. Half precision is computed in float32.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of each
            row's true pairs. Defaults to the diagonal, `arange(rows)`.
        normalizers: Float tensor of the shape of `partners`, in nats. Defaults to
            `-scores[i, p_i]`, for scores that are normalized already.

    Returns:
        Tensor of the shape of `partners` in nats; its mean is the estimate.

    Raises:
        ValueError: If `scores` is not a matrix of at least two columns, a partner lies
            outside its columns, or there is not one normalizer for each true pair, as
            far as static shapes tell.

    Example:
    >>> round(float(ops.mean(flo(ops.ones((8, 8)), normalizers=ops.zeros(8)))), 4)
    0.0

    Reference:
        Guo et al., 2022, "Tight Mutual Information Estimation With Contrastive
        Fenchel-Legendre Optimization", https://arxiv.org/abs/2107.01131.
    """
    excess, count = log_odds(scores, partners)
    expected = "one number for each true pair"
    advice = "Write, for example, normalizers=np.zeros(rows)."
    if normalizers is None:
        normalizers = -split(scores, partners)[0]
    u = checks.tensor("normalizers", normalizers, expected, advice)
    known = zip(u.shape, excess.shape, strict=False)
    if len(u.shape) != len(excess.shape) or any(
        None not in pair and pair[0] != pair[1] for pair in known
    ):
        raise checks.refusal("normalizers", expected, u, advice)
    u = ops.cast(u, excess.dtype)
    return 1.0 - u - ops.exp(excess - ops.log(ops.maximum(count, 1.0)) - u)


def interpolated(scores, partners=None, alpha=0.5, log_baseline=0.0):
    """I_alpha: between TUBA at alpha = 0 and InfoNCE at alpha = 1, in nats.

    With `a_i` the log-baseline, K = columns - 1 and m the mean exponential of K scores
    of the row,

        bound[i] = 1 + mean_{j != p_i} [scores[i, p_i]
                                        - log(alpha m(all but j) + (1 - alpha) exp a_i)]
                   - m(negatives) / (alpha m(negatives) + (1 - alpha) exp a_i)

    Both means are over K pairs: the true one and K - 1 others, each left out in turn,
    or K negatives. So it is a lower bound without bias of its expectation for every
    alpha. It cannot exceed `1 + log(K / alpha)`, and `log(K)` at alpha = 1; the larger
    alpha, the smaller the variance and the larger the gap.

    Args:
        scores: Float tensor `(rows, columns)` of at least three columns. Half precision
            is computed in float32.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of each
            row's true pairs. Defaults to the diagonal, `arange(rows)`.
        alpha: Number in [0, 1].
        log_baseline: Number, or float tensor `(rows,)`, in nats.

    Returns:
        Tensor of the shape of `partners` in nats; its mean is the estimate.

    Raises:
        ValueError: If `scores` is not a matrix of at least three columns, a partner
            lies outside its columns, alpha is not in [0, 1], or the baseline is neither
            one number nor one for each row, as far as static shapes tell.

    Example:
    >>> round(float(ops.mean(interpolated(1e4 * ops.eye(9), alpha=1.0))), 4)  # log(8)
    2.0794

    Reference:
        Poole et al., 2019, "On Variational Bounds of Mutual Information", section
        2.4, https://arxiv.org/abs/1905.06922.
    """
    alpha = checks.probability("alpha", alpha)
    positives, negatives = split(scores, partners)
    if negatives.shape[1] is not None and negatives.shape[1] < 3:
        raise ValueError(
            "scores must have at least 3 columns for the interpolated bound, which "
            "leaves one negative out in turn; received shape "
            f"{tuple(negatives.shape)}. Use a batch size of 3 or more."
        )
    baseline = checked_baseline("log_baseline", log_baseline, positives)
    # All are differences to the largest score of the row, which keeps their digits.
    anchor = ops.stop_gradient(
        ops.max(checked(scores, partners)[0], axis=1, initial=LEFT_OUT)
    )
    positives, baseline = positives - align(anchor, positives), baseline - anchor
    negatives = ops.where(negatives > LEFT_OUT, negatives - anchor[:, None], LEFT_OUT)
    count = count_of(negatives)
    log_count = ops.log(ops.maximum(count, 1.0))
    sums = ops.logsumexp(negatives, axis=1)
    mixed = _log_mixture(sums - log_count, baseline, alpha)
    marginal = ops.exp(sums - log_count - mixed)

    without = _log_sums_without_each(negatives, sums)
    is_negative = ops.cast(negatives > LEFT_OUT, negatives.dtype)

    def of_positive(positive):
        denominators = _log_mixture(
            ops.logaddexp(positive[:, None], without) - log_count[:, None],
            baseline[:, None],
            alpha,
        )
        mean = ops.sum(is_negative * denominators, axis=1) / ops.maximum(count, 1.0)
        return 1.0 + positive - mean - marginal

    if len(positives.shape) == 1:
        return of_positive(positives)
    every = [of_positive(positives[:, k]) for k in range(positives.shape[1])]
    return ops.stack(every, axis=1)


def checked_baseline(argument, value, positives):
    """A log-baseline as a tensor `(rows,)`.

    Args:
        argument: Name of the argument.
        value: Number, or float tensor `(rows,)`.
        positives: Scores of true pairs, which have its rows.

    Raises:
        ValueError: If it is neither.
    """
    expected = "one number, or one for each row of scores"
    advice = f"Write, for example, {argument}=1.0."
    found = checks.tensor(argument, value, expected, advice)
    rows = positives.shape[0]
    if len(found.shape) > 1 or (
        len(found.shape) == 1 and None not in (rows, found.shape[0]) != (rows, rows)
    ):
        raise checks.refusal(argument, expected, found, advice)
    one = ops.zeros_like(positives if len(positives.shape) == 1 else positives[:, 0])
    return one + ops.cast(wide(found), one.dtype)


def _log_mixture(log_first, log_second, alpha):
    if alpha == 0:
        return log_second
    if alpha == 1:
        return log_first
    return ops.logaddexp(log_first + math.log(alpha), log_second + math.log1p(-alpha))


def _log_sums_without_each(negatives, sums):
    """Log of the sum of exponentials of each row's negatives but one, for every one."""
    columns = ops.arange(ops.shape(negatives)[1], dtype="int32")
    largest = ops.equal(
        ops.argmax(ops.stop_gradient(negatives), axis=1)[:, None], columns[None]
    )
    # What is left without the largest is summed anew: as a difference it would be lost.
    rest = ops.logsumexp(ops.where(largest, LEFT_OUT, negatives), axis=1)
    # All others are at most half of the sum.
    shares = ops.exp(ops.where(largest, LEFT_OUT, negatives) - sums[:, None])
    others = sums[:, None] + ops.log1p(-ops.minimum(shares, 0.5))
    return ops.where(largest, rest[:, None], others)
