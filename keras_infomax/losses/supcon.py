"""The supervised contrastive loss, with any number of true pairs in a row."""

import keras
import numpy as np
from keras import ops

from keras_infomax import bounds, checks
from keras_infomax.bounds.scores import LEFT_OUT
from keras_infomax.losses.base import ScoreLoss, mean_over_rows


@keras.saving.register_keras_serializable(package="keras_infomax")
class SupCon(ScoreLoss):
    """Supervised contrastive loss: all true pairs of a row against all its columns.

        loss[i] = -mean_{p in P_i} log(exp(scores[i, p]) / sum_j exp(scores[i, j]))

    The partners P_i of a row are the columns of its class, any number of them.
    `models.LabelTerm` finds them by labels, and `methods.supcon` makes a model. The sum
    is over all columns, including true pairs, except pairs with a score of minus
    infinity, such as a view with itself. Rows without a partner add nothing. With one
    partner per row it is the loss of SimCLR.

    The loss does not estimate mutual information, so `InfoMax` reports no `"mi"`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Boolean tensor `(rows, columns)`, whether a column is a partner of the
            row; or partners, an integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar of at least 0.

    Raises:
        ValueError: If the partners are neither.

    Example:
    >>> of_class = [[True, True, False, False], [False, False, True, False]]
    >>> loss = SupCon()(of_class, ops.zeros((2, 4)))
    >>> round(float(loss), 4)  # log(4)
    1.3863

    Reference:
        Khosla et al., 2020, "Supervised Contrastive Learning", equation 2,
        https://arxiv.org/abs/2004.11362.
    """

    estimates_mi = False
    partners_dtype = "bool"

    def __init__(self, name="supcon", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def checked(self, partners, scores):
        checks.unmasked("y_true", partners)
        kinds = ("bool", "int")
        found = checks.tensor("y_true", partners, _EXPECTED, _ADVICE, kinds)
        if keras.backend.standardize_dtype(found.dtype) != "bool":
            partners, scores = super().checked(partners, scores)
            return bounds.partner_mask(scores, partners), scores
        scores, _ = bounds.checked(scores, None, ("y_pred", "y_true"))
        shapes = tuple(found.shape), tuple(scores.shape)
        if len(shapes[0]) != 2 or any(
            a != b and None not in (a, b) for a, b in zip(*shapes, strict=True)
        ):
            raise checks.refusal(
                "y_true", f"of the shape of the scores, {shapes[1]}", found, _ADVICE
            )
        return found, scores

    def value(self, partners, scores, weights=None):
        values, counts = self.by_rows(_of_rows, partners, scores)
        has_partners = ops.cast(counts > 0, values.dtype)
        weights = has_partners if weights is None else has_partners * weights
        return mean_over_rows(values, weights)


_EXPECTED = "a boolean matrix (rows, columns), or columns of true pairs"
_ADVICE = "Write, for example, y_true=labels[:, None] == labels[None]."


def _of_rows(scores, is_partner):
    """Losses of rows, and their numbers of partners."""
    kept = ops.not_equal(scores, -np.inf)
    is_partner = ops.cast(ops.logical_and(is_partner, kept), scores.dtype)
    scores = ops.where(kept, scores, LEFT_OUT)
    # The maximum is subtracted first, so differences are exact for scores of +-1e4.
    anchor = ops.max(scores, axis=1, keepdims=True, initial=LEFT_OUT)
    scores = scores - ops.stop_gradient(anchor)
    counts = ops.sum(is_partner, axis=1)
    of_partners = ops.sum(ops.where(is_partner > 0, scores, 0.0), axis=1)
    log_sums = ops.logsumexp(scores, axis=1)
    losses = log_sums - of_partners / ops.maximum(counts, 1.0)
    return ops.where(counts > 0, losses, 0.0), counts
