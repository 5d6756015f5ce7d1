"""VICReg, a loss on encodings with an explicit term for their variance."""

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.losses.encodings import EncodingLoss, check_rows


@keras.saving.register_keras_serializable(package="keras_infomax")
class VICReg(EncodingLoss):
    """Makes encodings of a pair similar, and units varied and uncorrelated.

    With `S` the standard deviation of a unit over the batch, `C` the covariance matrix
    of the units, both with divisor rows - 1, and d their number:

        invariance * mean((x - y)^2)
        + variance / 2 * [mean(max(0, 1 - S(x))) + mean(max(0, 1 - S(y)))]
        + covariance / d * [sum_(i != j) C(x)_ij^2 + sum_(i != j) C(y)_ij^2]

    as in the authors' code, with the same default weights. (The text of the paper sums
    the squares over units instead, and does not halve the variance terms.) There are no
    negatives, so the batch may be small. No mutual information is estimated.

    Args:
        invariance: Weight of the distance of pairs.
        variance: Weight of the hinge on standard deviations.
        covariance: Weight of the squared covariances.
        epsilon: Number added to variances, since the gradient of the root is infinite
            at 0.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.

    Call arguments:
        y_true: Encodings of one view, float tensor `(rows, dim)`, of all replicas.
        y_pred: Encodings of the other view.

    Returns:
        Scalar.

    Raises:
        ValueError: If a weight is negative, or there are fewer than two rows.

    Example:
    >>> loss = VICReg()
    >>> x = ops.convert_to_tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    >>> round(float(loss(x, x)), 6)
    0.0

    Reference:
        Bardes, Ponce and LeCun, 2022, "VICReg: Variance-Invariance-Covariance
        Regularization for Self-Supervised Learning", equations 1 to 6,
        https://arxiv.org/abs/2105.04906.
    """

    def __init__(
        self,
        invariance=25.0,
        variance=25.0,
        covariance=1.0,
        epsilon=1e-4,
        name="vicreg",
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        self.invariance = checks.non_negative_number("invariance", invariance, 25.0)
        self.variance = checks.non_negative_number("variance", variance, 25.0)
        self.covariance = checks.non_negative_number("covariance", covariance, 1.0)
        self.epsilon = checks.positive_number("epsilon", epsilon, 1e-4)

    def value(self, x, y):
        check_rows(self, x)
        return (
            self.invariance * ops.mean(ops.square(x - y))
            + self.variance / 2 * (self._hinge(x) + self._hinge(y))
            + self.covariance * (_redundancy(x) + _redundancy(y))
        )

    def _hinge(self, encodings):
        deviations = ops.sqrt(_variances(encodings) + self.epsilon)
        return ops.mean(ops.relu(1 - deviations))

    def get_config(self):
        return {
            **super().get_config(),
            "invariance": self.invariance,
            "variance": self.variance,
            "covariance": self.covariance,
            "epsilon": self.epsilon,
        }


def _centered(encodings):
    """Encodings minus their mean, and the divisor of their second moments."""
    rows = ops.cast(ops.shape(encodings)[0], encodings.dtype)
    return encodings - ops.mean(encodings, axis=0, keepdims=True), rows - 1


def _variances(encodings):
    centered, divisor = _centered(encodings)
    return ops.sum(ops.square(centered), axis=0) / divisor


def _redundancy(encodings):
    """Sum of squared covariances of different units, divided by the number of units."""
    centered, divisor = _centered(encodings)
    covariances = ops.matmul(ops.transpose(centered), centered) / divisor
    squares = ops.square(covariances)
    units = encodings.shape[-1]
    return (ops.sum(squares) - ops.sum(ops.diagonal(squares))) / units
