"""What the bounds take from a score matrix: true pairs, negatives, their sums."""

import keras
import numpy as np
from keras import ops

from keras_infomax import checks

# Stands for minus infinity where a gradient passes: inf - inf would be NaN.
LEFT_OUT = -1e37


def split(scores, partners=None):
    """Takes the true pairs out of a score matrix, and leaves the negatives.

    Args:
        scores: Float tensor `(rows, columns)`. Half precision becomes float32.
        partners: Integer tensor `(rows,)` or `(rows, positives)`. Defaults to the
            diagonal.

    Returns:
        Pair of the scores of the true pairs, shaped as `partners`, and of the
        negatives, `(rows, columns)`. There, true pairs and pairs that are left out are
        so negative, and yet finite, that exponential and ReLU make them zero.

    Raises:
        ValueError: If `scores` is not a matrix of at least two columns, or a partner
            lies outside its columns, as far as static shapes tell.
    """
    scores, partners = checked(scores, partners)
    is_partner = partner_mask(scores, partners)
    if len(partners.shape) == 1:
        positives = ops.sum(ops.where(is_partner, scores, 0.0), axis=1)
    else:
        positives = ops.take_along_axis(scores, partners, axis=1)
    # A mask, not a subtracted infinity: inf * 0 would be NaN in value and gradient.
    # And no infinity at all: of a column of them a log-sum-exp has a gradient of NaN.
    left_out = ops.logical_or(is_partner, ops.equal(scores, -np.inf))
    return positives, ops.where(left_out, LEFT_OUT, scores)


def log_odds(scores, partners=None, axis=1):
    """How far the negatives of each true pair together exceed it, and their number.

    Args:
        scores: Float tensor `(rows, columns)`.
        partners: Integer tensor `(rows,)` or `(rows, positives)`. Defaults to the
            diagonal.
        axis: 1 for the negatives in the row of a true pair, 0 for those in its column.

    Returns:
        Pair of tensors that match the shape of `partners`: the log of the sum over
        negatives of `exp(negative - positive)`, and the number of negatives, which may
        be one for each row.

    Raises:
        ValueError: As `split`, and if `axis` is neither 0 nor 1.
    """
    axis = checks.one_of("axis", axis, (1, 0))
    scores, partners = checked(scores, partners)
    positives, negatives = split(scores, partners)
    # Subtracted first, the maximum makes the difference exact for scores of +-1e4.
    # A replica may have no rows, of which Keras has no maximum without an initial one.
    anchor = ops.max(scores, axis=axis, keepdims=True, initial=LEFT_OUT)
    anchor = ops.stop_gradient(anchor)
    sums = ops.logsumexp(negatives - anchor, axis=axis)
    anchor, count = ops.squeeze(anchor, axis), count_of(negatives, axis)
    if axis == 0:
        sums, anchor, count = (ops.take(v, partners) for v in (sums, anchor, count))
    else:
        sums, anchor, count = (align(v, positives) for v in (sums, anchor, count))
    return sums - (positives - anchor), count


def log_sums(negatives):
    """Log of the sum of exponentials of each row's negatives, and their number.

    Args:
        negatives: Those of `split`, `(rows, columns)`.

    Returns:
        Pair of tensors `(rows,)`.
    """
    negatives = wide(checked_scores("negatives", negatives))
    return ops.logsumexp(negatives, axis=1), count_of(negatives)


def log_mean_exp(sums, counts, weights=None):
    """Log of the mean exponential of all negatives, from the parts of `log_sums`.

    Args:
        sums: Tensor `(rows,)`.
        counts: Tensor `(rows,)`.
        weights: Tensor `(rows,)`, how often each row counts, or `None` for once.

    Returns:
        Scalar tensor. Zero where no row counts.
    """
    sums = _vector("sums", sums)
    counts = ops.cast(_vector("counts", counts), sums.dtype)
    if weights is not None:
        weights = ops.cast(_vector("weights", weights), sums.dtype)
        counted = weights > 0
        sums = ops.where(
            counted, sums + ops.log(ops.where(counted, weights, 1.0)), LEFT_OUT
        )
        counts = counts * weights
    total = ops.sum(counts)
    value = ops.logsumexp(sums) - ops.log(ops.where(total > 0, total, 1.0))
    if weights is None:
        return value
    # What stands for minus infinity would be the estimate.
    return ops.where(total > 0, value, 0.0)


def _vector(argument, values):
    expected, advice = "a tensor (rows,)", "Take what log_sums has returned."
    values = checks.tensor(argument, values, expected, advice)
    if len(values.shape) != 1:
        raise checks.refusal(argument, expected, values, advice)
    return wide(values)


def wide(values):
    """Values in float32, or wider if they are."""
    return ops.cast(values, keras.backend.result_type(values.dtype, "float32"))


def count_of(negatives, axis=1):
    """Number of negatives in each row, or in each column."""
    return ops.sum(ops.cast(negatives > LEFT_OUT, negatives.dtype), axis=axis)


def align(by_row, positives):
    """A vector over rows, shaped to meet one or several positives a row."""
    return by_row if len(positives.shape) == 1 else by_row[:, None]


def partner_mask(scores, partners=None):
    """Which pairs are true ones, of partners that are columns.

    Args:
        scores: Float tensor `(rows, columns)`.
        partners: Integer tensor `(rows,)` or `(rows, positives)`. Defaults to the
            diagonal.

    Returns:
        Boolean tensor `(rows, columns)`.

    Raises:
        ValueError: As `split`.

    Example:
    >>> partner_mask(ops.zeros((2, 3)), [2, 0]).numpy().tolist()
    [[False, False, True], [True, False, False]]
    """
    scores, partners = checked(scores, partners)
    rows, columns = ops.shape(scores)[0], ops.shape(scores)[1]
    if len(partners.shape) == 1:
        return ops.equal(partners[:, None], ops.arange(columns, dtype="int32")[None])
    # Scattered, since comparisons would take rows * positives * columns numbers.
    of_row = ops.broadcast_to(
        ops.arange(rows, dtype="int32")[:, None], ops.shape(partners)
    )
    indices = ops.reshape(ops.stack([of_row, partners], axis=-1), (-1, 2))
    hits = ops.ones_like(indices[:, 0])
    return ops.scatter(indices, hits, (rows, columns)) > 0


def checked(scores, partners, names=("scores", "partners")):
    """Scores in float32 or wider and integer partners, checked where static.

    Args:
        scores: Float tensor `(rows, columns)`.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, or `None` for the
            diagonal.
        names: What to call both in messages.

    Returns:
        Pair of tensors, scores and int32 partners.

    Raises:
        ValueError: As `split`.
    """
    of_scores, of_partners = names
    scores = checked_scores(of_scores, scores)
    rows, columns = scores.shape
    if columns is not None and columns < 2:
        raise ValueError(
            f"{of_scores} must have at least 2 columns, since the other columns are "
            f"the negatives; received shape {tuple(scores.shape)}. Use a batch size of "
            "2 or more."
        )
    scores = wide(scores)
    if partners is None:
        if rows is not None and columns is not None and rows > columns:
            raise ValueError(
                "partners must be given when scores have more rows than columns; "
                f"received scores of shape {tuple(scores.shape)}, whose rows from "
                f"{columns} on have no column on the diagonal."
            )
        return scores, ops.arange(ops.shape(scores)[0], dtype="int32")
    values = partners
    partners = checked_partners(of_partners, partners)
    if len(partners.shape) not in (1, 2) or (
        None not in (rows, partners.shape[0]) and partners.shape[0] != rows
    ):
        raise ValueError(
            f"{of_partners} must hold one column for each row of scores, of shape "
            "(rows,), or several, (rows, positives); received shape "
            f"{tuple(partners.shape)} for {of_scores} of shape {tuple(scores.shape)}. "
            f"Write, for example, {of_partners}=np.arange(rows)."
        )
    _check_range(of_partners, values, columns)
    return scores, ops.cast(partners, "int32")


def checked_partners(argument, partners):
    """Partners as an integer tensor; as floats, NaN or 0.9 would become a column.

    Args:
        argument: Name of the argument.
        partners: What should be columns of the true pairs.

    Raises:
        ValueError: If they are no integers.
    """
    expected = "integers, the column of each row's true pair"
    advice = f"Write, for example, {argument}=np.arange(rows)."
    found = checks.tensor(argument, partners, expected, advice)
    if "int" not in keras.backend.standardize_dtype(found.dtype):
        raise checks.refusal(argument, expected, found, advice)
    return found


def checked_scores(argument, values):
    """Scores as a tensor, a matrix of numbers.

    Args:
        argument: Name of the argument.
        values: What should be scores.

    Raises:
        ValueError: If they are none.
    """
    expected = "a matrix (rows, columns) that rates every x against every y"
    advice = "A critic that scores only matched pairs cannot bound mutual information."
    values = checks.tensor(argument, values, expected, advice)
    if len(values.shape) != 2:
        raise checks.refusal(argument, expected, values, advice)
    return values


def _check_range(name, partners, columns):
    checks.unmasked(name, partners)
    try:
        values = np.asarray(partners)
    except (NotImplementedError, TypeError, ValueError):
        return  # A symbolic tensor has no values yet.
    if columns is None or values.dtype == object or values.size == 0:
        return
    if values.min() < 0 or values.max() >= columns:
        raise ValueError(
            f"{name} must lie in [0, {columns}), the columns of scores; received "
            f"values from {values.min()} to {values.max()}."
        )
