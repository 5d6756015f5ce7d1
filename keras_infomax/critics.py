"""Critics: layers that score every x against every y.

A critic is called as `critic(x, y)` with encodings `(rows, dim_x)` and
`(columns, dim_y)` and returns scores `(rows, columns)`; rows and columns may differ.
Every critic meets every bound. The sizes of the paper are the defaults.
"""

import keras
from keras import ops

from keras_infomax.names import lookup


class _Critic(keras.layers.Layer):
    """What all critics share: the contract of shapes, checked when built."""

    def build(self, x_shape, y_shape):
        for argument, shape in (("x", x_shape), ("y", y_shape)):
            if len(shape) != 2 or shape[-1] is None:
                raise ValueError(
                    f"{self.name}: {argument} must be encodings of shape (rows, dim) "
                    f"with a static dim; received shape {tuple(shape)}. End the "
                    "encoder with a pooling, Flatten or Dense layer."
                )
        self.build_parameters(x_shape[-1], y_shape[-1])

    def build_parameters(self, dim_x, dim_y):
        """Makes the weights for encodings of these sizes."""

    def compute_output_shape(self, x_shape, y_shape):
        return (x_shape[0], y_shape[0])


@keras.saving.register_keras_serializable(package="keras_infomax")
class InnerProductCritic(_Critic):
    """Scores a pair by the inner product of its encodings; no parameters.

        scores[i, j] = x_i^T y_j

    The strictest critic: both encodings must live in one space. With a shared
    encoder, InfoNCE then equals the multi-class K-pair loss up to `log(columns)`.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim)`.
        y: Encodings `(columns, dim)`, as wide as those of x.

    Returns:
        Scores `(rows, columns)`.

    Raises:
        ValueError: If the encodings differ in width.

    Reference:
        Sohn, 2016, "Improved Deep Metric Learning with Multi-class N-pair Loss
        Objective"; Tschannen et al., 2020, section 4.
    """

    def build_parameters(self, dim_x, dim_y):
        if dim_x != dim_y:
            raise ValueError(
                f"{self.name}: x and y must have encodings of one width for an inner "
                f"product; received {dim_x} and {dim_y}. Give both encoders the same "
                "output_dim, or use BilinearCritic."
            )

    def call(self, x, y):
        return ops.matmul(x, ops.transpose(y))


@keras.saving.register_keras_serializable(package="keras_infomax")
class BilinearCritic(_Critic):
    """Scores a pair by a bilinear form: one matrix, no bias.

        scores[i, j] = x_i^T W y_j

    The default: in the paper it gives the best representations, at the loosest
    bound. Costs `dim_x * dim_y` parameters.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim_x)`.
        y: Encodings `(columns, dim_y)`.

    Returns:
        Scores `(rows, columns)`.

    Example:
    >>> BilinearCritic()(ops.ones((3, 8)), ops.ones((5, 4))).shape
    TensorShape([3, 5])

    Reference:
        Tschannen et al., 2020, section 3.2, https://arxiv.org/abs/1907.13625.
    """

    def build_parameters(self, dim_x, dim_y):
        self.kernel = self.add_weight(
            shape=(dim_x, dim_y), initializer="glorot_uniform", name="kernel"
        )

    def call(self, x, y):
        return ops.matmul(ops.matmul(x, self.kernel), ops.transpose(y))


@keras.saving.register_keras_serializable(package="keras_infomax")
class SeparableCritic(_Critic):
    """Scores a pair by the inner product of two learned maps, one for each side.

        scores[i, j] = phi_x(x_i)^T phi_y(y_j)

    Each map is a multilayer perceptron with ReLU hidden layers and a linear output.

    Args:
        hidden_units: Sizes of the hidden layers of each map. Empty: linear maps.
        output_dim: Size of the space in which the inner product is taken.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim_x)`.
        y: Encodings `(columns, dim_y)`.

    Returns:
        Scores `(rows, columns)`.

    Raises:
        ValueError: If a size is not a positive integer.

    Reference:
        Tschannen et al., 2020, section 3.2, https://arxiv.org/abs/1907.13625.
    """

    def __init__(self, hidden_units=(100,), output_dim=100, **kwargs):
        super().__init__(**kwargs)
        self.hidden_units = _sizes("hidden_units", hidden_units)
        (self.output_dim,) = _sizes("output_dim", (output_dim,))
        self.map_x = self._dense_layers()
        self.map_y = self._dense_layers()

    def _dense_layers(self):
        hidden = [_dense(self, units, "relu") for units in self.hidden_units]
        return [*hidden, _dense(self, self.output_dim)]

    def build_parameters(self, dim_x, dim_y):
        _build_chain(self.map_x, dim_x)
        _build_chain(self.map_y, dim_y)

    def call(self, x, y):
        for layer_x, layer_y in zip(self.map_x, self.map_y, strict=True):
            x, y = layer_x(x), layer_y(y)
        return ops.matmul(x, ops.transpose(y))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "output_dim": self.output_dim,
        }


@keras.saving.register_keras_serializable(package="keras_infomax")
class MLPCritic(_Critic):
    """Scores a pair by a multilayer perceptron on the concatenated encodings.

        scores[i, j] = mlp([x_i; y_j])

    The most flexible critic: in the paper the tightest bound and the worst
    representation. It costs `rows * columns * hidden_units[0]` numbers of memory. The
    first layer is applied to x and to y apart and summed over pairs,
    `relu(W_x x_i + W_y y_j + b)`, so the larger tensor of all concatenated pairs never
    exists.

    Args:
        hidden_units: Sizes of the ReLU hidden layers, at least one.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim_x)`.
        y: Encodings `(columns, dim_y)`.

    Returns:
        Scores `(rows, columns)`.

    Raises:
        ValueError: If there is no hidden layer, or a size is not a positive integer.

    Reference:
        Tschannen et al., 2020, section 3.2, https://arxiv.org/abs/1907.13625.
    """

    def __init__(self, hidden_units=(200,), **kwargs):
        super().__init__(**kwargs)
        self.hidden_units = _sizes("hidden_units", hidden_units)
        if not self.hidden_units:
            raise ValueError(
                "hidden_units must name at least one hidden layer; received (). "
                "Without one the score would be a sum of a function of x and one of y, "
                "which cannot tell pairs apart."
            )
        first, *rest = self.hidden_units
        self.first = _dense(self, first)
        self.rest = [*(_dense(self, units, "relu") for units in rest), _dense(self, 1)]

    def build_parameters(self, dim_x, dim_y):
        # One kernel for the concatenated pair, so that it is initialised as such.
        self.first.build((None, dim_x + dim_y))
        self.dim_x = dim_x
        _build_chain(self.rest, self.hidden_units[0])

    def call(self, x, y):
        kernel_x = self.first.kernel[: self.dim_x]
        kernel_y = self.first.kernel[self.dim_x :]
        from_x = ops.matmul(x, kernel_x) + self.first.bias
        from_y = ops.matmul(y, kernel_y)
        pairs = ops.relu(from_x[:, None, :] + from_y[None, :, :])
        for layer in self.rest:
            pairs = layer(pairs)
        return ops.squeeze(pairs, axis=-1)

    def get_config(self):
        return {**super().get_config(), "hidden_units": self.hidden_units}


CRITICS = {
    "inner_product": InnerProductCritic,
    "bilinear": BilinearCritic,
    "separable": SeparableCritic,
    "mlp": MLPCritic,
}


def get(identifier, **options):
    """Returns a critic from a layer or a name.

    Args:
        identifier: A Keras layer, which is returned as it is, or `"inner_product"`,
            `"bilinear"`, `"separable"` or `"mlp"`.
        **options: Arguments of the named critic's constructor.

    Raises:
        ValueError: If the name is unknown; the message suggests the nearest one.

    Example:
    >>> get("mlp", hidden_units=(64,)).hidden_units
    (64,)
    """
    if isinstance(identifier, keras.layers.Layer):
        return identifier
    return lookup("critic", identifier, CRITICS)(**options)


def _dense(critic, units, activation=None):
    return keras.layers.Dense(units, activation=activation, dtype=critic.dtype_policy)


def _build_chain(layers, dim):
    for layer in layers:
        layer.build((None, dim))
        dim = layer.units


def _sizes(argument, sizes):
    sizes = tuple(sizes)
    if any(not isinstance(size, int) or size < 1 for size in sizes):
        raise ValueError(
            f"{argument} must be positive integers; received {sizes}. Give one size "
            "for each layer."
        )
    return sizes
