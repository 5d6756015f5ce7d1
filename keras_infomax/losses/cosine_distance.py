"""The cosine distance of pairs, the loss of BYOL and SimSiam."""

import keras
from keras import ops

from keras_infomax.encoders.directions import unit
from keras_infomax.losses.encodings import EncodingLoss


@keras.saving.register_keras_serializable(package="keras_infomax")
class CosineDistance(EncodingLoss):
    """One minus the cosine of each pair, averaged.

        1 - mean_i x_i^T y_i / (|x_i| |y_i|)

    Twice this is the squared distance of the directions, the loss of BYOL; minus one it
    is the loss of SimSiam. On its own, equal encodings for all inputs minimize it, and
    training collapses quickly. Use it with a target y without gradient, as
    `methods.byol` and `methods.simsiam` do. No mutual information is estimated.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.

    Call arguments:
        y_true: Encodings of one view, float tensor `(rows, dim)`, of all replicas.
        y_pred: Encodings of the other view.

    Returns:
        Scalar in [0, 2].

    Example:
    >>> float(CosineDistance()(ops.eye(3), 5 * ops.eye(3)))
    0.0

    Reference:
        Grill et al., 2020, "Bootstrap Your Own Latent", equation 2,
        https://arxiv.org/abs/2006.07733; Chen and He, 2021, "Exploring Simple Siamese
        Representation Learning", equation 1, https://arxiv.org/abs/2011.10566.
    """

    def __init__(self, name="cosine_distance", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def value(self, x, y):
        return 1 - ops.mean(ops.sum(unit(x) * unit(y), axis=-1))
