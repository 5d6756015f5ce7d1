"""Losses of deep metric learning, on the same scores as bounds.

The scores of a metric are similarities, such as an inner product or a negated distance
(`critics.DistanceCritic`). A row is an anchor, its partner is the positive, and the
other columns are the negatives. A mask may leave some of them out.
"""

import keras
from keras import ops

from keras_infomax import bounds, checks
from keras_infomax.losses.base import (
    ScoreLoss,
    gathered,
    mean_of_gathered,
    mean_over_rows,
)


@keras.saving.register_keras_serializable(package="keras_infomax")
class MultiClassNPair(ScoreLoss):
    """Multi-class N-pair (K-pair) loss: the log odds of all negatives, averaged.

        loss[i] = log(1 + sum_{j != p_i} exp(scores[i, j] - scores[i, p_i]))

    It equals `log(columns)` minus InfoNCE: with a shared encoder and an inner product,
    learning the metric is the same as maximizing the bound.

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
    >>> round(float(MultiClassNPair()([0, 1, 2, 3], ops.zeros((4, 4)))), 4)  # log(4)
    1.3863

    Reference:
        Sohn, 2016, "Improved Deep Metric Learning with Multi-class N-pair Loss
        Objective", equation 7; Tschannen et al., 2020, section 4.
    """

    def __init__(self, name="multi_class_n_pair", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def value(self, partners, scores, weights=None):
        values = self.by_rows(_log_of_all, partners, scores)
        return mean_over_rows(values, weights)


@keras.saving.register_keras_serializable(package="keras_infomax")
class Triplet(ScoreLoss):
    """Triplet loss over all negatives: each must score a margin below the true pair.

        loss[i] = mean_{j != p_i} max(0, margin + scores[i, j] - scores[i, p_i])

    With `margin=None` the loss is smooth: the hinge becomes a softplus,

        loss[i] = mean_{j != p_i} log(1 + exp(scores[i, j] - scores[i, p_i])),

    which is the multi-class N-pair loss of a true pair and a single negative.
    `masks.SemiHard` leaves out the easy and the hardest negatives.

    Args:
        margin: Positive float, in the units of the scores, or `None`.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar of at least 0.

    Raises:
        ValueError: If the margin is not positive.

    Example:
    >>> round(float(Triplet(margin=0.2)([0, 1], ops.zeros((2, 2)))), 4)
    0.2

    Reference:
        Schroff et al., 2015, "FaceNet", equation 2,
        https://arxiv.org/abs/1503.03832.
    """

    def __init__(self, margin=0.2, name="triplet", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)
        self.margin = checks.positive_number(
            "margin", margin, 0.2, "None is the smooth form.", optional=True
        )

    def value(self, partners, scores, weights=None):
        partners = ops.convert_to_tensor(partners)
        if len(partners.shape) != 1:
            raise ValueError(
                "Triplet takes one partner for each row; received partners of shape "
                f"{tuple(partners.shape)}. Use encodings without locations."
            )
        values = self.by_rows(self._violations, partners, scores)
        return mean_over_rows(values, weights)

    def _violations(self, scores, partners):
        positives, negatives = bounds.split(scores, partners)
        excess = negatives - positives[:, None]
        if self.margin is None:
            violations = ops.softplus(excess)
        else:
            violations = ops.relu(self.margin + excess)
        _, count = bounds.log_sums(negatives)
        return ops.sum(violations, axis=1) / ops.maximum(count, 1.0)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}


@keras.saving.register_keras_serializable(package="keras_infomax")
class LiftedStructure(ScoreLoss):
    """Lifted structured loss: a true pair against all negatives of both sides.

        excess[i] = log(sum_{j != p_i} exp(margin + scores[i, j])
                        + sum_{k != i} exp(margin + scores[k, p_i])) - scores[i, p_i]
        loss[i] = max(0, excess[i])^2 / 2

    Args:
        margin: Positive float, in the units of the scores.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`, such as negated distances.

    Returns:
        Scalar of at least 0.

    Raises:
        ValueError: If the margin is not positive.

    Example:
    >>> loss = LiftedStructure(margin=1.0)([0, 1], ops.zeros((2, 2)))
    >>> round(float(loss), 4)  # (1 + log(2))^2 / 2
    1.4334

    Reference:
        Song et al., 2016, "Deep Metric Learning via Lifted Structured Feature
        Embedding", equation 4, https://arxiv.org/abs/1511.06452.
    """

    def __init__(self, margin=1.0, name="lifted_structure", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.margin = checks.positive_number("margin", margin, 1.0)

    def value(self, partners, scores, weights=None):
        # The negatives in a column are on all replicas.
        partners, scores, weights = gathered(partners, scores, weights)
        in_row, _ = bounds.log_odds(scores, partners, axis=1)
        in_column, _ = bounds.log_odds(scores, partners, axis=0)
        # For equal numbers, the gradient of logaddexp would reach only the first.
        both = ops.logsumexp(ops.stack([in_row, in_column]), axis=0)
        excess = self.margin + both
        return mean_of_gathered(ops.square(ops.relu(excess)), weights) / 2.0

    def get_config(self):
        return {"name": self.name, "margin": self.margin}


def _log_of_all(scores, partners):
    excess, _ = bounds.log_odds(scores, partners)
    return ops.softplus(excess)
