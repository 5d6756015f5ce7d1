"""The lower bounds that need scores alone, each a pure function."""

import math

from keras import ops

from keras_infomax.bounds.scores import (
    align,
    count_of,
    log_mean_exp,
    log_odds,
    log_sums,
    split,
)


def infonce(scores, partners=None, axis=1):
    """InfoNCE: how well each row picks its partner among all columns, in nats.

        bound[i] = log(columns) + scores[i, p_i] - log(sum_j exp(scores[i, j]))

    The sum over j keeps the true pair, so no value exceeds `log(columns)`. The bound
    does not change when a constant is added to a row. Where a row has other partners,
    or pairs that are left out, the sum is over what remains, and `columns` their
    number.

    The paper prints this form and its transpose. With `axis=0` each partner picks its
    row among all rows; both are bounds, of different value:

        bound[i] = log(rows) + scores[i, p_i] - log(sum_k exp(scores[k, p_i]))

    Args:
        scores: Float tensor `(rows, columns)`. Half precision is computed in float32.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of each
            row's true pairs. Defaults to the diagonal, `arange(rows)`.
        axis: The axis that the denominator sums over: 1, over all y for each x, or 0,
            over all x for each y.

    Returns:
        Tensor of the shape of `partners` in nats; its mean is the estimate.

    Raises:
        ValueError: If `scores` is not a matrix of at least two columns, or a partner
            lies outside its columns, as far as static shapes tell, or if `axis` is
            neither 0 nor 1.

    Example:
    >>> round(float(ops.mean(infonce(1e4 * ops.eye(8)))), 4)  # log(8)
    2.0794

    Reference:
        van den Oord et al., 2018, "Representation Learning with Contrastive
        Predictive Coding", section 2.3, https://arxiv.org/abs/1807.03748; the form
        of Tschannen et al., 2020, equation 3, https://arxiv.org/abs/1907.13625. With
        several partners a row: Hjelm et al., 2019, equation 5,
        https://arxiv.org/abs/1808.06670.
    """
    excess, count = log_odds(scores, partners, axis)
    return ops.log(1.0 + count) - ops.softplus(excess)


def nwj(scores, partners=None):
    """NWJ: the bound of Nguyen, Wainwright and Jordan (f-GAN KL, MINE-f), in nats.

        bound[i] = scores[i, p_i] - mean_{j != p_i} exp(scores[i, j] - 1)

    The mean leaves out the true pair. Zero scores give -1/e, scores of one give 0.
    Raw scores are exponentiated: an unbounded critic can make the estimate, and its
    gradient, arbitrarily large, so clip gradients where training diverges.

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
    >>> round(float(ops.mean(nwj(ops.zeros((8, 8))))), 4)  # -1/e
    -0.3679

    Reference:
        Nguyen et al., 2010, "Estimating divergence functionals and the likelihood
        ratio by convex risk minimization", https://arxiv.org/abs/0809.0853; the form
        of Tschannen et al., 2020, equation 4, https://arxiv.org/abs/1907.13625.
    """
    positives, negatives = split(scores, partners)
    # The divisor goes into the exponent, so that only a bound that overflows itself
    # overflows here.
    log_count = ops.log(ops.maximum(count_of(negatives), 1.0))[:, None]
    return positives - align(
        ops.sum(ops.exp(negatives - (1.0 + log_count)), axis=1), positives
    )


def jensen_shannon(scores, partners=None):
    """Jensen-Shannon: how well a sigmoid of the scores tells true pairs from others.

        bound[i] = log(2) - softplus(-scores[i, p_i])
                   - mean_{j != p_i} (softplus(scores[i, j]) - log(2))

    Bounds twice the Jensen-Shannon divergence of the joint from the product of the
    marginals, hence stays below log(4). It rises with mutual information, but is no
    bound on it: `losses.JensenShannon` reports InfoNCE of the same scores beside it.

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
    >>> round(float(ops.mean(jensen_shannon(1e4 * (2 * ops.eye(8) - 1)))), 4)  # log(4)
    1.3863

    Reference:
        Nowozin et al., 2016, "f-GAN", https://arxiv.org/abs/1606.00709; the form of
        Hjelm et al., 2019, equation 4, https://arxiv.org/abs/1808.06670.
    """
    positives, negatives = split(scores, partners)
    count = ops.maximum(count_of(negatives), 1.0)
    from_negatives = ops.sum(ops.softplus(negatives), axis=1) / count
    return math.log(4.0) - ops.softplus(-positives) - align(from_negatives, positives)


def donsker_varadhan(scores, partners=None):
    """Donsker-Varadhan: the dual form of the Kullback-Leibler divergence, in nats.

        bound[i] = scores[i, p_i] - log(mean_{k, j != p_k} exp(scores[k, j]))

    The mean runs over the negatives of the whole batch, so the second term is the
    same in all rows. The logarithm of an average over a batch is biased upwards; NWJ
    has no such bias. A constant added to all scores changes nothing.

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
    >>> abs(round(float(ops.mean(donsker_varadhan(ops.ones((8, 8))))), 4))
    0.0

    Reference:
        Donsker & Varadhan, 1983; Belghazi et al., 2018, "Mutual Information Neural
        Estimation", equation 10, https://arxiv.org/abs/1801.04062.
    """
    positives, negatives = split(scores, partners)
    return positives - log_mean_exp(*log_sums(negatives))


def flat_nce(scores, partners=None):
    """FlatNCE: the value of InfoNCE, with a gradient that no ceiling flattens, in nats.

        bound[i] = infonce(scores)[i],
        with the gradient of scores[i, p_i] - log(sum_{j != p_i} exp(scores[i, j]))

    Where a row is nearly sure of its partner, InfoNCE's gradient vanishes, in half
    precision all at once. FlatNCE divides the negatives' part of the denominator by
    its own value, held fixed, so that each row keeps a gradient of size one. The
    quotient is 1 whatever the scores, so InfoNCE is what is reported: a lower bound of
    low variance, biased downwards, never above `log(columns)`.

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
    >>> round(float(ops.mean(flat_nce(1e4 * ops.eye(8)))), 4)  # log(8)
    2.0794

    Reference:
        Chen et al., 2021, "Simpler, Faster, Stronger: Breaking The log-K Curse On
        Contrastive Learners With FlatNCE",
        https://arxiv.org/abs/2107.01152.
    """
    excess, count = log_odds(scores, partners)
    value = ops.stop_gradient(ops.log(1.0 + count) - ops.softplus(excess))
    # A row without negatives has nothing to be told from.
    flat = ops.where(count > 0, excess, 0.0)
    return value + (ops.stop_gradient(flat) - flat)
