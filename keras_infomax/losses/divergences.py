"""Losses of bounds that are not means over rows: a logarithm or a divergence."""

import math

import keras
from keras import ops

from keras_infomax import bounds, checks
from keras_infomax.execution import distribution
from keras_infomax.losses.base import BoundLoss, counts, gathered, mean_over_rows
from keras_infomax.losses.estimates import mean_and_log_mean


@keras.saving.register_keras_serializable(package="keras_infomax")
class SMILE(BoundLoss):
    """Negated SMILE bound: Donsker-Varadhan with clipped negatives, of low variance.

    Its value may exceed the mutual information; see `bounds.smile`. The logarithm is
    that of the mean over the negatives of all replicas.

    Args:
        clip: Positive number; the scores of negatives are clipped to [-clip, clip].
        gradient: `"smile"`, the gradient of the value, which is zero for clipped
            scores; or `"jensen_shannon"`, that of the Jensen-Shannon bound, with which
            the authors' code trains the critic.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> scores = keras.ops.where(keras.ops.eye(4) > 0, 7.0, -100.0)
    >>> round(float(SMILE(clip=5.0)([0, 1, 2, 3], scores)), 4)
    -12.0

    Reference:
        Song and Ermon, 2020, https://arxiv.org/abs/1910.06222.
    """

    def __init__(
        self, clip=5.0, gradient="smile", name="smile", dtype=None, chunk_size=None
    ):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)
        self.clip = checks.positive_number("clip", clip, 5.0)
        self.gradient = checks.one_of("gradient", gradient, ("smile", "jensen_shannon"))

    def estimate(self, partners, scores, weights=None):
        of_positives, of_negatives = mean_and_log_mean(
            self, partners, scores, weights, self.clip
        )
        value = of_positives - of_negatives
        if self.gradient == "smile":
            return value
        other = self.by_rows(bounds.jensen_shannon, partners, scores)
        other = mean_over_rows(other, weights)
        return ops.stop_gradient(value - other) + other

    def get_config(self):
        return {**super().get_config(), "clip": self.clip, "gradient": self.gradient}


@keras.saving.register_keras_serializable(package="keras_infomax")
class MINE(BoundLoss):
    """Donsker-Varadhan bound with MINE's gradient by a moving average.

    The value is that of `DonskerVaradhan`. In its gradient, `E[exp(f) df] / E[exp(f)]`
    over the negatives, numerator and denominator of one batch are correlated, which
    makes it biased. A moving average over batches replaces the denominator:

        average <- momentum * average + (1 - momentum) * mean exp(f)

    The first batch sets the average. Each training step updates it once with the
    negatives of all replicas, before the division. It is a variable of the loss, and is
    saved with the model. Evaluation does not change it.

    Args:
        momentum: Fraction of the average that a step keeps, in [0, 1). With 0 the
            gradient is that of `DonskerVaradhan`.
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Raises:
        ValueError: If momentum is not in [0, 1), or if the loss was made outside of the
            scope of a strategy of several replicas. In `compile`, if the model has
            several terms, which would share the average.

    Example:
    >>> abs(round(float(MINE()([0, 1, 2, 3], keras.ops.ones((4, 4)))), 4))
    0.0

    Reference:
        Belghazi et al., 2018, "Mutual Information Neural Estimation", section 3.2 and
        equation 12, https://arxiv.org/abs/1801.04062.
    """

    # The negatives of all replicas are gathered before the average is updated.
    updates_see_all_rows = True

    def __init__(self, momentum=0.99, name="mine", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)
        self.momentum = checks.probability("momentum", momentum, "[)", 0.99)
        self._made_for = distribution.num_replicas()
        # The logarithm, since exponentials of scores overflow; and whether it was set.
        self._log_average = _state("log_average")
        self._has_average = _state("has_average")

    @property
    def variables(self):
        return [self._log_average, self._has_average]

    def estimate(self, partners, scores, weights=None):
        of_positives, log_mean = mean_and_log_mean(self, partners, scores, weights)
        average = self._moved(ops.stop_gradient(log_mean), *gathered(weights))
        # Adds zero to the value, but its gradient is that of exp(log_mean - average).
        ratio = ops.exp(log_mean - average)
        fixed = ops.stop_gradient(log_mean)
        of_negatives = fixed + ratio - ops.stop_gradient(ratio)
        return of_positives - of_negatives

    def _moved(self, log_mean, weights):
        """The log of the average after this batch, which training stores."""
        if not self.momentum:
            return log_mean
        self._check_scope()
        kept, new = math.log(self.momentum), math.log(1 - self.momentum)
        mixed = ops.logaddexp(
            ops.cast(self._log_average.value, log_mean.dtype) + kept, log_mean + new
        )
        average = ops.where(self._has_average.value > 0, mixed, log_mean)
        # A batch whose scores overflow must not affect later batches.
        average = ops.where(ops.isfinite(average), average, log_mean)
        if counts():
            state = ops.cast(average, "float32"), ops.ones(())
            for variable, value in zip(self.variables, state, strict=True):
                if weights is not None:  # A batch with only weights of 0 has no mean.
                    value = ops.where(ops.any(weights > 0), value, variable.value)
                variable.assign(value)
        return average

    def _check_scope(self):
        if distribution.num_replicas() != self._made_for:
            raise ValueError(
                "The loss MINE must be made in the scope of the strategy, whose "
                "replicas share its moving average; received one that was made for "
                f"{self._made_for} replicas and is used by "
                f"{distribution.num_replicas()}. Make it in strategy.scope(), or write "
                "loss='mine'."
            )

    def save_own_variables(self, store):
        """Writes the state, for Keras."""
        for index, variable in enumerate(self.variables):
            store[str(index)] = ops.convert_to_numpy(variable)

    def load_own_variables(self, store):
        """Reads what `save_own_variables` wrote, for Keras."""
        for index, variable in enumerate(self.variables):
            variable.assign(store[str(index)])

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}


@keras.saving.register_keras_serializable(package="keras_infomax")
class JensenShannonInformation(BoundLoss):
    """Negated bound on mutual information by the Jensen-Shannon divergence.

    Unlike `JensenShannon`, it estimates mutual information: a non-linear function of
    the divergence, which is averaged over all replicas first. See
    `bounds.jensen_shannon_information`.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
        chunk_size: Largest number of rows that are reduced at a time; see `ScoreLoss`.

    Call arguments:
        y_true: Partners, integer tensor `(rows,)` or `(rows, positives)`.
        y_pred: Scores, float tensor `(rows, columns)`.

    Returns:
        Scalar in nats.

    Example:
    >>> loss = JensenShannonInformation()
    >>> abs(round(float(loss([0, 1, 2, 3], keras.ops.zeros((4, 4)))), 4))
    0.0

    Reference:
        Dorent, Golland and Wells, 2025, https://arxiv.org/abs/2510.20644.
    """

    def __init__(self, name="jensen_shannon_information", dtype=None, chunk_size=None):
        super().__init__(name=name, dtype=dtype, chunk_size=chunk_size)

    def estimate(self, partners, scores, weights=None):
        values = self.by_rows(bounds.jensen_shannon, partners, scores)
        return bounds.kl_of_jensen_shannon(mean_over_rows(values, weights) / 2.0)


def _state(name):
    return keras.Variable(
        "zeros",
        shape=(),
        dtype="float32",
        trainable=False,
        name=name,
        # All replicas compute the same value.
        aggregation="only_first_replica",
    )
