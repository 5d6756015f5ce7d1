"""Encoders of signals `(rows, steps, channels)`: convolutions over time."""

import keras

from keras_infomax import checks
from keras_infomax.encoders.normalization import FeatureMapNormalization


def convnet_1d(input_shape, filters=(64, 128), output_dim=100, kernel_size=5):
    """Convolutions over time of stride 2, normalization, mean pooling, linear output.

    What `convnet` is for images. It sees all of the signal, and how often something
    happens in it rather than when.

    Args:
        input_shape: `(steps, channels)` of a view; `None` for steps of any number.
        filters: Channels of each convolution, which all use ReLU.
        output_dim: Size of the encoding.
        kernel_size: Steps that a convolution sees.

    Returns:
        `keras.Model` mapping `(rows, steps, channels)` to `(rows, output_dim)`.

    Raises:
        ValueError: If `input_shape` is not `(steps, channels)`, or a size is not a
            positive integer.

    Example:
    >>> convnet_1d((100, 6)).output_shape
    (None, 100)
    """
    input_shape = _signal_shape(input_shape)
    kernel_size = checks.positive_integer("kernel_size", kernel_size, 5)
    layers = [
        keras.layers.Conv1D(
            count, kernel_size, strides=2, padding="same", activation="relu"
        )
        for count in checks.sizes("filters", filters)
    ]
    layers += [
        FeatureMapNormalization(),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(checks.positive_integer("output_dim", output_dim)),
    ]
    return keras.Sequential([keras.Input(input_shape), *layers])


def causal_convnet(input_shape, filters=(64, 64, 64), output_dim=100, kernel_size=3):
    """Causal convolutions, each seeing twice as far back, and the state they end in.

    A state sees its own step and those before, `1 + (kernel_size - 1) (2^layers - 1)`
    of them. The encoding is a linear map of the last state, so that it is what is known
    at the end of the signal; a signal that goes on has the states that it had.

    Args:
        input_shape: `(steps, channels)` of a view; `None` for steps of any number.
        filters: Channels of each convolution, which all use ReLU, and a shortcut.
        output_dim: Size of the encoding.
        kernel_size: Steps that a convolution sees, as far apart as its dilation.

    Returns:
        `keras.Model` mapping `(rows, steps, channels)` to `(rows, output_dim)`.

    Raises:
        ValueError: If `input_shape` is not `(steps, channels)`, or a size is not a
            positive integer.

    Example:
    >>> causal_convnet((100, 6), filters=(32, 32)).output_shape
    (None, 100)

    Reference:
        Bai et al., 2018, "An Empirical Evaluation of Generic Convolutional and
        Recurrent Networks for Sequence Modeling", section 3,
        https://arxiv.org/abs/1803.01271.
    """
    view = states = keras.Input(_signal_shape(input_shape))
    kernel_size = checks.positive_integer("kernel_size", kernel_size, 3)
    for layer, count in enumerate(checks.sizes("filters", filters)):
        convolved = keras.layers.Conv1D(
            count,
            kernel_size,
            dilation_rate=2**layer,
            padding="causal",
            activation="relu",
        )(states)
        if states.shape[-1] != count:
            states = keras.layers.Conv1D(count, 1)(states)
        states = keras.layers.Add()([convolved, states])
    output_dim = checks.positive_integer("output_dim", output_dim)
    return keras.Model(view, keras.layers.Dense(output_dim)(LastStep()(states)))


@keras.saving.register_keras_serializable(package="keras_infomax")
class LastStep(keras.layers.Layer):
    """Takes the last step of each sequence.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        sequences: Tensor `(rows, steps, channels)`.

    Returns:
        Tensor `(rows, channels)`.

    Example:
    >>> LastStep()(keras.ops.ones((8, 100, 3))).shape
    TensorShape([8, 3])
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def call(self, sequences):
        return sequences[:, -1]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


def _signal_shape(input_shape):
    input_shape = checks.view_shape(
        "input_shape",
        input_shape,
        rank=2,
        example=(100, 3),
        expected="(steps, channels) for an encoder of signals",
        advice="Add a channel axis, or use mlp.",
    )
    if input_shape[-1] is None:
        raise ValueError(
            "input_shape must have a static number of channels; received "
            f"{input_shape}. Write, for example, input_shape=(None, 3)."
        )
    return input_shape
