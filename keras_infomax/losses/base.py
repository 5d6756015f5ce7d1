"""What the losses on scores have in common."""

import contextlib
import inspect
import math
import threading

import keras
from keras import ops

from keras_infomax import bounds, checks
from keras_infomax.execution import chunking, distribution


class _Step(threading.local):
    """What the step of training or evaluation that runs is to do with states."""

    training = True
    counts = False


_step = _Step()


@contextlib.contextmanager
def in_step(training):
    """Says whether losses are computed for training, or for an evaluation.

    An evaluation leaves the states of losses, such as the moving average of
    `losses.MINE`, as they are.

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

    A subclass gives `value`. `InfoMax` reports `estimate` as `"mi"`: of any loss, the
    scores bound mutual information by InfoNCE, and a loss that rests on a bound of its
    own says so by overriding it.

    Rows may have weights: what is a mean over rows becomes the weighted mean. As in
    Keras, the loss is then multiplied by the mean weight, so that rows of weight 0 add
    nothing and weights of 2 double the loss. The columns stay as they are: a row that
    counts less is a negative of the other rows all the same.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default, also under a mixed
            precision policy; half precision becomes float32.
        chunk_size: Largest number of rows of scores that are reduced at a time, each
            chunk a second time in the backward pass, which bounds the memory for
            intermediate results. Defaults to `None`, all rows.
    """

    # Whether `estimate` is to be reported.
    estimates_mi = True
    # Of what `checked` returns, since Keras makes floats of it.
    partners_dtype = "int32"

    def __init__(self, name=None, dtype=None, chunk_size=None):
        name = checks.text("name", name, "infonce", optional=True)
        # Keras casts partners, too, and numbers of columns need all their digits.
        super().__init__(name=name, dtype=float_policy(dtype))
        self.chunk_size = checks.positive_integer(
            "chunk_size", chunk_size, 1024, optional=True
        )

    @property
    def variables(self):
        """What the loss keeps from step to step: a list of variables, empty for most.

        A loss that has some says `updates_see_all_rows = True` in its class if all
        replicas move them alike.
        """
        return []

    def checked(self, partners, scores):
        """Partners and scores as `value` takes them, once it is known what they are.

        Args:
            partners: What should be partners.
            scores: What should be scores.

        Returns:
            Pair of partners, integers if the loss takes nothing else, and float scores.

        Raises:
            ValueError: If they are not what the loss takes.
        """
        of_class = ops.is_tensor(partners) and partners.dtype
        if of_class and keras.backend.standardize_dtype(of_class) == "bool":
            raise checks.refusal(
                "y_true",
                "integers, the column of each row's true pair",
                partners,
                "Use SupCon, which takes a boolean for each pair, where rows have as "
                "many partners as it happens.",
            )
        # Keras makes floats of integers, so it is too late in `call`.
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
            What the function returns for all rows.
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
        """What is minimized, over the rows of all replicas.

        Args:
            partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of
                each row's true pairs.
            scores: Float tensor `(rows, columns)`.
            weights: Float tensor `(rows,)`, what each row counts, or `None` for all
                the same. Multiplied by a number they must give the same value.

        Returns:
            Scalar tensor.
        """
        raise NotImplementedError

    def estimate(self, partners, scores, weights=None):
        """The estimate of mutual information over the rows of all replicas.

        Args:
            partners: Integer tensor `(rows,)` or `(rows, positives)`.
            scores: Float tensor `(rows, columns)`.
            weights: Float tensor `(rows,)`, what each row counts, or `None`.

        Returns:
            Scalar tensor in nats.
        """
        values = self.by_rows(bounds.infonce, partners, scores)
        return mean_over_rows(values, weights)

    def ceiling(self, columns):
        """The largest value that `estimate` can take for so many columns, in nats."""
        return math.log(columns)

    def __call__(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = self.checked(y_true, y_pred)
        with _counted():
            return self._weighted_value(y_true, y_pred, sample_weight)

    def _weighted_value(self, y_true, y_pred, sample_weight):
        if sample_weight is None:
            return super().__call__(y_true, y_pred)
        # Keras would multiply the one value of all rows by each weight.
        weights = _weights_of_rows(sample_weight, y_pred, self.dtype)
        with keras.name_scope(self.name):
            value = self.value(
                y_true,
                ops.cast(y_pred, self.dtype),
                **self.weighted(self.value, weights),
            )
            return distribution.mean(weights) * value / distribution.num_replicas()

    def call(self, y_true, y_pred):
        # Keras scales vectors of losses by the replicas, but leaves scalars alone.
        partners = ops.cast(y_true, self.partners_dtype)
        return self.value(partners, y_pred) / distribution.num_replicas()

    def weighted(self, method, weights):
        """The argument `weights` of `value` or `estimate`, where there are any.

        Args:
            method: The method that is to be called.
            weights: Float tensor `(rows,)`, or `None`.

        Returns:
            Dictionary of the argument, empty for `None`.

        Raises:
            ValueError: If the method, a user's, takes no weights.
        """
        if weights is None:
            return {}
        if "weights" not in inspect.signature(method).parameters:
            raise ValueError(
                f"The loss {self.name!r} must take weights of rows where there is a "
                f"sample_weight; received {type(self).__name__}.{method.__name__} "
                f"without this argument. Define {method.__name__}(self, partners, "
                "scores, weights=None), or leave out sample_weight."
            )
        return {"weights": ops.cast(weights, self.dtype)}

    def get_config(self):
        return {"name": self.name, "chunk_size": self.chunk_size}


class BoundLoss(ScoreLoss):
    """Base of the losses that raise an estimate of mutual information, or hold it.

    A subclass gives `bound_of_rows`, or `estimate` where that is no mean over rows; and
    `objective` where the loss is not simply the negated estimate.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
    """

    # Whether scores must be log densities of y given x for the estimate to hold.
    takes_log_densities = False

    def bound_of_rows(self, scores, partners):
        """The bound of each true pair, of all rows or of a chunk of them.

        Args:
            scores: Float tensor `(rows, columns)`.
            partners: Integer tensor `(rows,)` or `(rows, positives)`.

        Returns:
            Tensor of the shape of `partners`, in nats.
        """
        raise NotImplementedError

    def estimate(self, partners, scores, weights=None):
        values = self.by_rows(self.bound_of_rows, partners, scores)
        return mean_over_rows(values, weights)

    def objective(self, estimate):
        """What is minimized, as a function of the estimate. Scalar to scalar."""
        return -estimate

    def ceiling(self, columns):
        return math.inf

    def value(self, partners, scores, weights=None):
        weighted = self.weighted(self.estimate, weights)
        return self.objective(self.estimate(partners, scores, **weighted))


class UpperBoundLoss(BoundLoss):
    """Base of the losses that lower an upper bound on mutual information.

    A subclass gives what one of `BoundLoss` does. Scores must be log densities of y
    given x, of a critic that says `gives_log_densities = True`, such as
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
    """A loss as a metric: its mean over rows, however they come in batches.

    Keras takes the mean over batches of whatever losses return, which counts the rows
    of a smaller last batch for more. What a `ScoreLoss` has for all rows of a batch is
    weighted by their number, or by the sum of their weights.

    Args:
        loss: `ScoreLoss`, or loss of Keras that is a mean over rows.
        name: Name of the metric. Defaults to that of the loss.
        dtype: Dtype of the metric. Defaults to that of the loss.

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
    """Whether a loss that has a state moves it now: once in each step of training."""
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
        ValueError: If it is none of floats.
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
        weights: Tensor `(rows,)`, what each row counts, or `None` for all the same.

    Returns:
        Scalar tensor. Zero where all weights are.
    """
    if weights is None:
        return distribution.mean(ops.reshape(values, (-1,)))
    return distribution.mean(_of_rows(values), weights)


def gathered(*values):
    """The rows of all replicas of several tensors, of which the last may be `None`."""
    return [None if value is None else distribution.gather(value) for value in values]


def mean_of_gathered(values, weights=None):
    """As `mean_over_rows`, of values that every replica has for the rows of all.

    Args:
        values: Tensor `(rows,)` or `(rows, positives)`.
        weights: Tensor `(rows,)`, or `None`.
    """
    if weights is None:
        return ops.mean(values)
    return ops.divide_no_nan(ops.sum(weights * _of_rows(values)), ops.sum(weights))


def _weights_of_rows(sample_weight, scores, dtype):
    """Weights `(rows,)`; one number is the weight of every row, as in Keras.

    Raises:
        ValueError: If they are not known to be one number, or one for each row.
    """
    checks.unmasked("sample_weight", sample_weight)
    rows = scores.shape[0]
    try:
        weights = ops.convert_to_tensor(sample_weight, dtype=dtype)
        shape = tuple(weights.shape)
    except (TypeError, ValueError):
        shape = None
    if shape == ():
        return ops.broadcast_to(weights, (ops.shape(scores)[0],))
    if shape is not None and shape[1:] in ((), (1,)):
        if None in (rows, shape[0]) or rows == shape[0]:
            return ops.reshape(weights, (-1,))
    raise checks.refusal(
        "sample_weight",
        f"one number, or one for each of the {rows or 'scored'} rows",
        sample_weight,
        "Write, for example, sample_weight=np.ones(rows).",
    )


def _of_rows(values):
    """Values `(rows,)`, the means over the true pairs of each row."""
    return values if len(values.shape) == 1 else ops.mean(values, axis=1)
