"""Critics that compare two encodings directly, or through one matrix."""

import keras
import numpy as np
from keras import ops

from keras_infomax import checks
from keras_infomax.critics.base import Critic


@keras.saving.register_keras_serializable(package="keras_infomax")
class InnerProductCritic(Critic):
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

    gains_by_xla = True

    def check_widths(self, dim_x, dim_y):
        same_width(self, dim_x, dim_y, "an inner product")

    def call(self, x, y):
        return ops.matmul(x, ops.transpose(y))


@keras.saving.register_keras_serializable(package="keras_infomax")
class BilinearCritic(Critic):
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

    gains_by_xla = True

    def build_parameters(self, dim_x, dim_y):
        self.kernel = self.add_weight(
            shape=(dim_x, dim_y), initializer="glorot_uniform", name="kernel"
        )

    def call(self, x, y):
        return ops.matmul(ops.matmul(x, self.kernel), ops.transpose(y))


@keras.saving.register_keras_serializable(package="keras_infomax")
class CosineCritic(Critic):
    """Scores a pair by the cosine of the angle between its encodings; no parameters.

        scores[i, j] = x_i^T y_j / (|x_i| |y_j| temperature)

    Scores cannot leave `[-1 / temperature, 1 / temperature]`, so low temperatures are
    needed for high estimates.

    Args:
        temperature: Positive float. Defaults to 0.1.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim)`.
        y: Encodings `(columns, dim)`, as wide as those of x.

    Returns:
        Scores `(rows, columns)`.

    Raises:
        ValueError: If the encodings differ in width, or the temperature is not
            positive.

    Example:
    >>> scores = CosineCritic(temperature=0.5)(ops.ones((3, 8)), ops.ones((5, 8)))
    >>> round(float(scores[0, 0]), 4)
    2.0

    Reference:
        Tian et al., 2019, "Contrastive Multiview Coding", section 3.2,
        https://arxiv.org/abs/1906.05849.
    """

    gains_by_xla = True

    def __init__(self, temperature=0.1, **kwargs):
        super().__init__(**kwargs)
        self.temperature = checks.positive_number(
            "temperature", temperature, advice="Published values lie in 0.05 to 1."
        )

    def check_widths(self, dim_x, dim_y):
        same_width(self, dim_x, dim_y, "a cosine")

    def call(self, x, y):
        x, y = _unit(x), _unit(y)
        return ops.matmul(x, ops.transpose(y)) / self.temperature

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable(package="keras_infomax")
class DistanceCritic(Critic):
    """Scores a pair by the negated distance of its encodings; no parameters.

        scores[i, j] = -|x_i - y_j|^2, or -|x_i - y_j| if not squared

    Args:
        squared: Whether the distance is squared. Without the square, its gradient
            is taken as zero where both encodings are equal, up to rounding.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim)`.
        y: Encodings `(columns, dim)`, as wide as those of x.

    Returns:
        Scores `(rows, columns)`, none above 0.

    Raises:
        ValueError: If the encodings differ in width.

    Example:
    >>> x, y = ops.ones((1, 4)), ops.zeros((1, 4))
    >>> float(DistanceCritic()(x, y)[0, 0])
    -4.0
    >>> float(DistanceCritic(squared=False)(x, y)[0, 0])
    -2.0

    Reference:
        Schroff et al., 2015, "FaceNet", section 3.1,
        https://arxiv.org/abs/1503.03832.
    """

    gains_by_xla = True

    def __init__(self, squared=True, **kwargs):
        super().__init__(**kwargs)
        self.squared = checks.boolean("squared", squared)

    def check_widths(self, dim_x, dim_y):
        same_width(self, dim_x, dim_y, "a distance")

    def call(self, x, y):
        # In half precision the squares overflow, or their difference is rounding.
        dtype = keras.backend.result_type(x.dtype, "float32")
        x, y = ops.cast(x, dtype), ops.cast(y, dtype)
        squares_x = ops.sum(ops.square(x), axis=1)[:, None]
        squares_y = ops.sum(ops.square(y), axis=1)[None, :]
        total = squares_x + squares_y
        # Rounding may leave a tiny negative square where both encodings are equal.
        distances = ops.relu(total - 2.0 * ops.matmul(x, ops.transpose(y)))
        if not self.squared:
            # The root of what may be rounding alone would have a huge gradient.
            known = distances > 4 * np.finfo(dtype).eps * total
            roots = ops.sqrt(ops.where(known, distances, 1.0))
            distances = ops.where(known, roots, 0.0)
        return -ops.cast(distances, self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "squared": self.squared}


def same_width(critic, dim_x, dim_y, operation):
    """Raises a `ValueError` unless both encodings have one width.

    Args:
        critic: The critic, for its name.
        dim_x: Size of the encodings x.
        dim_y: Size of the encodings y.
        operation: What needs it, for the message.
    """
    if dim_x != dim_y:
        raise ValueError(
            f"{critic.name}: x and y must have encodings of one width for {operation}; "
            f"received {dim_x} and {dim_y}. Give both encoders the same output_dim, or "
            "use BilinearCritic."
        )


def _unit(vectors):
    """Vectors of length 1; in half precision their squares would vanish or overflow."""
    wide = ops.cast(vectors, keras.backend.result_type(vectors.dtype, "float32"))
    return ops.cast(ops.normalize(wide, axis=-1), vectors.dtype)
