"""Losses of bounds with a baseline, or with another ceiling than InfoNCE."""

import math

import keras

from keras_infomax import bounds, checks
from keras_infomax.losses.base import BoundLoss


@keras.saving.register_keras_serializable(package="keras_infomax")
class TUBA(BoundLoss):
    """Negated TUBA bound, averaged over rows: no ceiling, and a baseline to learn.

    `critics.BaselineCritic` adds a learned baseline of each row to any critic. See
    `bounds.tuba`.

    Args:
        log_baseline: Number that is subtracted from all scores, in nats; with 1 the
            bound is NWJ.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> round(float(TUBA()([0, 1, 2, 3], keras.ops.ones((4, 4)))), 4)  # e - 2
    0.7183

    Reference:
        Poole et al., 2019, section 2.2, https://arxiv.org/abs/1905.06922.
    """

    def __init__(self, log_baseline=0.0, name="tuba", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)
        self.log_baseline = _finite("log_baseline", log_baseline)

    def bound_of_rows(self, scores, partners):
        return bounds.tuba(scores, partners, self.log_baseline)

    def get_config(self):
        return {**super().get_config(), "log_baseline": self.log_baseline}


@keras.saving.register_keras_serializable(package="keras_infomax")
class FLO(BoundLoss):
    """Negated FLO bound, averaged over rows: no ceiling, one normalizer per pair.

    The normalizers are part of the scores: `critics.BaselineCritic(critic, pairs=True)`
    learns `a(x, y)` and subtracts `a(x_i, y_(p_i))` from row i, so the normalizer is
    `u = a - f`. With a critic without a baseline, `u = -f`, and the loss is `TUBA`. See
    `bounds.flo`.

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
    >>> abs(round(float(FLO()([0, 1, 2, 3], keras.ops.zeros((4, 4)))), 4))
    0.0

    Reference:
        Guo et al., 2022, https://arxiv.org/abs/2107.01131.
    """

    def __init__(self, name="flo", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def bound_of_rows(self, scores, partners):
        return bounds.flo(scores, partners)


@keras.saving.register_keras_serializable(package="keras_infomax")
class Interpolated(BoundLoss):
    """Negated I_alpha bound: between TUBA and InfoNCE in ceiling and variance.

    See `bounds.interpolated`. A row needs two negatives.

    Args:
        alpha: Number in [0, 1]; 1 is InfoNCE with one column less, 0 is TUBA.
        log_baseline: Number, the log of the baseline that is added to the mean of the
            batch in the denominator, in nats.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> loss = Interpolated(alpha=1.0)
    >>> round(float(loss([0, 1, 2, 3], 1e4 * keras.ops.eye(4))), 4)  # -log(3)
    -1.0986

    Reference:
        Poole et al., 2019, section 2.4, https://arxiv.org/abs/1905.06922.
    """

    def __init__(
        self,
        alpha=0.5,
        log_baseline=0.0,
        name="interpolated",
        dtype=None,
        chunk_size=None,
    ):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)
        self.alpha = checks.probability("alpha", alpha)
        self.log_baseline = _finite("log_baseline", log_baseline)

    def bound_of_rows(self, scores, partners):
        return bounds.interpolated(scores, partners, self.alpha, self.log_baseline)

    def ceiling(self, columns):
        if self.alpha == 0:
            return math.inf
        above = 0.0 if self.alpha == 1 else 1.0
        return above + math.log(max(columns - 1, 1) / self.alpha)

    def get_config(self):
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "log_baseline": self.log_baseline,
        }


@keras.saving.register_keras_serializable(package="keras_infomax")
class FlatNCE(BoundLoss):
    """InfoNCE in value, with a gradient that does not vanish near the ceiling.

    It is for small batches and half precision. See `bounds.flat_nce`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats, at least `-log(columns)`.

    Example:
    >>> round(float(FlatNCE()([0, 1, 2, 3], 1e4 * keras.ops.eye(4))), 4)  # -log(4)
    -1.3863

    Reference:
        Chen et al., 2021, https://arxiv.org/abs/2107.01152.
    """

    def __init__(self, name="flat_nce", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def bound_of_rows(self, scores, partners):
        return bounds.flat_nce(scores, partners)

    def ceiling(self, columns):
        return math.log(columns)


def _finite(argument, value):
    return checks.number(argument, value, "finite", lambda v: True, 1.0)
