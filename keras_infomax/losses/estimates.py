"""Losses that maximize a variational estimate: one for each bound."""

import math

import keras

from keras_infomax import bounds, checks
from keras_infomax.bounds.clipped import clipped
from keras_infomax.losses.base import (
    BoundLoss,
    ScoreLoss,
    gathered,
    mean_of_gathered,
    mean_over_rows,
)


@keras.saving.register_keras_serializable(package="keras_infomax")
class InfoNCE(BoundLoss):
    """Negated InfoNCE bound, averaged over rows; never below `-log(columns)`.

    This is the robust default. It has low variance, but cannot exceed the logarithm of
    the batch size. See `bounds.infonce`.

    Args:
        axis: Axis of the sum in the denominator: 1, over all y for each x; 0, over all
            x for each y; `(0, 1)`, the mean of both, which is symmetric in the views.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> from keras import ops
    >>> round(float(InfoNCE()([0, 1, 2, 3], 1e4 * keras.ops.eye(4))), 4)  # -log(4)
    -1.3863

    Reference:
        van den Oord et al., 2018, https://arxiv.org/abs/1807.03748; Tschannen et al.,
        2020, equation 3, https://arxiv.org/abs/1907.13625.
    """

    def __init__(self, axis=1, name="infonce", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)
        axis = tuple(axis) if isinstance(axis, list) else axis
        self.axis = checks.one_of("axis", axis, (1, 0, (0, 1)))
        if chunk_size is not None and self.axis != 1:
            raise ValueError(
                "chunk_size reduces rows one after another, which needs axis=1; "
                f"received axis={axis!r}. Leave one of them out."
            )

    def bound_of_rows(self, scores, partners):
        return bounds.infonce(scores, partners)

    def estimate(self, partners, scores, weights=None):
        if self.axis == 1:
            return super().estimate(partners, scores, weights)
        # A denominator over x needs the rows of all replicas.
        partners, scores, weights = gathered(partners, scores, weights)
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        estimates = [
            mean_of_gathered(bounds.infonce(scores, partners, a), weights) for a in axes
        ]
        return sum(estimates) / len(axes)

    def ceiling(self, columns):
        return math.log(columns)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


@keras.saving.register_keras_serializable(package="keras_infomax")
class NWJ(BoundLoss):
    """Negated NWJ bound, averaged over rows: no ceiling, but high variance.

    See `bounds.nwj`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> from keras import ops
    >>> abs(round(float(NWJ()([0, 1, 2, 3], keras.ops.ones((4, 4)))), 4))
    0.0

    Reference:
        Nguyen et al., 2010, https://arxiv.org/abs/0809.0853; Tschannen et al., 2020,
        equation 4, https://arxiv.org/abs/1907.13625.
    """

    def __init__(self, name="nwj", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def bound_of_rows(self, scores, partners):
        return bounds.nwj(scores, partners)


@keras.saving.register_keras_serializable(package="keras_infomax")
class DonskerVaradhan(BoundLoss):
    """Negated Donsker-Varadhan bound, as in MINE: no ceiling, high variance, some bias.

    The logarithm is that of the mean over the negatives of all replicas. A row of
    weight 2 counts as two rows in both means. See `bounds.donsker_varadhan`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> from keras import ops
    >>> abs(round(float(DonskerVaradhan()([0, 1, 2, 3], keras.ops.ones((4, 4)))), 4))
    0.0

    Reference:
        Belghazi et al., 2018, equation 10, https://arxiv.org/abs/1801.04062.
    """

    def __init__(self, name="donsker_varadhan", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def estimate(self, partners, scores, weights=None):
        of_positives, of_negatives = mean_and_log_mean(self, partners, scores, weights)
        return of_positives - of_negatives


@keras.saving.register_keras_serializable(package="keras_infomax")
class JensenShannon(ScoreLoss):
    """Negated Jensen-Shannon bound: stable with any number of negatives.

    It is the default of DeepInfoMax. Its value is not an estimate of mutual
    information, so `InfoMax` reports InfoNCE of the same scores as `"mi"`. See
    `bounds.jensen_shannon`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar, at least `-log(4)`.

    Example:
    >>> from keras import ops
    >>> abs(round(float(JensenShannon()([0, 1, 2, 3], keras.ops.zeros((4, 4)))), 4))
    0.0

    Reference:
        Hjelm et al., 2019, equation 4, https://arxiv.org/abs/1808.06670.
    """

    def __init__(self, name="jensen_shannon", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def value(self, partners, scores, weights=None):
        values = self.by_rows(bounds.jensen_shannon, partners, scores)
        return -mean_over_rows(values, weights)


def mean_and_log_mean(loss, partners, scores, weights=None, clip=None):
    """The two parts of Donsker-Varadhan, over the rows of all replicas.

    Args:
        loss: The loss, whose `chunk_size` is used.
        partners: Integer tensor `(rows,)` or `(rows, positives)`.
        scores: Float tensor `(rows, columns)`.
        weights: Float tensor `(rows,)` of weights of the rows, or `None`.
        clip: Positive limit of the absolute scores of negatives, or `None`.

    Returns:
        Pair of scalars: the mean score of true pairs, and the log of the mean
        exponential of the scores of all negatives.
    """

    def parts(scores, partners):
        positives, negatives = bounds.split(scores, partners)
        if clip is not None:
            negatives = clipped(negatives, clip)
        return positives, *bounds.log_sums(negatives)

    positives, *sums = loss.by_rows(parts, partners, scores)
    of_negatives = bounds.log_mean_exp(*gathered(*sums, weights))
    return mean_over_rows(positives, weights), of_negatives
