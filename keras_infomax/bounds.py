"""Lower bounds on mutual information, as pure functions of a score matrix.

A bound takes scores `(rows, columns)`, where `scores[i, j]` rates the pair
`(x_i, y_j)`, and returns one value for each true pair, in nats; their mean is the
estimate. `partners[i]` is the column that holds row i's true pair, so one formula
serves one device, where it is the diagonal, and many, where the columns are the global
batch.

Two things make the formulas serve encodings of many locations as well. A row may have
several true pairs, `partners` of shape `(rows, positives)`; none of them is a negative
of another. And a score of minus infinity leaves its pair out: it is no negative, and is
not counted as one.

InfoNCE cannot exceed the logarithm of the number of columns. NWJ and Donsker-Varadhan
have no such ceiling, at the price of variance: they exponentiate raw scores.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_infomax import checks

# Stands for minus infinity where a gradient passes: inf - inf would be NaN.
_LEFT_OUT = -1e37


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
    log_count = ops.log(ops.maximum(_count(negatives), 1.0))[:, None]
    return positives - _align(
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
    count = ops.maximum(_count(negatives), 1.0)
    from_negatives = ops.sum(ops.softplus(negatives), axis=1) / count
    return math.log(4.0) - ops.softplus(-positives) - _align(from_negatives, positives)


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
    return positives, ops.where(left_out, _LEFT_OUT, scores)


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
    anchor = ops.max(scores, axis=axis, keepdims=True, initial=_LEFT_OUT)
    anchor = ops.stop_gradient(anchor)
    sums = ops.logsumexp(negatives - anchor, axis=axis)
    anchor, count = ops.squeeze(anchor, axis), _count(negatives, axis)
    if axis == 0:
        sums, anchor, count = (ops.take(v, partners) for v in (sums, anchor, count))
    else:
        sums, anchor, count = (_align(v, positives) for v in (sums, anchor, count))
    return sums - (positives - anchor), count


def log_sums(negatives):
    """Log of the sum of exponentials of each row's negatives, and their number.

    Args:
        negatives: Those of `split`, `(rows, columns)`.

    Returns:
        Pair of tensors `(rows,)`.
    """
    negatives = _wide(checked_scores("negatives", negatives))
    return ops.logsumexp(negatives, axis=1), _count(negatives)


def log_mean_exp(sums, counts, weights=None):
    """Log of the mean exponential of all negatives, from the parts of `log_sums`.

    Args:
        sums: Tensor `(rows,)`.
        counts: Tensor `(rows,)`.
        weights: Tensor `(rows,)`, how often each row counts, or `None` for once.

    Returns:
        Scalar tensor.
    """
    sums = _vector("sums", sums)
    counts = ops.cast(_vector("counts", counts), sums.dtype)
    if weights is not None:
        weights = ops.cast(_vector("weights", weights), sums.dtype)
        counted = weights > 0
        sums = ops.where(
            counted, sums + ops.log(ops.where(counted, weights, 1.0)), _LEFT_OUT
        )
        counts = counts * weights
    total = ops.sum(counts)
    return ops.logsumexp(sums) - ops.log(ops.where(total > 0, total, 1.0))


def _vector(argument, values):
    expected, advice = "a tensor (rows,)", "Take what log_sums has returned."
    values = checks.tensor(argument, values, expected, advice)
    if len(values.shape) != 1:
        raise checks.refusal(argument, expected, values, advice)
    return _wide(values)


def _wide(values):
    """Values in float32, or wider if they are."""
    return ops.cast(values, keras.backend.result_type(values.dtype, "float32"))


def _count(negatives, axis=1):
    return ops.sum(ops.cast(negatives > _LEFT_OUT, negatives.dtype), axis=axis)


def _align(by_row, positives):
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
    scores = _wide(scores)
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
