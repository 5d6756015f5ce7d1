"""SMILE, which trades the variance of Donsker-Varadhan for a bias by clipping."""

from keras import ops

from keras_infomax import checks
from keras_infomax.bounds.scores import (
    LEFT_OUT,
    log_mean_exp,
    log_sums,
    split,
)


def smile(scores, partners=None, clip=5.0):
    """SMILE: Donsker-Varadhan whose negatives are clipped to [-clip, clip], in nats.

        bound[i] = scores[i, p_i]
                   - log(mean_{k, j != p_k} clip(exp(scores[k, j]), e^-clip, e^clip))

    Clipping bounds the variance of the second term, which else is exponential in the
    mutual information, at the price of a bias: too small a `clip` takes from the
    partition function what makes this a lower bound, and the estimate may exceed the
    mutual information. It has no ceiling. As clip grows, it becomes Donsker-Varadhan.

    Args:
        scores: Float tensor `(rows, columns)`. Half precision is computed in float32.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of each
            row's true pairs. Defaults to the diagonal, `arange(rows)`.
        clip: Positive number, tau in the paper.

    Returns:
        Tensor of the shape of `partners` in nats; its mean is the estimate.

    Raises:
        ValueError: If `scores` is not a matrix of at least two columns, a partner lies
            outside its columns, as far as static shapes tell, or clip is not positive.

    Example:
    >>> scores = ops.where(ops.eye(8) > 0, 7.0, -100.0)
    >>> round(float(ops.mean(smile(scores, clip=5.0))), 4)  # 7 + 5
    12.0

    Reference:
        Song and Ermon, 2020, "Understanding the Limitations of Variational Mutual
        Information Estimators", https://arxiv.org/abs/1910.06222.
    """
    clip = checks.positive_number("clip", clip, 5.0)
    positives, negatives = split(scores, partners)
    return positives - log_mean_exp(*log_sums(clipped(negatives, clip)))


def clipped(negatives, clip):
    """Negatives of `split` within [-clip, clip]; those left out stay so."""
    return ops.where(negatives > LEFT_OUT, ops.clip(negatives, -clip, clip), LEFT_OUT)
