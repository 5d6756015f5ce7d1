"""Base of the losses on scores."""

import contextlib
import inspect
import math
import threading

import keras
from keras import ops

from keras_infomax import bounds, checks
from keras_infomax.execution import chunking, distribution


class _Step(threading.local):
    """Whether the present step updates states of losses."""

    training = True
    counts = False


_step = _Step()


@contextlib.contextmanager
def in_step(training):
    """Context that marks losses as computed for training or for evaluation.

    Evaluation does not change states of losses, such as the moving average of
    `losses.MINE`.

    Args:
        training: Whether it is a step of training.
    """
    before, _step.training = _step.training, training
    try:
        yield
    finally:
        _step.training = before


class ScoreLoss(keras.losses.Loss):
    """Base of the losses that are computed from scores and partners.

    A subclass defines `value`. `InfoMax` reports `estimate` as `"mi"`. By default this
    is InfoNCE, a bound for any scores; a loss with its own bound overrides it.

    Rows may have weights. Means over rows then become weighted means. As in Keras, the
    loss is also multiplied by the mean weight, so rows of weight 0 add nothing and
    weights of 2 double the loss. Weights do not change columns: a row of small weight
    is a full negative of the other rows.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default and under mixed precision
            policies; half precision becomes float32.
        chunk_size: Largest number of rows of scores that are reduced at a time. The
            backward pass computes each chunk again. This limits the memory for
            intermediate results. Defaults to `None`, all rows.
    """

    # Whether `estimate` is reported.
    estimates_mi = True
    # Dtype of the partners of `checked`, which Keras casts to floats.
    partners_dtype = "int32"

    def __init__(self, name=None, dtype=None, chunk_size=None):
        name = checks.text("name", name, "infonce", optional=True)
        # Keras also casts partners, and column numbers need all their digits.
        super().__init__(name=name, dtype=float_policy(dtype))
        self.chunk_size = checks.positive_integer(
            "chunk_size", chunk_size, 1024, optional=True
        )

    @property
    def variables(self):
        """State of the loss: a list of variables, empty for most losses.

        If all replicas update them to the same values, the class sets
        `updates_see_all_rows = True`.
        """
        return []

    def checked(self, partners, scores):
        """Checks partners and scores, and converts them for `value`.

        Args:
            partners: The partners to check.
            scores: The scores to check.

        Returns:
            Pair of partners, integers in most losses, and float scores.

        Raises:
            ValueError: If the loss does not take them.
        """
        of_class = ops.is_tensor(partners) and partners.dtype
        if of_class and keras.backend.standardize_dtype(of_class) == "bool":
            raise checks.refusal(
                "y_true",
                "integers, the column of each row's true pair",
                partners,
                "Use SupCon, which takes a boolean for each pair, if rows have any "
                "number of partners.",
            )
        # Here, since Keras converts integers to floats before `call`.
        partners = bounds.checked_partners("y_true", partners)
        scores, partners = bounds.checked(scores, partners, ("y_pred", "y_true"))
        return partners, scores

    def by_rows(self, function, partners, scores):
        """Applies a function of scores and partners, chunk by chunk.

        Args:
            function: Called as `function(scores, partners)` with some or all rows.
                Returns a tensor, or several, with a row for each row of scores.
            partners: Integer tensor `(rows,)` or `(rows, positives)`.
            scores: Float tensor `(rows, columns)`.

        Returns:
            Results of the function for all rows.
        """
        if self.chunk_size is None:
            return function(scores, partners)
        results, _ = chunking.by_rows(
            lambda rows, shared, state: (function(*rows), state),
            [scores, partners],
            chunk_size=self.chunk_size,
        )
        return results

    def value(self, partners, scores, weights=None):
        """The value to minimize, over the rows of all replicas.

        Args:
            partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of
                each row's true pairs.
            scores: Float tensor `(rows, columns)`.
            weights: Float tensor `(rows,)` of weights of the rows, or `None` for equal
                weights. A common factor of all weights must not change the value.

        Returns:
            Scalar tensor.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define value(partners, scores, weights=None)."
        )

    def estimate(self, partners, scores, weights=None):
        """The estimate of mutual information over the rows of all replicas.

        Args:
            partners: Integer tensor `(rows,)` or `(rows, positives)`.
            scores: Float tensor `(rows, columns)`.
            weights: Float tensor `(rows,)` of weights of the rows, or `None`.

        Returns:
            Scalar tensor in nats.
        """
        values = self.by_rows(bounds.infonce, partners, scores)
        return mean_over_rows(values, weights)

    def ceiling(self, columns):
        """Largest possible `estimate` for this number of columns, in nats."""
        return math.log(columns)

    def __call__(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = self.checked(y_true, y_pred)
        with _counted():
            return self._weighted_value(y_true, y_pred, sample_weight)

    def _weighted_value(self, y_true, y_pred, sample_weight):
        if sample_weight is None:
            return super().__call__(y_true, y_pred)
        # Keras would multiply the single value of all rows by each weight.
        weights = _weights_of_rows(sample_weight, y_pred, self.dtype)
        with keras.name_scope(self.name):
            value = self.value(
                y_true,
                ops.cast(y_pred, self.dtype),
                **self.weighted(self.value, weights),
            )
            return distribution.mean(weights) * value / distribution.num_replicas()

    def call(self, y_true, y_pred):
        # Keras divides vectors of losses by the number of replicas, but not scalars.
        partners = ops.cast(y_true, self.partners_dtype)
        return self.value(partners, y_pred) / distribution.num_replicas()

    def weighted(self, method, weights):
        """The argument `weights` of `value` or `estimate`, if there are any.

        Args:
            method: The method to call.
            weights: Float tensor `(rows,)`, or `None`.

        Returns:
            Dictionary of the argument, empty for `None`.

        Raises:
            ValueError: If the method of a user's loss takes no weights.
        """
        if weights is None:
            return {}
        if "weights" not in inspect.signature(method).parameters:
            raise ValueError(
                f"The loss {self.name!r} must take weights of rows if there is a "
                f"sample_weight; received {type(self).__name__}.{method.__name__} "
                f"without this argument. Define {method.__name__}(self, partners, "
                "scores, weights=None), or leave out sample_weight."
            )
        return {"weights": ops.cast(weights, self.dtype)}

    def get_config(self):
        return {"name": self.name, "chunk_size": self.chunk_size}


class BoundLoss(ScoreLoss):
    """Base of the losses that maximize an estimate of mutual information, or hold it.

    A subclass defines `bound_of_rows`, or `estimate` if the estimate is not a mean over
    rows; and `objective` if the loss is not the negated estimate.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
    """

    # Whether scores must be log densities of y given x for the estimate to hold.
    takes_log_densities = False

    def bound_of_rows(self, scores, partners):
        """The bound for each true pair, for all rows or a chunk of them.

        Args:
            scores: Float tensor `(rows, columns)`.
            partners: Integer tensor `(rows,)` or `(rows, positives)`.

        Returns:
            Tensor of the shape of `partners`, in nats.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define bound_of_rows(scores, partners), or "
            "estimate(partners, scores, weights=None) if it is no mean over rows."
        )

    def estimate(self, partners, scores, weights=None):
        values = self.by_rows(self.bound_of_rows, partners, scores)
        return mean_over_rows(values, weights)

    def objective(self, estimate):
        """The value to minimize, as a function of the estimate; scalar to scalar."""
        return -estimate

    def ceiling(self, columns):
        return math.inf

    def value(self, partners, scores, weights=None):
        weighted = self.weighted(self.estimate, weights)
        return self.objective(self.estimate(partners, scores, **weighted))


class UpperBoundLoss(BoundLoss):
    """Base of the losses that minimize an upper bound on mutual information.

    A subclass defines the same methods as one of `BoundLoss`. Scores must be log
    densities of y given x, from a critic with `gives_log_densities = True`, such as
    `critics.ConditionalGaussian`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
    """

    takes_log_densities = True

    def objective(self, estimate):
        return estimate


@keras.saving.register_keras_serializable(package="keras_infomax")
class LossMetric(keras.metrics.Mean):
    """A loss as a metric: its mean over rows, whatever the batches.

    Keras averages losses over batches, which gives rows of a smaller last batch more
    weight. Here the value of a `ScoreLoss` for a batch is weighted by the number of
    rows, or by the sum of their weights.

    Args:
        loss: `ScoreLoss`, or loss of Keras that is a mean over rows.
        name: Name of the metric. Defaults to that of the loss.
        dtype: Dtype of the metric. Defaults to the dtype of the loss.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.
        sample_weight: Float tensor `(rows,)`, or `None`.

    Example:
    >>> metric = LossMetric(keras.losses.SparseCategoricalCrossentropy(True))
    >>> metric.update_state([0, 1], ops.zeros((2, 4)))
    >>> round(float(metric.result()), 4)  # log(4)
    1.3863
    """

    def __init__(self, loss, name=None, dtype=None):
        checks.instance(
            "loss",
            loss,
            keras.losses.Loss,
            "a loss",
            "Write, for example, loss=keras_infomax.losses.InfoNCE().",
        )
        name = checks.text("name", name, "infonce", optional=True) or loss.name
        dtype = loss.dtype if dtype is None else float_policy(dtype)
        super().__init__(name=name, dtype=dtype)
        self.loss = loss

    def update_state(self, y_true, y_pred, sample_weight=None):
        scores = ops.cast(y_pred, self.loss.dtype)
        if not isinstance(self.loss, ScoreLoss):
            values = self.loss.call(ops.convert_to_tensor(y_true), scores)
            return super().update_state(values, sample_weight)
        partners, scores = self.loss.checked(y_true, scores)
        weights = sample_weight
        if weights is not None:
            weights = ops.convert_to_tensor(weights, dtype=self.loss.dtype)
        value = self.loss.value(
            partners, scores, **self.loss.weighted(self.loss.value, weights)
        )
        counted = ops.shape(scores)[0] if weights is None else ops.sum(weights)
        return super().update_state(value, counted)

    def get_config(self):
        loss = keras.saving.serialize_keras_object(self.loss)
        return {"loss": loss, "name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config):
        loss = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**{**config, "loss": loss})


def counts():
    """Whether losses update their state now: once in each training step."""
    return _step.counts


@contextlib.contextmanager
def _counted():
    before, _step.counts = _step.counts, _step.training
    try:
        yield
    finally:
        _step.counts = before


def float_policy(dtype):
    """Dtype in which a loss computes: float32 for half precision.

    Args:
        dtype: Name of a dtype or policy, or `None` for that of Keras.

    Raises:
        ValueError: If it is not a float dtype.
    """
    try:
        policy = keras.dtype_policies.get(
            keras.config.floatx() if dtype is None else dtype
        )
        if "float" in policy.compute_dtype:
            return keras.backend.result_type(policy.compute_dtype, "float32")
    except (AttributeError, TypeError, ValueError):
        pass
    raise checks.refusal(
        "dtype",
        "a dtype of floats, or None",
        dtype,
        "Write dtype='float32'.",
    )


def mean_over_rows(values, weights=None):
    """Mean over all rows of all replicas, and over all true pairs of a row.

    Args:
        values: Tensor `(rows,)` or `(rows, positives)`.
        weights: Tensor `(rows,)` of weights of the rows, or `None` for equal weights.

    Returns:
        Scalar tensor. Zero if all weights are zero.
    """
    if weights is None:
        return distribution.mean(ops.reshape(values, (-1,)))
    return distribution.mean(_of_rows(values), weights)


def gathered(*values):
    """The rows of all replicas for several tensors; the last may be `None`."""
    return [None if value is None else distribution.gather(value) for value in values]


def mean_of_gathered(values, weights=None):
    """As `mean_over_rows`, for values of all rows that every replica has.

    Args:
        values: Tensor `(rows,)` or `(rows, positives)`.
        weights: Tensor `(rows,)`, or `None`.
    """
    if weights is None:
        return ops.mean(values)
    return ops.divide_no_nan(ops.sum(weights * _of_rows(values)), ops.sum(weights))


def _weights_of_rows(sample_weight, scores, dtype):
    """Weights `(rows,)`; a single number is the weight of every row, as in Keras.

    Raises:
        ValueError: If they are not one number, or one for each row.
    """
    checks.unmasked("sample_weight", sample_weight)
    rows = scores.shape[0]
    expected = f"one number, or one for each of the {rows or 'scored'} rows"
    advice = "Write, for example, sample_weight=np.ones(rows)."
    kinds = "int", "float", "bool"
    # Converted to a dtype at once, a text of a number would be one on JAX.
    weights = checks.tensor("sample_weight", sample_weight, expected, advice, kinds)
    weights = ops.cast(weights, dtype)
    shape = tuple(weights.shape)
    if shape == ():
        return ops.broadcast_to(weights, (ops.shape(scores)[0],))
    if shape[1:] in ((), (1,)):
        if None in (rows, shape[0]) or rows == shape[0]:
            return ops.reshape(weights, (-1,))
    raise checks.refusal("sample_weight", expected, sample_weight, advice)


def _of_rows(values):
    """Means over the true pairs of each row, `(rows,)`."""
    return values if len(values.shape) == 1 else ops.mean(values, axis=1)
