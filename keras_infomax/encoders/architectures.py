"""Encoders: the architectures of the paper, as ordinary Keras models.

Any Keras model or layer that maps a view to encodings `(rows, dim)` is an encoder;
these are the paper's, in its sizes.
"""

import functools
import inspect

import keras

from keras_infomax import checks
from keras_infomax.checks import lookup
from keras_infomax.encoders import flows, loading, signals, sources, tables, texts
from keras_infomax.encoders.normalization import FeatureMapNormalization


def mlp(input_shape, hidden_units=(300, 300), output_dim=100):
    """Multilayer perceptron with ReLU hidden layers and a linear output.

    Args:
        input_shape: Shape of a view without the rows, of any rank; it is flattened.
        hidden_units: Sizes of the hidden layers.
        output_dim: Size of the encoding.

    Returns:
        `keras.Model` mapping `(rows, *input_shape)` to `(rows, output_dim)`.

    Raises:
        ValueError: If `input_shape` is no static shape, or a size is not a positive
            integer.

    Example:
    >>> mlp((14, 28, 1)).count_params()
    238300

    Reference:
        Tschannen et al., 2020, section 3.2, https://arxiv.org/abs/1907.13625.
    """
    views = keras.Input(_static_shape("mlp", input_shape))
    layers = [keras.layers.Flatten()]
    for units in checks.sizes("hidden_units", hidden_units):
        layers += [keras.layers.Dense(units, activation="relu")]
    layers += [keras.layers.Dense(checks.positive_integer("output_dim", output_dim))]
    return keras.Sequential([views, *layers])


def convnet(input_shape, filters=(64, 128), output_dim=100):
    """Convolutions of 5 x 5 and stride 2, normalization, mean pooling, linear output.

    Args:
        input_shape: `(height, width, channels)` of a view.
        filters: Channels of each convolution, which all use ReLU.
        output_dim: Size of the encoding.

    Returns:
        `keras.Model` mapping `(rows, *input_shape)` to `(rows, output_dim)`.

    Raises:
        ValueError: If `input_shape` is not `(height, width, channels)`, or a size is
            not a positive integer.

    Example:
    >>> convnet((14, 28, 1)).count_params()
    219748

    Reference:
        Tschannen et al., 2020, section 3.3, https://arxiv.org/abs/1907.13625.
    """
    input_shape = checks.view_shape(
        "input_shape",
        input_shape,
        rank=3,
        expected="(height, width, channels) for a convolutional encoder",
        advice="Add a channel axis, or use mlp.",
    )
    if input_shape[-1] is None:
        raise ValueError(
            "input_shape must have a static number of channels; received "
            f"{input_shape}. Write, for example, input_shape=(None, None, 3)."
        )
    layers = [
        keras.layers.Conv2D(count, 5, strides=2, padding="same", activation="relu")
        for count in checks.sizes("filters", filters)
    ]
    layers += [
        FeatureMapNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(checks.positive_integer("output_dim", output_dim)),
    ]
    return keras.Sequential([keras.Input(input_shape), *layers])


def realnvp(
    input_shape,
    hidden_units=(512, 512),
    output_dim=None,
    couplings=30,
    affine=False,
    seed=None,
):
    """Bijection: an encoder that cannot lose information, whatever it learns.

    Args:
        input_shape: Shape of a view without the rows, of any rank; it is flattened.
        hidden_units: Sizes of the hidden layers of each coupling's perceptron.
        output_dim: `None`, or the size of the flattened view.
        couplings: Number of coupling layers.
        affine: Whether the couplings scale, or only shift.
        seed: Integer from which the permutations are drawn.

    Returns:
        Built `flows.RealNVP`, a `keras.Model` mapping `(rows, *input_shape)` to
        `(rows, size of the flattened view)`, with the methods `inverse` and
        `log_det_jacobian`.

    Raises:
        ValueError: If `output_dim` is not the size of the flattened view, or an
            argument is not one that `flows.RealNVP` takes.

    Example:
    >>> encoder = realnvp((14, 28, 1), couplings=2)
    >>> encoder.inverse(encoder(keras.ops.ones((3, 14, 28, 1)))).shape
    TensorShape([3, 14, 28, 1])

    Reference:
        Tschannen et al., 2020, section 3.1, https://arxiv.org/abs/1907.13625.
    """
    flow = flows.RealNVP(couplings, hidden_units, affine, seed)
    flow.build((None, *_static_shape("realnvp", input_shape)))
    _check_keeps_size("realnvp", flow.output_shape[-1], output_dim)
    return flow


def skip_mlp(input_shape, hidden_layers=4, output_dim=None):
    """Multilayer perceptron that starts as the identity and may learn to lose.

        h <- relu(W h + b) + h    for each hidden layer
        h <- W h + b + h          for the output

    Every layer is as wide as the flattened view. At initialization the kernels are
    tiny (standard deviation 0.0001) and the biases 0, so that the encoder is nearly the
    identity, which is invertible; how far training takes it from there, the condition
    number of its Jacobian tells.

    Args:
        input_shape: Shape of a view without the rows, of any rank; it is flattened.
        hidden_layers: Number of hidden layers.
        output_dim: `None`, or the size of the flattened view.

    Returns:
        `keras.Model` mapping `(rows, *input_shape)` to
        `(rows, size of the flattened view)`.

    Raises:
        ValueError: If `output_dim` is not the size of the flattened view, or
            `hidden_layers` is not an integer of at least 0.

    Example:
    >>> skip_mlp((14, 28, 1)).count_params()
    770280

    Reference:
        Tschannen et al., 2020, section 3.1, https://arxiv.org/abs/1907.13625.
    """
    hidden_layers = checks.integer(
        "hidden_layers",
        hidden_layers,
        least=0,
        example=4,
        advice="The layers of skip_mlp are all as wide as the view: give their number, "
        "not their sizes.",
    )
    views = keras.Input(_static_shape("skip_mlp", input_shape))
    h = keras.layers.Flatten()(views)
    _check_keeps_size("skip_mlp", h.shape[-1], output_dim)
    for activation in [*["relu"] * hidden_layers, None]:
        layer = keras.layers.Dense(
            h.shape[-1],
            activation=activation,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=1e-4),
        )
        h = keras.layers.Add()([layer(h), h])
    return keras.Model(views, h)


def _static_shape(name, input_shape):
    input_shape = checks.view_shape("input_shape", input_shape)
    if None in input_shape:
        raise ValueError(
            f"input_shape must be static for {name}, which flattens the view; received "
            f"{input_shape}. Resize the views to one size, or use convnet."
        )
    return input_shape


def _check_keeps_size(name, size, output_dim):
    if checks.positive_integer("output_dim", output_dim, size, optional=True) not in (
        None,
        size,
    ):
        raise ValueError(
            f"output_dim must be None or {size}, the size of the flattened view, which "
            f"{name} keeps; received {output_dim}. Leave it out, or use mlp."
        )


ENCODERS = {
    "mlp": mlp,
    "convnet": convnet,
    "convnet_1d": signals.convnet_1d,
    "causal_convnet": signals.causal_convnet,
    "table": tables.table,
    "tokens": texts.tokens,
    "realnvp": realnvp,
    "realnvp_affine": functools.partial(realnvp, affine=True),
    "skip_mlp": skip_mlp,
}


def get(identifier):
    """Returns the function that builds an encoder.

    Args:
        identifier: `"mlp"`, `"convnet"`, `"convnet_1d"` and `"causal_convnet"` (of
            signals), `"table"`, `"tokens"`, `"realnvp"`, `"realnvp_affine"`,
            `"skip_mlp"`; what `pretrained` takes, a path or address; or a function as
            those, which is returned as it is.

    Raises:
        ValueError: If the name is unknown; the message suggests the nearest one.

    Example:
    >>> get("mlp")((784,), output_dim=64).output_shape
    (None, 64)
    """
    is_class = isinstance(identifier, type)
    # A model can be called, too, but with views and not with their shape.
    is_layer = issubclass(identifier if is_class else type(identifier), keras.Layer)
    if callable(identifier) and is_class == is_layer:
        return identifier
    if sources.is_source(identifier):
        return loading.builder(identifier)
    return lookup("encoder", identifier, ENCODERS)


def build(identifier, input_shape, units=None, output_dim=None, categories=None):
    """Returns an encoder of views of this shape.

    Args:
        identifier: As for `get`.
        input_shape: Shape of a view without the rows; for `"table"` also a dictionary.
        units: Sizes of the hidden layers, or filters; `None` for the encoder's own.
        output_dim: Size of the encoding; `None` for the encoder's own.
        categories: How many values each column of categories has, for an encoder that
            takes such an argument, as `"table"` does; others do without.

    Raises:
        ValueError: If the name is unknown, or the encoder cannot have such sizes.

    Example:
    >>> build("convnet", (14, 28, 1), units=(8, 16), output_dim=32).output_shape
    (None, 32)
    """
    units = checks.units("units", units)
    checks.positive_integer("output_dim", output_dim, 100, optional=True)
    categories = checks.sizes("categories", categories, optional=True)
    make = get(identifier)
    sizes = () if units is None else (units,)
    options = {} if output_dim is None else {"output_dim": output_dim}
    of_structures = "categories" in inspect.signature(make).parameters
    if of_structures:
        options["categories"] = categories
    elif isinstance(input_shape, dict):
        raise ValueError(
            f"input_shape must be one shape for the encoder {identifier!r}; received "
            f"{input_shape}. Rows of tables with categories take the encoder 'table'."
        )
    else:
        input_shape = checks.view_shape("input_shape", input_shape)
    return make(input_shape, *sizes, **options)
