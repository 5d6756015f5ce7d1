"""Matches the distribution of encodings to a prior, adversarially."""

import keras
from keras import ops

from keras_infomax import checks


@keras.saving.register_keras_serializable(package="keras_infomax")
class PriorMatching(keras.layers.Layer):
    """Draws encodings towards a uniform distribution, by a discriminator of its own.

    Sigmoids of the encodings, codes z in (0, 1), should look to a discriminator D, a
    multilayer perceptron, like draws u from the uniform distribution. In training mode
    the layer adds two losses of its own,

        -mean(log D(u)) - mean(log(1 - D(z)))    to the discriminator, not through z
        -weight * mean(log D(z))                 to the encoder, not through D

    so that one gradient step on their sum trains both. In inference it adds none: they
    are no part of validation losses.

    Args:
        weight: Non-negative float, the weight of the encoder's loss; the discriminator
            is trained at any weight.
        hidden_units: Sizes of the ReLU hidden layers of the discriminator.
        seed: Integer seed of the draws, or `None`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        encodings: Float tensor `(rows, dim)`.
        training: Whether to add the losses.

    Returns:
        Log odds `(rows, 1)` of each code being a draw, as the discriminator sees it.

    Raises:
        ValueError: If the weight is negative or not finite.

    Example:
    >>> prior = PriorMatching(weight=0.1, hidden_units=(16,))
    >>> prior(ops.zeros((8, 4)), training=True).shape, len(prior.losses)
    (TensorShape([8, 1]), 2)

    Reference:
        Hjelm et al., 2019, "Learning deep representations by mutual information
        estimation and maximization", equation 7, https://arxiv.org/abs/1808.06670;
        with the non-saturating encoder loss of Goodfellow et al., 2014, section 3,
        https://arxiv.org/abs/1406.2661.
    """

    losses_are_means_over_rows = True

    def __init__(self, weight=1.0, hidden_units=(1000, 200), seed=None, **kwargs):
        super().__init__(**kwargs)
        self.weight = checks.non_negative_number("weight", weight)
        self.hidden_units = checks.sizes("hidden_units", hidden_units)
        self.seed = checks.seed("seed", seed, optional=True)
        self.generator = keras.random.SeedGenerator(self.seed)
        self.discriminator = [
            keras.layers.Dense(units, dtype=self.dtype_policy)
            for units in (*self.hidden_units, 1)
        ]

    def build(self, input_shape):
        for layer in self.discriminator:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, encodings, training=None):
        codes = ops.sigmoid(encodings)
        fooled = self._log_odds(codes, ops.stop_gradient)
        if training:
            drawn = keras.random.uniform(
                ops.shape(codes), dtype=codes.dtype, seed=self.generator
            )
            of_draws = self._log_odds(drawn)
            of_codes = self._log_odds(ops.stop_gradient(codes))
            # softplus(-s) = -log(sigmoid(s)), and softplus(s) = -log(1 - sigmoid(s)).
            self.add_loss(_mean_softplus(-of_draws) + _mean_softplus(of_codes))
            self.add_loss(self.weight * _mean_softplus(-fooled))
        return fooled

    def _log_odds(self, codes, parameter=lambda value: value):
        """The discriminator's output, its parameters passed through a function."""
        *hidden, last = self.discriminator
        for layer in hidden:
            codes = ops.relu(_affine(codes, layer, parameter))
        return _affine(codes, last, parameter)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1)

    def get_config(self):
        return {
            **super().get_config(),
            "weight": self.weight,
            "hidden_units": self.hidden_units,
            "seed": self.seed,
        }


def _affine(inputs, layer, parameter):
    kernel = ops.cast(parameter(ops.convert_to_tensor(layer.kernel)), inputs.dtype)
    bias = ops.cast(parameter(ops.convert_to_tensor(layer.bias)), inputs.dtype)
    return ops.matmul(inputs, kernel) + bias


def _mean_softplus(values):
    return ops.mean(ops.softplus(ops.cast(values, "float32")))
