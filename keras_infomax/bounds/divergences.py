"""The lower bound on mutual information that a Jensen-Shannon critic gives."""

import math

from keras import ops

from keras_infomax import checks
from keras_infomax.bounds.lower import jensen_shannon
from keras_infomax.bounds.scores import wide

# Newton's steps: from the start below, float64 is exact after six.
_STEPS = 12
# Closer to its supremum, a divergence in float32 is the supremum.
_LEAST_GAP = 1e-7


def jensen_shannon_information(scores, partners=None):
    """A bound on mutual information from the Jensen-Shannon bound, in nats.

        bound[i] = least_kl(mean_k jensen_shannon(scores)[k] / 2), the same in all rows

    A sigmoid of the scores bounds the Jensen-Shannon divergence D of true pairs from
    others, and no two distributions that are D apart have a Kullback-Leibler
    divergence below `kl_of_jensen_shannon(D)`. The variance is small at any mutual
    information, as that of D is; the bound falls short even at the best critic, since
    it is tight for two-valued density ratios alone. Being convex in D, it is biased
    upwards in small batches, and values above about 15 nats are beyond float32.

    Args:
        scores: Float tensor `(rows, columns)`. Half precision is computed in float32.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of each
            row's true pairs. Defaults to the diagonal, `arange(rows)`.

    Returns:
        Tensor of the shape of `partners` in nats; its mean is the estimate.

    Raises:
        ValueError: If `scores` is not a matrix of at least two columns, or a partner
            lies outside its columns, as far as static shapes tell.

    Example:
    >>> abs(round(float(ops.mean(jensen_shannon_information(ops.zeros((8, 8))))), 4))
    0.0

    Reference:
        Dorent, Golland and Wells, 2025, "Connecting Jensen-Shannon and Kullback-Leibler
        Divergences: A New Bound for Representation Learning",
        https://arxiv.org/abs/2510.20644.
    """
    values = jensen_shannon(scores, partners)
    estimate = kl_of_jensen_shannon(ops.mean(values) / 2.0)
    return ops.zeros_like(values) + estimate


def kl_of_jensen_shannon(divergence):
    """The least Kullback-Leibler divergence at a Jensen-Shannon divergence, in nats.

    It is attained by a point that the second distribution gives the mass q = exp(-t):
    t is the one divergence, and the other

        D(t) = log(2) - [(1 + q) log(1 + q) + q t] / 2

    whose inverse this is. It rises from 0 with slope 2 / log(2), and is continued below
    0 by that line, since an estimate of a divergence may be negative.

    Args:
        divergence: Float tensor of any shape, below log(2), in nats.

    Returns:
        Tensor of the same shape, in nats; at most about 18.5, where float32 ends.

    Example:
    >>> round(float(kl_of_jensen_shannon(0.5)), 3)
    2.102

    Reference:
        Dorent, Golland and Wells, 2025, https://arxiv.org/abs/2510.20644;
        Harremoës and Vajda, 2011, "On Pairs of f-Divergences and Their Joint Range",
        https://arxiv.org/abs/1007.0097.
    """
    expected = "numbers below log(2), Jensen-Shannon divergences in nats"
    given = checks.tensor("divergence", divergence, expected, "Divide a sum of two.")
    given = wide(given)
    fixed = ops.stop_gradient(given)
    log_gap = ops.log(ops.clip(math.log(2.0) - fixed, _LEAST_GAP, math.log(2.0)))
    # The logarithm of the gap is nearly a line in t, so that few steps are enough.
    t = ops.maximum(-1.2 * log_gap, 0.0)
    for _ in range(_STEPS):
        q = ops.exp(-t)
        twice = (1.0 + q) * ops.log1p(q) + q * t
        slope = -q * ops.softplus(t) / twice
        t = ops.maximum(t - (ops.log(twice / 2.0) - log_gap) / slope, 0.0)
    slope = 2.0 * ops.exp(t) / ops.softplus(t)
    # By the derivative of the inverse, since Newton's steps have no useful one. Below
    # zero t is 0, and what is added the line.
    below = ops.where(fixed < 0, fixed * slope, 0.0)
    return t + below + slope * (given - fixed)
