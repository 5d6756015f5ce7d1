"""Normalization of the feature maps of one example, for encoders without batches."""

import keras
from keras import ops

from keras_infomax import checks


@keras.saving.register_keras_serializable(package="keras_infomax")
class FeatureMapNormalization(keras.layers.Layer):
    """Normalizes each example's whole feature map; one gain and bias a channel.

        output = gain * (inputs - mean) / (deviation + epsilon) + bias

    Mean and standard deviation are taken over all axes but the rows together, for each
    example by itself: unlike batch normalization, nothing leaks between the
    examples of a batch, which a contrastive bound could exploit. It lowers the
    variance of NWJ. `keras.layers.LayerNormalization(axis=[1, 2, 3])` would learn a
    gain for every position instead.

    Args:
        epsilon: Positive number added to the standard deviation, so that a constant
            map is not divided by zero.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Feature maps `(rows, height, width, channels)`, or those of signals
            `(rows, steps, channels)`.

    Returns:
        Tensor of the shape of `inputs`.

    Reference:
        Tschannen et al., 2020, section 3.3, https://arxiv.org/abs/1907.13625.
    """

    def __init__(self, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = checks.positive_number("epsilon", epsilon, 1e-6)

    def build(self, input_shape):
        channels = input_shape[-1]
        self.gain = self.add_weight((channels,), initializer="ones", name="gain")
        self.bias = self.add_weight((channels,), initializer="zeros", name="bias")

    def call(self, inputs):
        # Statistics overflow in half precision.
        maps = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        axes = tuple(range(1, len(maps.shape)))
        mean = ops.mean(maps, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(maps - mean), axis=axes, keepdims=True)
        # The gradient of sqrt at 0 is infinite: a blank image would turn it to NaN.
        deviation = ops.sqrt(ops.maximum(variance, self.epsilon**2))
        normalized = (maps - mean) / (deviation + self.epsilon)
        return self.gain * ops.cast(normalized, self.compute_dtype) + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
