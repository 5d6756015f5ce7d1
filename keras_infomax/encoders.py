"""Encoders: the two architectures of the paper, as ordinary Keras models.

Any Keras model or layer that maps a view to encodings `(rows, dim)` is an encoder;
these are the paper's, in its sizes.
"""

import keras
from keras import ops

from keras_infomax.names import lookup


def mlp(input_shape, hidden_units=(300, 300), output_dim=100):
    """Multilayer perceptron with ReLU hidden layers and a linear output.

    Args:
        input_shape: Shape of a view without the rows, of any rank; it is flattened.
        hidden_units: Sizes of the hidden layers.
        output_dim: Size of the encoding.

    Returns:
        `keras.Model` mapping `(rows, *input_shape)` to `(rows, output_dim)`.

    Example:
    >>> mlp((14, 28, 1)).count_params()
    238300

    Reference:
        Tschannen et al., 2020, section 3.2, https://arxiv.org/abs/1907.13625.
    """
    layers = [keras.layers.Flatten()]
    layers += [keras.layers.Dense(units, activation="relu") for units in hidden_units]
    layers += [keras.layers.Dense(output_dim)]
    return keras.Sequential([keras.Input(tuple(input_shape)), *layers])


def convnet(input_shape, filters=(64, 128), output_dim=100):
    """Convolutions of 5 x 5 and stride 2, normalisation, mean pooling, linear output.

    Args:
        input_shape: `(height, width, channels)` of a view.
        filters: Channels of each convolution, which all use ReLU.
        output_dim: Size of the encoding.

    Returns:
        `keras.Model` mapping `(rows, *input_shape)` to `(rows, output_dim)`.

    Raises:
        ValueError: If `input_shape` is not `(height, width, channels)`.

    Example:
    >>> convnet((14, 28, 1)).count_params()
    219748

    Reference:
        Tschannen et al., 2020, section 3.3, https://arxiv.org/abs/1907.13625.
    """
    input_shape = tuple(input_shape)
    if len(input_shape) != 3:
        raise ValueError(
            "input_shape must be (height, width, channels) for a convolutional "
            f"encoder; received {input_shape}. Add a channel axis, or use mlp."
        )
    layers = [
        keras.layers.Conv2D(count, 5, strides=2, padding="same", activation="relu")
        for count in filters
    ]
    layers += [
        FeatureMapNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(output_dim),
    ]
    return keras.Sequential([keras.Input(input_shape), *layers])


@keras.saving.register_keras_serializable(package="keras_infomax")
class FeatureMapNormalization(keras.layers.Layer):
    """Normalises each example's whole feature map; one gain and bias a channel.

        output = gain * (inputs - mean) / (deviation + epsilon) + bias

    Mean and standard deviation are taken over height, width and channels together,
    for each example by itself: unlike batch normalisation, nothing leaks between the
    examples of a batch, which a contrastive bound could exploit. It lowers the
    variance of NWJ. `keras.layers.LayerNormalization(axis=[1, 2, 3])` would learn a
    gain for every position instead.

    Args:
        epsilon: Positive number added to the standard deviation, so that a constant
            map is not divided by zero.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Feature maps `(rows, height, width, channels)`.

    Returns:
        Tensor of the shape of `inputs`.

    Reference:
        Tschannen et al., 2020, section 3.3, https://arxiv.org/abs/1907.13625.
    """

    def __init__(self, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        channels = input_shape[-1]
        self.gain = self.add_weight((channels,), initializer="ones", name="gain")
        self.bias = self.add_weight((channels,), initializer="zeros", name="bias")

    def call(self, inputs):
        # Statistics overflow in half precision.
        maps = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        mean = ops.mean(maps, axis=(1, 2, 3), keepdims=True)
        variance = ops.mean(ops.square(maps - mean), axis=(1, 2, 3), keepdims=True)
        # The gradient of sqrt at 0 is infinite: a blank image would turn it to NaN.
        deviation = ops.sqrt(ops.maximum(variance, self.epsilon**2))
        normalized = (maps - mean) / (deviation + self.epsilon)
        return self.gain * ops.cast(normalized, self.compute_dtype) + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


ENCODERS = {"mlp": mlp, "convnet": convnet}


def get(name):
    """Returns the function that builds the encoder of this name.

    Args:
        name: `"mlp"` or `"convnet"`.

    Raises:
        ValueError: If the name is unknown; the message suggests the nearest one.

    Example:
    >>> get("mlp")((784,), output_dim=64).output_shape
    (None, 64)
    """
    return lookup("encoder", name, ENCODERS)
