"""A critic that maps each encoding to a wide space, with a linear shortcut."""

import keras
from keras import ops

from keras_infomax import backends, checks
from keras_infomax.critics.base import Critic, dense


@keras.saving.register_keras_serializable(package="keras_infomax")
class EncodeAndDotCritic(Critic):
    """Scores a pair by the inner product of two residual maps, one for each side.

        scores[i, j] = phi_x(x_i)^T phi_y(y_j)
        phi(h) = layer_norm(W_2 relu(batch_norm(W_1 h)) + b_2 + W_3 h + b_3)

    This is the encode-and-dot critic of DeepInfoMax. The shortcut W_3 starts near the
    identity, so that at first the encodings themselves are compared. For encodings with
    locations, the matrices are the 1 x 1 convolutions of the paper. The memory is
    `(rows + columns) * units` numbers; an `MLPCritic` (the paper's concat-and-convolve)
    takes `rows * columns * hidden_units`.

    Scores can be as large as `units`, and exponentials of such scores overflow in NWJ.
    Use few units there, or a bound that does not overflow, such as InfoNCE or
    Jensen-Shannon.

    Args:
        units: Size of the space of the inner product. It should be at least the size of
            the encodings, so that the shortcut can keep all of them.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim_x)`.
        y: Encodings `(columns, dim_y)`.
        training: Whether batch normalization uses the statistics of the batch.

    Returns:
        Scores `(rows, columns)`, between `-units` and `units` at first.

    Raises:
        ValueError: If `units` is not a positive integer.

    Example:
    >>> EncodeAndDotCritic(units=16)(ops.ones((3, 8)), ops.ones((5, 4))).shape
    TensorShape([3, 5])

    Reference:
        Hjelm et al., 2019, "Learning deep representations by mutual information
        estimation and maximization", section 3.2 and appendix A,
        https://arxiv.org/abs/1808.06670; the widths and normalizations of its
        published code.
    """

    def __init__(self, units=2048, **kwargs):
        super().__init__(**kwargs)
        self.units = checks.positive_integer("units", units)
        self.map_x = _ResidualMap(self.units, dtype=self.dtype_policy)
        self.map_y = _ResidualMap(self.units, dtype=self.dtype_policy)

    def build_parameters(self, dim_x, dim_y):
        self.map_x.build((None, dim_x))
        self.map_y.build((None, dim_y))

    def call(self, x, y, training=None):
        x, y = self.map_x(x, training=training), self.map_y(y, training=training)
        return ops.matmul(x, ops.transpose(y))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class _ResidualMap(keras.layers.Layer):
    """One side of `EncodeAndDotCritic`: `(rows, dim)` to `(rows, units)`."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        options = {"dtype": self.dtype_policy}
        self.hidden = keras.layers.Dense(units, use_bias=False, **options)
        self.hidden_normalization = keras.layers.BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            # On other backends it always sees the global batch.
            synchronized=backends.is_tensorflow(),
            **options,
        )
        self.residual = dense(self, units)
        self.shortcut = keras.layers.Dense(
            units, kernel_initializer=NearIdentity(), **options
        )
        self.normalization = keras.layers.LayerNormalization(epsilon=1e-5, **options)

    def build(self, input_shape):
        wide = (None, self.residual.units)
        self.hidden.build(input_shape)
        self.hidden_normalization.build(wide)
        self.residual.build(wide)
        self.shortcut.build(input_shape)
        self.normalization.build(wide)

    def call(self, inputs, training=None):
        hidden = self.hidden_normalization(self.hidden(inputs), training=training)
        residual = self.residual(ops.relu(hidden))
        return self.normalization(residual + self.shortcut(inputs))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.residual.units)


def _seed(seed):
    """The seed of an initializer, which may be a generator of Keras."""
    # In a config, a generator is a dictionary.
    is_config = isinstance(seed, dict) and "class_name" in seed
    if is_config or isinstance(seed, keras.random.SeedGenerator):
        return seed
    return checks.seed("seed", seed, optional=True)


@keras.saving.register_keras_serializable(package="keras_infomax")
class NearIdentity(keras.initializers.RandomUniform):
    """Initializer with ones on the diagonal and noise in [-0.01, 0.01] elsewhere.

    Args:
        seed: Integer, or `None`.

    Call arguments:
        shape: Shape of a kernel `(..., inputs, outputs)`.
        dtype: Dtype.

    Returns:
        Tensor of this shape.

    Example:
    >>> kernel = NearIdentity(seed=0)((2, 3))
    >>> float(kernel[1, 1]), abs(float(kernel[1, 2])) <= 0.01
    (1.0, True)

    Reference:
        The published code of Hjelm et al., 2019, and of Bachman et al., 2019.
    """

    def __init__(self, seed=None):
        super().__init__(-0.01, 0.01, _seed(seed))

    def __call__(self, shape, dtype=None):
        noise = super().__call__(shape, dtype)
        diagonal = ops.eye(shape[-2], shape[-1], dtype="bool")
        return ops.where(diagonal, ops.ones_like(noise), noise)

    def get_config(self):
        return {"seed": super().get_config()["seed"]}
