"""Barlow Twins, a loss on encodings that makes their units independent."""

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.losses.encodings import EncodingLoss, check_rows


@keras.saving.register_keras_serializable(package="keras_infomax")
class BarlowTwins(EncodingLoss):
    """Makes each unit agree between both views, and different units uncorrelated.

    With C the correlation matrix of the units of x and those of y over the batch:

        sum_i (1 - C_ii)^2 + redundancy * sum_(i != j) C_ij^2

    There are no negatives, so the batch may be small, but the encodings should be wide:
    8192 units in the paper. No mutual information is estimated.

    Args:
        redundancy: Weight of the correlations of different units.
        epsilon: Added to variances before the root.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.

    Call arguments:
        y_true: Encodings of one view, float tensor `(rows, dim)`, of all replicas.
        y_pred: Encodings of the other view.

    Returns:
        Scalar of at least 0.

    Raises:
        ValueError: If the weight is negative, or there are fewer than two rows.

    Example:
    >>> x = ops.convert_to_tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    >>> round(float(BarlowTwins()(x, x)), 6)
    0.0

    Reference:
        Zbontar et al., 2021, "Barlow Twins: Self-Supervised Learning via Redundancy
        Reduction", equations 1 and 2, https://arxiv.org/abs/2103.03230.
    """

    def __init__(self, redundancy=5e-3, epsilon=1e-5, name="barlow_twins", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.redundancy = checks.non_negative_number("redundancy", redundancy, 5e-3)
        self.epsilon = checks.positive_number("epsilon", epsilon, 1e-5)

    def value(self, x, y):
        check_rows(self, x)
        rows = ops.cast(ops.shape(x)[0], x.dtype)
        x, y = self._standardized(x), self._standardized(y)
        correlations = ops.matmul(ops.transpose(x), y) / rows
        diagonal = ops.diagonal(correlations)
        # Masked, since in the sum of all minus the diagonal rounding errors would
        # dominate.
        others = correlations * (1 - ops.eye(x.shape[-1], dtype=x.dtype))
        redundant = ops.sum(ops.square(others))
        return ops.sum(ops.square(1 - diagonal)) + self.redundancy * redundant

    def _standardized(self, encodings):
        centered = encodings - ops.mean(encodings, axis=0, keepdims=True)
        variances = ops.mean(ops.square(centered), axis=0, keepdims=True)
        return centered / ops.sqrt(variances + self.epsilon)

    def get_config(self):
        return {
            **super().get_config(),
            "redundancy": self.redundancy,
            "epsilon": self.epsilon,
        }
