"""SigLIP, a logistic loss of every pair."""

import keras
from keras import ops

from keras_infomax import bounds
from keras_infomax.losses.base import ScoreLoss, mean_over_rows


@keras.saving.register_keras_serializable(package="keras_infomax")
class SigLIP(ScoreLoss):
    """Logistic loss of every single pair, summed over the columns of a row.

        loss[i] = softplus(-scores[i, p_i]) + sum_{j != p_i} softplus(scores[i, j])

    Rows are not normalized, so small batches also work well. A row has one true pair
    and many others. A learned scale and bias of the scores compensate for this
    imbalance. They belong to the critic, since a loss of Keras has no weights:
    `critic="siglip"` is a `CosineCritic` that starts with scale 10 and bias -10.

    `InfoMax` reports InfoNCE of the same scores as `"mi"`, which does not depend on the
    bias.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar of at least 0.

    Example:
    >>> round(float(SigLIP()([0, 1], ops.zeros((2, 2)))), 4)  # 2 log(2)
    1.3863

    Reference:
        Zhai et al., 2023, "Sigmoid Loss for Language Image Pre-Training",
        algorithm 1, https://arxiv.org/abs/2303.15343.
    """

    def __init__(self, name="siglip", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def value(self, partners, scores, weights=None):
        return mean_over_rows(self.by_rows(_of_rows, partners, scores), weights)


def _of_rows(scores, partners):
    positives, negatives = bounds.split(scores, partners)
    of_positives = ops.softplus(-positives)
    if len(of_positives.shape) > 1:
        of_positives = ops.sum(of_positives, axis=1)
    return of_positives + ops.sum(ops.softplus(negatives), axis=1)
