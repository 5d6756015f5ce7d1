"""Losses of the bounds on log densities: one lower bound and two upper bounds."""

import keras
from keras import ops

from keras_infomax import bounds, checks
from keras_infomax.losses.base import (
    BoundLoss,
    UpperBoundLoss,
    gathered,
    mean_of_gathered,
)


@keras.saving.register_keras_serializable(package="keras_infomax")
class BarberAgakov(BoundLoss):
    """Negated Barber-Agakov bound: log density of y given x, plus the entropy of y.

    The critic must give log densities, as `critics.ConditionalGaussian` does. The
    bound needs the entropy of y, which is known, for example, for a view that is not
    encoded. The entropy of a trained encoding changes. See `bounds.barber_agakov`.

    Args:
        entropy: Number, the entropy of y in nats.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Log densities, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> loss = BarberAgakov(entropy=3.0)
    >>> round(float(loss([0, 1, 2, 3], -keras.ops.ones((4, 4)))), 4)
    -2.0

    Reference:
        Barber and Agakov, 2003, "The IM Algorithm"; Poole et al., 2019, section 2.1,
        https://arxiv.org/abs/1905.06922.
    """

    takes_log_densities = True

    def __init__(self, entropy, name="barber_agakov", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)
        self.entropy = checks.number("entropy", entropy, "finite", lambda v: True, 3.0)

    def bound_of_rows(self, scores, partners):
        return bounds.barber_agakov(scores, partners, self.entropy)

    def get_config(self):
        return {**super().get_config(), "entropy": self.entropy}


@keras.saving.register_keras_serializable(package="keras_infomax")
class CLUB(UpperBoundLoss):
    """CLUB, an upper bound on mutual information that is minimized.

    It trains encoders to share little information. The critic must give log densities.
    `critics.ConditionalGaussian` is trained by its own loss, while this loss trains the
    encoders. See `bounds.club`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Log densities, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> round(float(CLUB()([0, 1, 2, 3], 2.0 * keras.ops.eye(4))), 4)
    2.0

    Reference:
        Cheng et al., 2020, https://arxiv.org/abs/2006.12013.
    """

    def __init__(self, name="club", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def bound_of_rows(self, scores, partners):
        return bounds.club(scores, partners)


@keras.saving.register_keras_serializable(package="keras_infomax")
class LeaveOneOut(UpperBoundLoss):
    """The leave-one-out upper bound on mutual information, minimized.

    It is tighter than `CLUB`, and also needs a critic that gives log densities. The
    mean for each y is over the other rows of all replicas. See `bounds.leave_one_out`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Log densities, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> round(float(LeaveOneOut()([0, 1, 2, 3], 2.0 * keras.ops.eye(4))), 4)
    2.0

    Reference:
        Poole et al., 2019, section 2.5, https://arxiv.org/abs/1905.06922.
    """

    def __init__(self, name="leave_one_out", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def estimate(self, partners, scores, weights=None):
        # The denominator is a sum over x, which needs the rows of all replicas.
        partners, scores, weights = gathered(partners, scores, weights)
        values = bounds.leave_one_out(scores, ops.cast(partners, "int32"))
        return mean_of_gathered(values, weights)

    def get_config(self):
        return {"name": self.name}
