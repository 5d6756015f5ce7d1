"""InfoNCE without the true pair in the denominator."""

import keras
from keras import ops

from keras_infomax import bounds, checks
from keras_infomax.execution import distribution
from keras_infomax.losses.base import ScoreLoss, mean_over_rows


@keras.saving.register_keras_serializable(package="keras_infomax")
class DecoupledInfoNCE(ScoreLoss):
    """Decoupled contrastive loss (DCL): only negatives in the denominator.

        loss[i] = log(sum_{j != p_i} exp(scores[i, j])) - scores[i, p_i]

    In InfoNCE, the gradient of a row vanishes when its true pair has the highest score,
    faster with fewer negatives. Without the true pair in the sum it does not vanish, so
    small batches train as well as large ones. The loss has no lower limit: unbounded
    scores, as of a `BilinearCritic`, grow without limit. Use a `CosineCritic`.

    With `sigma` it is the weighted form (DCLW), in which a true pair counts for less
    the more alike it is already, by a von Mises-Fisher density. Weights have the mean 1
    over the true pairs of all replicas, and no gradient:

        weight[i] = 2 - exp(scores[i, p_i] / sigma) / mean_k exp(scores[k, p_k] / sigma)
        loss[i] = log(sum_{j != p_i} exp(scores[i, j])) - weight[i] * scores[i, p_i]

    `InfoMax` reports InfoNCE of the same scores as `"mi"`. A row without negatives adds
    nothing.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.
        sigma: Positive float that divides the scores in the weights; `None` for no
            weights. Of a `CosineCritic` it is the sigma of the paper, 0.5 of cosines,
            divided by the temperature: 5 at a temperature of 0.1.

    Raises:
        ValueError: If `sigma` is neither `None` nor positive.

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

    def __init__(
        self, name="decoupled_infonce", dtype=None, chunk_size=None, sigma=None
    ):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)
        self.sigma = checks.positive_number("sigma", sigma, 5.0, optional=True)

    def value(self, partners, scores, weights=None):
        values, positives, counted = self.by_rows(_of_rows, partners, scores)
        if self.sigma is not None:
            moved = (1 - self._weights_of_pairs(positives, weights)) * positives
            values = values + ops.where(counted, moved, 0.0)
        return mean_over_rows(values, weights)

    def _weights_of_pairs(self, positives, weights):
        """Weights of true pairs, of the shape of the partners."""
        scaled = ops.stop_gradient(positives) / self.sigma
        everywhere = distribution.gather(ops.reshape(scaled, (-1,)))
        # A replica may have no rows, of which Keras has no maximum without a start.
        largest = ops.max(everywhere, initial=bounds.scores.LEFT_OUT)
        densities = ops.exp(scaled - largest)
        mean = ops.stop_gradient(mean_over_rows(densities, weights))
        return 2 - ops.divide_no_nan(densities, mean)

    def get_config(self):
        return {**super().get_config(), "sigma": self.sigma}


def _of_rows(scores, partners):
    excess, count = bounds.log_odds(scores, partners)
    positives, _ = bounds.split(scores, partners)
    counted = ops.broadcast_to(count > 0, ops.shape(excess))
    return ops.where(counted, excess, 0.0), positives, counted
