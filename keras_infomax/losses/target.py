"""A loss that holds an estimate at a target."""

import math

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.losses.base import BoundLoss
from keras_infomax.losses.by_name import get


@keras.saving.register_keras_serializable(package="keras_infomax")
class TargetLoss(BoundLoss):
    """Holds the estimate at a target instead of maximizing it: `|estimate - target|`.

    So encoders with the same estimate can be compared (Figure 4 of the paper). The
    distance is that of the estimate over the global batch.

    Args:
        bound: A `BoundLoss`, or its name, such as `"infonce"` or `"nwj"`.
        target: Positive number of nats.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Raises:
        ValueError: If the bound is unknown, the target is not positive and finite, or
            the bound cannot reach it with this number of columns.

    Example:
    >>> loss = TargetLoss("nwj", target=2.0)
    >>> round(float(loss([0, 1], ops.ones((2, 2)))), 4)
    2.0

    Reference:
        Tschannen et al., 2020, section 3.3, https://arxiv.org/abs/1907.13625.
    """

    def __init__(self, bound, target, name="target_loss", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.bound = get(bound)
        if not isinstance(self.bound, BoundLoss):
            raise ValueError(
                "bound must be a loss that bounds mutual information, such as "
                f"'infonce' or 'nwj'; received {checks.shown(bound)}. Write, for "
                "example, bound='infonce'."
            )
        self.target = float(
            checks.positive_number("target", target, 2.0, "It is a number of nats.")
        )

    def estimate(self, partners, scores, weights=None):
        columns = scores.shape[1] if len(scores.shape) == 2 else None
        if columns:
            self.check_reachable(columns)
        weighted = self.bound.weighted(self.bound.estimate, weights)
        return self.bound.estimate(partners, scores, **weighted)

    @property
    def variables(self):
        return self.bound.variables

    @property
    def updates_see_all_rows(self):
        """Whether all replicas update the bound's state to the same values."""
        return getattr(self.bound, "updates_see_all_rows", False)

    def objective(self, estimate):
        return ops.abs(estimate - self.target)

    def ceiling(self, columns):
        return self.bound.ceiling(columns)

    def check_reachable(self, columns):
        """Refuses a target above the ceiling of the bound.

        Args:
            columns: Number of columns, the global batch size.

        Raises:
            ValueError: If the bound cannot reach the target; the message gives the
                batch size that would be needed.
        """
        ceiling = self.ceiling(columns)
        if self.target > ceiling:
            rows = math.ceil(math.exp(self.target)) if self.target < 30 else None
            raise ValueError(
                f"target={self.target} nats cannot be reached by {self.bound.name} "
                f"with {columns} columns, whose ceiling is log({columns}) = "
                f"{ceiling:.3f} nats. Use a batch size of at least "
                f"{rows or f'e^{self.target:g}'}, a lower target, or a bound "
                "without a ceiling, such as 'nwj'."
            )

    def get_config(self):
        bound = keras.saving.serialize_keras_object(self.bound)
        return {"name": self.name, "bound": bound, "target": self.target}

    @classmethod
    def from_config(cls, config):
        bound = keras.saving.deserialize_keras_object(config["bound"])
        return cls(**{**config, "bound": bound})
