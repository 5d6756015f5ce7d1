"""A critic whose scores are log densities of y given x."""

import math

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.critics.base import (
    Critic,
    build_chain,
    dense,
    partners_or_diagonal,
)


@keras.saving.register_keras_serializable(package="keras_infomax")
class ConditionalGaussian(Critic):
    """Scores y by its log density given x, a Gaussian with independent units.

        scores[i, j] = log q(y_j | x_i)
                     = -1/2 sum_d [(y_jd - m_d(x_i))^2 / v_d(x_i) + log(2 pi v_d(x_i))]

    where one network maps x to means m and log variances `log v`. It is for the bounds
    on log densities: `losses.CLUB`, `losses.LeaveOneOut` and `losses.BarberAgakov`.

    A bound that is minimized must not train the density on which it is based. So this
    layer adds its own loss, the negative log-likelihood of the true pairs, which trains
    only the density. The gradient of the scores reaches only the encodings.

    Args:
        hidden_units: Sizes of the ReLU hidden layers.
        beside: Whether the density has its own loss. With `False`, the loss on the
            scores trains it, as for any critic.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim_x)`.
        y: Encodings `(columns, dim_y)`.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of the
            true pairs. Defaults to the diagonal.
        training: Whether to add the loss that fits the density.

    Returns:
        Scores `(rows, columns)`, in nats.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
    >>> critic = ConditionalGaussian(hidden_units=())
    >>> critic(ops.ones((3, 4)), ops.ones((5, 2))).shape
    TensorShape([3, 5])

    Reference:
        Cheng et al., 2020, "CLUB", section 3.2, https://arxiv.org/abs/2006.12013.
    """

    gives_log_densities = True
    losses_are_means_over_rows = True

    def __init__(self, hidden_units=(100,), beside=True, **kwargs):
        super().__init__(**kwargs)
        self.hidden_units = checks.sizes("hidden_units", hidden_units)
        self.beside = checks.boolean("beside", beside)
        self.chain = [dense(self, units, "relu") for units in self.hidden_units]

    def build_parameters(self, dim_x, dim_y):
        if len(self.chain) == len(self.hidden_units):
            self.chain = [*self.chain, dense(self, 2 * dim_y)]
        build_chain(self.chain, dim_x)

    def call(self, x, y, partners=None, training=None):
        if not self.beside:
            return self._cast(_log_densities(self._moments(x), y))
        if training:
            self.add_loss(self._negative_log_likelihood(x, y, partners))
        return self._cast(_log_densities(self._moments(x, ops.stop_gradient), y))

    def _negative_log_likelihood(self, x, y, partners):
        partners = partners_or_diagonal(self, partners, x, y)
        mean, log_variance = self._moments(ops.stop_gradient(x))
        y = ops.cast(ops.take(ops.stop_gradient(y), partners, axis=0), mean.dtype)
        if len(partners.shape) == 2:
            mean, log_variance = mean[:, None], log_variance[:, None]
        squares = ops.square(y - mean) * ops.exp(-log_variance)
        parts = squares + log_variance + math.log(2 * math.pi)
        return ops.mean(ops.sum(parts, axis=-1)) / 2.0

    def _moments(self, x, of_weights=ops.convert_to_tensor):
        """Means and log variances `(rows, dim_y)`, in float32 or wider."""
        for layer in self.chain:
            kernel = of_weights(ops.cast(layer.kernel, x.dtype))
            x = ops.matmul(x, kernel) + of_weights(ops.cast(layer.bias, x.dtype))
            if layer is not self.chain[-1]:
                x = ops.relu(x)
        x = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        mean, log_variance = ops.split(x, 2, axis=-1)
        # Variances are limited smoothly to [e^-12, e^12], so that log densities are
        # finite.
        return mean, 12.0 * ops.tanh(log_variance / 12.0)

    def _cast(self, scores):
        return ops.cast(scores, self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "beside": self.beside,
        }


def _log_densities(moments, y):
    """Log densities `(rows, columns)` of every y under every Gaussian."""
    mean, log_variance = moments
    y, precision = ops.cast(y, mean.dtype), ops.exp(-log_variance)
    # Matrix products; centered, since large squares would cancel. Not ops.mean: a
    # replica may have no rows, and NaN would reach the gradient of y.
    rows = ops.cast(ops.maximum(ops.shape(mean)[0], 1), mean.dtype)
    center = ops.stop_gradient(ops.sum(mean, axis=0, keepdims=True) / rows)
    y, mean = ops.transpose(y - center), mean - center
    squares = (
        ops.matmul(precision, ops.square(y))
        - 2.0 * ops.matmul(precision * mean, y)
        + ops.sum(precision * ops.square(mean), axis=1)[:, None]
    )
    constant = ops.sum(log_variance + math.log(2 * math.pi), axis=1)[:, None]
    return -(squares + constant) / 2.0
