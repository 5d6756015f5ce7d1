"""InfoNCE without the true pair in the denominator."""

import keras
from keras import ops

from keras_infomax import bounds
from keras_infomax.losses.base import ScoreLoss, mean_over_rows


@keras.saving.register_keras_serializable(package="keras_infomax")
class DecoupledInfoNCE(ScoreLoss):
    """Decoupled contrastive loss (DCL): only negatives in the denominator.

        loss[i] = log(sum_{j != p_i} exp(scores[i, j])) - scores[i, p_i]

    In InfoNCE, the gradient of a row vanishes when its true pair has the highest score,
    faster with fewer negatives. Without the true pair in the sum it does not vanish, so
    small batches train as well as large ones. The loss has no lower limit: unbounded
    scores, as of a `BilinearCritic`, grow without limit. Use a `CosineCritic`.

    `InfoMax` reports InfoNCE of the same scores as `"mi"`. A row without negatives adds
    nothing.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar.

    Example:
    >>> loss = DecoupledInfoNCE()([0, 1, 2, 3], ops.zeros((4, 4)))
    >>> round(float(loss), 4)  # log(3)
    1.0986

    Reference:
        Yeh et al., 2022, "Decoupled Contrastive Learning",
        https://arxiv.org/abs/2110.06848.
    """

    def __init__(self, name="decoupled_infonce", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def value(self, partners, scores, weights=None):
        return mean_over_rows(self.by_rows(_of_rows, partners, scores), weights)


def _of_rows(scores, partners):
    excess, count = bounds.log_odds(scores, partners)
    return ops.where(count > 0, excess, 0.0)
