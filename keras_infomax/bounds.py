"""Lower bounds on mutual information, as pure functions of a score matrix.

A bound takes scores `(rows, columns)`, where `scores[i, j]` rates the pair
`(x_i, y_j)`, and returns one value a row, in nats; their mean is the estimate.
`partners[i]` is the column that holds row i's true pair, so one formula serves one
device, where it is the diagonal, and many, where the columns are the global batch.

InfoNCE cannot exceed the logarithm of the number of columns. NWJ has no such
ceiling, at the price of variance: it exponentiates raw scores.
"""

import keras
import numpy as np
from keras import ops


def infonce(scores, partners=None, axis=1):
    """InfoNCE: how well each row picks its partner among all columns, in nats.

        bound[i] = log(columns) + scores[i, p_i] - log(sum_j exp(scores[i, j]))

    The sum over j keeps the true pair, so no value exceeds `log(columns)`. The bound
    does not change when a constant is added to a row.

    The paper prints this form and its transpose. With `axis=0` each partner picks its
    row among all rows; both are bounds, of different value:

        bound[i] = log(rows) + scores[i, p_i] - log(sum_k exp(scores[k, p_i]))

    Args:
        scores: Float tensor `(rows, columns)`. Half precision is computed in float32.
        partners: Integer tensor `(rows,)`, the column of each row's true pair.
            Defaults to the diagonal, `arange(rows)`.
        axis: The axis that the denominator sums over: 1, over all y for each x, or 0,
            over all x for each y.

    Returns:
        Tensor `(rows,)` in nats; its mean is the estimate.

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
        of Tschannen et al., 2020, equation 3, https://arxiv.org/abs/1907.13625.
    """
    scores, partners = _checked(scores, partners)
    if axis == 0:
        # Row i of the turned matrix holds what partner i scores with every x.
        scores = ops.take(ops.transpose(scores), partners, axis=0)
        scores, partners = _checked(scores, ops.arange(ops.shape(scores)[0]))
    elif axis != 1:
        raise ValueError(
            "axis must be 1 (sum over y for each x) or 0 (sum over x for each y); "
            f"received {axis!r}."
        )
    # Cross-entropy subtracts the row's maximum first: exact for scores of +-1e4.
    return log_columns(scores) - ops.sparse_categorical_crossentropy(
        partners, scores, from_logits=True
    )


def nwj(scores, partners=None):
    """NWJ: the bound of Nguyen, Wainwright and Jordan (f-GAN KL, MINE-f), in nats.

        bound[i] = scores[i, p_i] - mean_{j != p_i} exp(scores[i, j] - 1)

    The mean leaves out the true pair. Zero scores give -1/e, scores of one give 0.
    Raw scores are exponentiated: an unbounded critic can make the estimate, and its
    gradient, arbitrarily large, so clip gradients where training diverges.

    Args:
        scores: Float tensor `(rows, columns)`. Half precision is computed in float32.
        partners: Integer tensor `(rows,)`, the column of each row's true pair.
            Defaults to the diagonal, `arange(rows)`.

    Returns:
        Tensor `(rows,)` in nats; its mean is the estimate.

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
    scores, partners = _checked(scores, partners)
    is_partner = ops.equal(partners[:, None], ops.arange(ops.shape(scores)[1])[None])
    joint = ops.sum(ops.where(is_partner, scores, 0.0), axis=1)
    # A mask, not a subtracted infinity: inf * 0 would be NaN in value and gradient.
    negatives = ops.where(is_partner, -np.inf, scores)
    # The divisor goes into the exponent, so that only a bound that overflows itself
    # overflows here.
    log_count = ops.log(ops.exp(log_columns(scores)) - 1.0)
    return joint - ops.sum(ops.exp(negatives - (1.0 + log_count)), axis=1)


def log_columns(scores):
    """Logarithm of the number of columns, the ceiling of InfoNCE in nats.

    Args:
        scores: Tensor `(rows, columns)`; the number of columns may be known only at
            run time.

    Returns:
        Scalar tensor of the dtype of `scores`.
    """
    return ops.log(ops.cast(ops.shape(scores)[1], scores.dtype))


def _checked(scores, partners):
    """Scores in float32 or wider and integer partners, checked where static."""
    scores = ops.convert_to_tensor(scores)
    if len(scores.shape) != 2:
        raise ValueError(
            "scores must be a matrix (rows, columns) that rates every x against "
            f"every y; received shape {tuple(scores.shape)}. A critic that scores only "
            "matched pairs cannot bound mutual information."
        )
    rows, columns = scores.shape
    if columns is not None and columns < 2:
        raise ValueError(
            "scores must have at least 2 columns, since the other columns are the "
            f"negatives; received shape {tuple(scores.shape)}. Use a batch size of 2 "
            "or more."
        )
    scores = ops.cast(scores, keras.backend.result_type(scores.dtype, "float32"))
    if partners is None:
        if rows is not None and columns is not None and rows > columns:
            raise ValueError(
                "partners must be given when scores have more rows than columns; "
                f"received scores of shape {tuple(scores.shape)}, whose rows from "
                f"{columns} on have no column on the diagonal."
            )
        return scores, ops.arange(ops.shape(scores)[0], dtype="int32")
    _check_range(partners, columns)
    partners = ops.cast(ops.convert_to_tensor(partners), "int32")
    if len(partners.shape) != 1 or (
        None not in (rows, partners.shape[0]) and partners.shape[0] != rows
    ):
        raise ValueError(
            "partners must hold one column for each row of scores; received shape "
            f"{tuple(partners.shape)} for scores of shape {tuple(scores.shape)}."
        )
    return scores, partners


def _check_range(partners, columns):
    try:
        values = np.asarray(partners)
    except (NotImplementedError, TypeError, ValueError):
        return  # A symbolic tensor has no values yet.
    if columns is None or values.dtype == object or values.size == 0:
        return
    if values.min() < 0 or values.max() >= columns:
        raise ValueError(
            f"partners must lie in [0, {columns}), the columns of scores; received "
            f"values from {values.min()} to {values.max()}."
        )
