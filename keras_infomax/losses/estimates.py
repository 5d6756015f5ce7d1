"""Losses that raise a variational estimate: one for each bound."""

import math

import keras

from keras_infomax import bounds, checks
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

    The robust default: low variance, but blind beyond the logarithm of the batch
    size. See `bounds.infonce`.

    Args:
        axis: The axis that the denominator sums over: 1, over all y for each x; 0, over
            all x for each y; `(0, 1)`, the mean of both, which treats the views alike.
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

    def estimate(self, partners, scores, weights=None):
        if self.axis == 1:
            values = self.by_rows(bounds.infonce, partners, scores)
            return mean_over_rows(values, weights)
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

    def estimate(self, partners, scores, weights=None):
        values = self.by_rows(bounds.nwj, partners, scores)
        return mean_over_rows(values, weights)


@keras.saving.register_keras_serializable(package="keras_infomax")
class DonskerVaradhan(BoundLoss):
    """Negated Donsker-Varadhan bound, MINE's: no ceiling, high variance, some bias.

    The logarithm is taken of the mean over the negatives of all replicas. A row of
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
        positives, *parts = self.by_rows(_positives_and_sums, partners, scores)
        return mean_over_rows(positives, weights) - bounds.log_mean_exp(
            *gathered(*parts, weights)
        )


@keras.saving.register_keras_serializable(package="keras_infomax")
class JensenShannon(ScoreLoss):
    """Negated Jensen-Shannon bound: stable at any number of negatives.

    DeepInfoMax's default. Its value is no mutual information, so `InfoMax` reports
    InfoNCE of the same scores as `"mi"`. See `bounds.jensen_shannon`.

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


def _positives_and_sums(scores, partners):
    positives, negatives = bounds.split(scores, partners)
    return positives, *bounds.log_sums(negatives)
