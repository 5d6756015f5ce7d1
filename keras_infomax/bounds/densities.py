"""Bounds that take log densities: Barber-Agakov from below, the others from above.

Here `scores[i, j] = log q(y_j | x_i)`, in nats, as `critics.ConditionalGaussian` gives
them. What q lacks of the true conditional density makes a lower bound lower; an upper
bound it may make too low, so that it holds only as far as q was fitted.
"""

from keras import ops

from keras_infomax import checks
from keras_infomax.bounds.scores import (
    LEFT_OUT,
    align,
    count_of,
    log_odds,
    split,
    wide,
)


def barber_agakov(scores, partners=None, entropy=0.0):
    """Barber-Agakov: how well a density predicts y from x, in nats.

        bound[i] = scores[i, p_i] + entropy,  scores[i, j] = log q(y_j | x_i)

    A lower bound for every q, short of the mutual information by the mean divergence
    of q from the true conditional density. No negatives enter, so its variance is
    small and it has no ceiling; but the entropy of y must be known.

    Args:
        scores: Float tensor `(rows, columns)` of log densities.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of each
            row's true pairs. Defaults to the diagonal, `arange(rows)`.
        entropy: Number, the differential entropy of y in nats, or the entropy of
            discrete y. With 0 the value is `-H(Y | X)` alone.

    Returns:
        Tensor of the shape of `partners` in nats; its mean is the estimate.

    Raises:
        ValueError: If `scores` is not a matrix of at least two columns, a partner lies
            outside its columns, as far as static shapes tell, or the entropy is no
            finite number.

    Example:
    >>> round(float(ops.mean(barber_agakov(-ops.ones((4, 4)), entropy=3.0))), 4)
    2.0

    Reference:
        Barber and Agakov, 2003, "The IM Algorithm"; Poole et al., 2019, "On
        Variational Bounds of Mutual Information", section 2.1,
        https://arxiv.org/abs/1905.06922.
    """
    entropy = checks.number("entropy", entropy, "finite", lambda v: True, 3.0)
    return split(scores, partners)[0] + entropy


def club(scores, partners=None):
    """CLUB: an upper bound from the contrast of log densities, in nats.

        bound[i] = scores[i, p_i] - mean_{j != p_i} scores[i, j]

    With the true conditional density for q it is an upper bound, by far: of Gaussians
    with correlation r it is r^2 / (1 - r^2). With a fitted q it is one as long as q is
    nearer to the true joint than to the product of the marginals. It has no bias of the
    batch size, a variance that grows with the spread of the log densities, and no
    ceiling. The paper's sum keeps the true pair among the others, which shrinks it by
    the factor (columns - 1) / columns.

    Args:
        scores: Float tensor `(rows, columns)` of log densities.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of each
            row's true pairs. Defaults to the diagonal, `arange(rows)`.

    Returns:
        Tensor of the shape of `partners` in nats; its mean is the estimate.

    Raises:
        ValueError: If `scores` is not a matrix of at least two columns, or a partner
            lies outside its columns, as far as static shapes tell.

    Example:
    >>> round(float(ops.mean(club(2.0 * ops.eye(4)))), 4)
    2.0

    Reference:
        Cheng et al., 2020, "CLUB: A Contrastive Log-ratio Upper Bound of Mutual
        Information", https://arxiv.org/abs/2006.12013.
    """
    positives, negatives = split(scores, partners)
    kept = ops.where(negatives > LEFT_OUT, negatives, 0.0)
    mean = ops.sum(kept, axis=1) / ops.maximum(count_of(negatives), 1.0)
    return positives - align(mean, positives)


def leave_one_out(scores, partners=None):
    """Leave-one-out: an upper bound from the density over that of others, in nats.

        bound[i] = scores[i, p_i] - log(mean_{k != i} exp(scores[k, p_i]))

    The other rows' densities of the same y stand for its marginal density. With the
    true conditional density it is an upper bound in expectation, and falls to the
    mutual information as rows grow; biased upwards with few rows. Its variance is that
    of a logarithm of a mean, small where I is below the log of the rows.

    Args:
        scores: Float tensor `(rows, columns)` of log densities, at least two rows.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of each
            row's true pairs. Defaults to the diagonal, `arange(rows)`.

    Returns:
        Tensor of the shape of `partners` in nats; its mean is the estimate.

    Raises:
        ValueError: If `scores` is not a matrix of at least two rows and columns, or a
            partner lies outside its columns, as far as static shapes tell.

    Example:
    >>> round(float(ops.mean(leave_one_out(2.0 * ops.eye(4)))), 4)
    2.0

    Reference:
        Poole et al., 2019, "On Variational Bounds of Mutual Information", section
        2.5, https://arxiv.org/abs/1905.06922.
    """
    excess, count = log_odds(scores, partners, axis=0)
    if len(scores.shape) == 2 and scores.shape[0] == 1:
        raise ValueError(
            "scores must have at least 2 rows for the leave-one-out bound, since the "
            f"other rows are the negatives; received shape {tuple(scores.shape)}. Use "
            "a batch size of 2 or more."
        )
    return ops.log(ops.maximum(count, 1.0)) - excess


def vib_rate(means, log_variances):
    """The rate of a Gaussian encoder: an upper bound on I(X; Z), in nats.

        rate[i] = 1/2 sum_d (means^2 + exp(log_variances) - log_variances - 1)[i, d]

    The divergence of `q(z | x_i)`, a Gaussian with independent units, from a standard
    Gaussian. Its mean exceeds I(X; Z) by the divergence of the encodings' own
    distribution from the standard Gaussian. It is exact for each row, so that only the
    rows drawn make it vary, and has no ceiling.

    Args:
        means: Float tensor `(rows, dim)`.
        log_variances: Float tensor `(rows, dim)`.

    Returns:
        Tensor `(rows,)` in nats.

    Raises:
        ValueError: If they are no matrices of one shape, as far as is known.

    Example:
    >>> round(float(vib_rate(2.0 * ops.ones((1, 3)), ops.zeros((1, 3)))[0]), 4)
    6.0

    Reference:
        Alemi et al., 2017, "Deep Variational Information Bottleneck", equation 14,
        https://arxiv.org/abs/1612.00410.
    """
    expected = "numbers (rows, dim)"
    given = []
    for argument, value in (("means", means), ("log_variances", log_variances)):
        found = checks.tensor(argument, value, expected, "Give one for each unit.")
        if len(found.shape) != 2:
            raise checks.refusal(argument, expected, found, "Give one for each unit.")
        given.append(wide(found))
    pairs = zip(given[0].shape, given[1].shape, strict=True)
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise ValueError(
            "means and log_variances must have one shape (rows, dim); received "
            f"{tuple(given[0].shape)} and {tuple(given[1].shape)}. Give both for each "
            "unit."
        )
    mean, log_variance = given
    parts = ops.square(mean) + ops.exp(log_variance) - log_variance - 1.0
    return ops.sum(parts, axis=1) / 2.0
