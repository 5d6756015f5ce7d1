"""Masks, which leave pairs out of the negatives.

A mask is called as `mask(partners, scores)` and returns the scores, with minus infinity
for pairs that are left out; see `bounds`. It is an argument of `Term`. It is an object
with `get_config` that is registered with Keras, so a model with a mask can be saved.
"""

import keras
import numpy as np
from keras import ops

from keras_infomax import bounds, checks


@keras.saving.register_keras_serializable(package="keras_infomax")
class SemiHard:
    """Keeps the negatives that score below their true pair, by less than a margin.

        scores[i, p_i] - margin < scores[i, j] < scores[i, p_i]

    Easier negatives have almost no effect, and the hardest ones can make metrics
    collapse early in training. A row may have no negatives left; it then adds nothing
    to InfoNCE or the losses of metric learning. Since the choice depends on the scores,
    estimates from the remaining pairs are not bounds on mutual information.

    Args:
        margin: Positive float, in the units of the scores.

    Call arguments:
        partners: Integer tensor `(rows,)`.
        scores: Float tensor `(rows, columns)`.

    Returns:
        Scores `(rows, columns)`, with minus infinity for pairs that are left out.

    Raises:
        ValueError: If the margin is not positive, or a row has several partners.

    Example:
    >>> scores = SemiHard(margin=1.0)(
    ...     [0], ops.convert_to_tensor([[2.0, 0.5, 1.5, 3.0]])
    ... )
    >>> [float(score) for score in scores[0]]
    [2.0, -inf, 1.5, -inf]

    Reference:
        Schroff et al., 2015, "FaceNet", section 3.2,
        https://arxiv.org/abs/1503.03832.
    """

    def __init__(self, margin=0.2):
        self.margin = checks.positive_number("margin", margin, 0.2)

    def __call__(self, partners, scores):
        scores = bounds.checked_scores("scores", scores)
        positives, negatives = bounds.split(scores, partners)
        if len(positives.shape) != 1:
            raise ValueError(
                "SemiHard takes one partner for each row; received partners of shape "
                f"{tuple(positives.shape)}. Use encodings without locations."
            )
        excess = ops.cast(negatives - positives[:, None], scores.dtype)
        kept = ops.logical_and(excess > -self.margin, excess < 0)
        partner = ops.equal(
            ops.convert_to_tensor(partners)[:, None],
            ops.arange(ops.shape(scores)[1], dtype="int32")[None],
        )
        return ops.where(ops.logical_or(kept, partner), scores, -np.inf)

    def get_config(self):
        return {"margin": self.margin}

    @classmethod
    def from_config(cls, config):
        return cls(**config)
