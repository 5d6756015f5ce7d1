"""A critic with a learned baseline of each row's scores."""

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.critics.base import build_chain, dense, partners_or_diagonal
from keras_infomax.critics.wrappers import Wrapper


@keras.saving.register_keras_serializable(package="keras_infomax")
class BaselineCritic(Wrapper):
    """Subtracts a learned log-baseline of each row from the scores of another critic.

        scores[i, j] = critic(x_i, y_j) - a(x_i)
        scores[i, j] = critic(x_i, y_j) - a(x_i, y_(p_i)), with pairs=True

    With these scores `losses.TUBA` is the bound with a learned baseline; with `pairs`,
    `losses.FLO` is. InfoNCE is the same as without baselines, since it does not depend
    on a constant for a row.

    Args:
        critic: Critic whose scores are normalized.
        hidden_units: Sizes of the ReLU hidden layers of a.
        pairs: Whether the baseline also depends on the partner.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim_x)`.
        y: Encodings `(columns, dim_y)`.
        partners: Integer tensor `(rows,)`, the columns of the true pairs. Defaults to
            the diagonal. `pairs=True` does not support several partners per row.

    Returns:
        Scores `(rows, columns)`.

    Raises:
        ValueError: If a size is not a positive integer, or, in a call with `pairs`, if
            a row has several partners.

    Example:
    >>> from keras_infomax.critics import InnerProductCritic
    >>> critic = BaselineCritic(InnerProductCritic(), hidden_units=(16,))
    >>> critic(ops.ones((3, 4)), ops.ones((5, 4))).shape
    TensorShape([3, 5])

    Reference:
        Poole et al., 2019, section 2.2, https://arxiv.org/abs/1905.06922; Guo et al.,
        2022, https://arxiv.org/abs/2107.01131.
    """

    def __init__(self, critic, hidden_units=(100,), pairs=False, **kwargs):
        super().__init__(critic, **kwargs)
        self.hidden_units = checks.sizes("hidden_units", hidden_units)
        self.pairs = checks.boolean("pairs", pairs)
        self.chain = [
            *(dense(self, units, "relu") for units in self.hidden_units),
            dense(self, 1),
        ]

    def build_parameters(self, dim_x, dim_y):
        super().build_parameters(dim_x, dim_y)
        build_chain(self.chain, dim_x + dim_y if self.pairs else dim_x)

    def call(self, x, y, partners=None):
        baseline = x
        if self.pairs:
            partners = partners_or_diagonal(self, partners, x, y)
            if len(partners.shape) != 1:
                raise ValueError(
                    f"{self.name}: pairs=True takes one partner for each row; received "
                    f"partners of shape {tuple(partners.shape)}. Use encodings without "
                    "locations, or pairs=False."
                )
            baseline = ops.concatenate([x, ops.take(y, partners, axis=0)], axis=1)
        for layer in self.chain:
            baseline = layer(baseline)
        scores = self.critic(x, y)
        return ops.cast(scores, self.compute_dtype) - baseline

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "pairs": self.pairs,
        }
