"""Keras losses that raise a lower bound on mutual information, or hold it.

`loss(partners, scores)` follows the Keras order, `y_true` first: partners are the
columns of the true pairs, scores come from a critic. Under a `tf.distribute` strategy
the estimate is that of the global batch, reduced over replicas before anything
non-linear is done to it, and the loss is divided by the number of replicas, as the
built-in losses do.
"""

import math

import keras
from keras import ops

from keras_infomax import bounds, distribution
from keras_infomax.names import lookup


class BoundLoss(keras.losses.Loss):
    """Base of the losses that rest on an estimate of mutual information.

    A subclass gives `estimate`, and `objective` where the loss is not simply the
    negated estimate. `InfoMax` reports `estimate` as `"mi"`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default, also under a mixed
            precision policy.
    """

    def __init__(self, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)

    def estimate(self, partners, scores):
        """The estimate over the rows of all replicas.

        Args:
            partners: Integer tensor `(rows,)`, the column of each row's true pair.
            scores: Float tensor `(rows, columns)`.

        Returns:
            Scalar tensor in nats.
        """
        raise NotImplementedError

    def objective(self, estimate):
        """What is minimised, as a function of the estimate. Scalar to scalar."""
        return -estimate

    def ceiling(self, columns):
        """The largest value that `estimate` can take for so many columns, in nats."""
        return math.inf

    def call(self, y_true, y_pred):
        # Keras scales vectors of losses by the replicas, but leaves scalars alone.
        value = self.objective(self.estimate(y_true, y_pred))
        return value / distribution.num_replicas()

    def get_config(self):
        return {"name": self.name}


@keras.saving.register_keras_serializable(package="keras_infomax")
class InfoNCE(BoundLoss):
    """Negated InfoNCE bound, averaged over rows; never below `-log(columns)`.

    The robust default: low variance, but blind beyond the logarithm of the batch
    size. See `bounds.infonce`.

    Args:
        axis: The axis that the denominator sums over: 1, over all y for each x; 0, over
            all x for each y; `(0, 1)`, the mean of both, which treats the views alike.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> round(float(InfoNCE()([0, 1, 2, 3], 1e4 * ops.eye(4))), 4)  # -log(4)
    -1.3863

    Reference:
        van den Oord et al., 2018, https://arxiv.org/abs/1807.03748; Tschannen et al.,
        2020, equation 3, https://arxiv.org/abs/1907.13625.
    """

    def __init__(self, axis=1, name="infonce", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
        if self.axis not in (0, 1, (0, 1)):
            raise ValueError(f"axis must be 0, 1 or (0, 1); received {axis!r}.")

    def estimate(self, partners, scores):
        if self.axis == 1:
            return distribution.mean(bounds.infonce(scores, partners))
        # A denominator over x needs the rows of all replicas.
        partners, scores = distribution.gather(partners), distribution.gather(scores)
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        estimates = [ops.mean(bounds.infonce(scores, partners, a)) for a in axes]
        return sum(estimates) / len(axes)

    def ceiling(self, columns):
        return math.log(columns)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


@keras.saving.register_keras_serializable(package="keras_infomax")
class NWJ(BoundLoss):
    """Negated NWJ bound, averaged over rows: no ceiling, but high variance.

    See `bounds.nwj`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> abs(round(float(NWJ()([0, 1, 2, 3], ops.ones((4, 4)))), 4))
    0.0

    Reference:
        Nguyen et al., 2010, https://arxiv.org/abs/0809.0853; Tschannen et al., 2020,
        equation 4, https://arxiv.org/abs/1907.13625.
    """

    def __init__(self, name="nwj", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def estimate(self, partners, scores):
        return distribution.mean(bounds.nwj(scores, partners))


@keras.saving.register_keras_serializable(package="keras_infomax")
class TargetLoss(BoundLoss):
    """Holds the estimate at a target instead of raising it: `|estimate - target|`.

    Encoders that reach the same estimate can then be compared (Figure 4 of the
    paper). The distance is taken once, of the estimate over the global batch.

    Args:
        bound: A `BoundLoss`, or its name, `"infonce"` or `"nwj"`.
        target: Positive number of nats.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Raises:
        ValueError: If the bound is unknown, the target is not positive and finite,
            or the bound cannot reach it with so few columns.

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
        self.target = float(target)
        if not (math.isfinite(self.target) and self.target > 0):
            raise ValueError(
                "target must be a positive, finite number of nats; received "
                f"target={target}."
            )

    def estimate(self, partners, scores):
        columns = scores.shape[1] if len(scores.shape) == 2 else None
        if columns:
            self.check_reachable(columns)
        return self.bound.estimate(partners, scores)

    def objective(self, estimate):
        return ops.abs(estimate - self.target)

    def ceiling(self, columns):
        return self.bound.ceiling(columns)

    def check_reachable(self, columns):
        """Refuses a target that lies above the ceiling of the bound.

        Args:
            columns: Number of columns, the global batch size.

        Raises:
            ValueError: If the bound cannot reach the target; the message says which
                batch size would be needed.
        """
        ceiling = self.ceiling(columns)
        if self.target > ceiling:
            raise ValueError(
                f"target={self.target} nats cannot be reached by {self.bound.name} "
                f"with {columns} columns, whose ceiling is log({columns}) = "
                f"{ceiling:.3f} nats. Use a batch size of at least "
                f"{math.ceil(math.exp(self.target))}, a lower target, or a bound "
                "without a ceiling, such as 'nwj'."
            )

    def get_config(self):
        bound = keras.saving.serialize_keras_object(self.bound)
        return {**super().get_config(), "bound": bound, "target": self.target}

    @classmethod
    def from_config(cls, config):
        bound = keras.saving.deserialize_keras_object(config["bound"])
        return cls(**{**config, "bound": bound})


LOSSES = {"infonce": InfoNCE, "nwj": NWJ}


def get(identifier):
    """Returns a loss from an instance or a name.

    Args:
        identifier: A `BoundLoss`, `"infonce"` or `"nwj"`.

    Raises:
        ValueError: If the name is unknown; the message suggests the nearest one.

    Example:
    >>> get("nwj").name
    'nwj'
    """
    if isinstance(identifier, BoundLoss):
        return identifier
    return lookup("bound", identifier, LOSSES)()
