"""Critics that compare two encodings directly or by one matrix."""

import math

import keras
import numpy as np
from keras import ops

from keras_infomax import checks
from keras_infomax.critics.base import Critic
from keras_infomax.encoders.directions import unit


@keras.saving.register_keras_serializable(package="keras_infomax")
class InnerProductCritic(Critic):
    """Scores a pair by the inner product of its encodings; no parameters.

        scores[i, j] = x_i^T y_j

    It is the most restrictive critic: both encodings must be in the same space. With a
    shared encoder, InfoNCE equals the multi-class K-pair loss up to `log(columns)`.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim)`.
        y: Encodings `(columns, dim)`, of the same size as x.

    Returns:
        Scores `(rows, columns)`.

    Raises:
        ValueError: If the encodings have different sizes.

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

    This is the default critic. In the paper it gives the best representations, with the
    loosest bound. It has `dim_x * dim_y` parameters.

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
    """Scores a pair by the cosine of the angle between its encodings.

        scores[i, j] = x_i^T y_j / (|x_i| |y_j| temperature) + bias

    Scores lie in `[bias - 1 / temperature, bias + 1 / temperature]`, so high estimates
    need a low temperature. The temperature may be learned: the parameter is the
    logarithm of the scale 1 / temperature, which is limited to [0, log(100)] as in
    CLIP. A bias is always learned. It does not change bounds that normalize rows, but
    the loss `SigLIP` needs it. By name: `"clip"` learns a temperature that starts at
    0.07, `"siglip"` one that starts at 0.1, and a bias that starts at -10.

    Args:
        temperature: Positive float. Defaults to 0.1.
        learned_temperature: Whether the temperature is learned, starting from this
            value, which must then lie in [0.01, 1].
        bias: Initial value of the bias. Defaults to `None`, no bias.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim)`.
        y: Encodings `(columns, dim)`, of the same size as x.

    Returns:
        Scores `(rows, columns)`.

    Raises:
        ValueError: If the encodings have different sizes, or the temperature is not
            positive or not a valid initial value.

    Example:
    >>> scores = CosineCritic(temperature=0.5)(ops.ones((3, 8)), ops.ones((5, 8)))
    >>> round(float(scores[0, 0]), 4)
    2.0

    Reference:
        Tian et al., 2019, "Contrastive Multiview Coding", section 3.2,
        https://arxiv.org/abs/1906.05849. On the learned temperature: Radford et al.,
        2021, "Learning Transferable Visual Models From Natural Language Supervision",
        section 2.5, https://arxiv.org/abs/2103.00020; on the bias: Zhai et al., 2023,
        "Sigmoid Loss for Language Image Pre-Training", section 3.2,
        https://arxiv.org/abs/2303.15343.
    """

    gains_by_xla = True

    def __init__(self, temperature=0.1, learned_temperature=False, bias=None, **kwargs):
        super().__init__(**kwargs)
        advice = "Published values lie in 0.05 to 1."
        self.temperature = checks.positive_number(
            "temperature", temperature, advice=advice
        )
        self.learned_temperature = checks.boolean(
            "learned_temperature", learned_temperature
        )
        if self.learned_temperature and not 0.01 <= self.temperature <= 1:
            raise checks.refusal(
                "temperature", "in [0.01, 1] if it is learned", temperature, advice
            )
        self.bias = checks.number(
            "bias", bias, "a finite number", math.isfinite, -10.0, optional=True
        )

    def check_widths(self, dim_x, dim_y):
        same_width(self, dim_x, dim_y, "a cosine")

    def build_parameters(self, dim_x, dim_y):
        # In half precision a scale of 100 would have only two digits.
        options = {"shape": (), "autocast": False}
        if self.learned_temperature:
            self.log_scale = self.add_weight(
                initializer=keras.initializers.Constant(-math.log(self.temperature)),
                constraint=LogScale(),
                name="log_scale",
                **options,
            )
        if self.bias is not None:
            self.learned_bias = self.add_weight(
                initializer=keras.initializers.Constant(self.bias),
                name="bias",
                **options,
            )

    def call(self, x, y):
        x, y = (ops.cast(unit(v), v.dtype) for v in (x, y))
        cosines = ops.matmul(x, ops.transpose(y))
        if not self.learned_temperature and self.bias is None:
            return cosines / self.temperature
        wide = keras.backend.result_type(cosines.dtype, "float32")
        scores = ops.cast(cosines, wide)
        if self.learned_temperature:
            scores = scores * ops.exp(ops.cast(self.log_scale, wide))
        else:
            scores = scores / self.temperature
        if self.bias is not None:
            scores = scores + ops.cast(self.learned_bias, wide)
        return ops.cast(scores, self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "learned_temperature": self.learned_temperature,
            "bias": self.bias,
        }


@keras.saving.register_keras_serializable(package="keras_infomax")
class LogScale(keras.constraints.Constraint):
    """Limits the logarithm of a scale to [0, log(100)], as in CLIP.

    Reference:
        Radford et al., 2021, "Learning Transferable Visual Models From Natural Language
        Supervision", section 2.5, https://arxiv.org/abs/2103.00020.
    """

    def __call__(self, w):
        return ops.clip(w, 0.0, math.log(100.0))


@keras.saving.register_keras_serializable(package="keras_infomax")
class DistanceCritic(Critic):
    """Scores a pair by the negated distance of its encodings; no parameters.

        scores[i, j] = -|x_i - y_j|^2, or -|x_i - y_j| if not squared

    Args:
        squared: Whether the distance is squared. Without the square, the gradient is
            zero for encodings that are equal up to rounding.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim)`.
        y: Encodings `(columns, dim)`, of the same size as x.

    Returns:
        Scores `(rows, columns)`, none above 0.

    Raises:
        ValueError: If the encodings have different sizes.

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
        # In half precision squares overflow, or rounding dominates their difference.
        dtype = keras.backend.result_type(x.dtype, "float32")
        x, y = ops.cast(x, dtype), ops.cast(y, dtype)
        squares_x = ops.sum(ops.square(x), axis=1)[:, None]
        squares_y = ops.sum(ops.square(y), axis=1)[None, :]
        total = squares_x + squares_y
        # For equal encodings, rounding may give a tiny negative square.
        distances = ops.relu(total - 2.0 * ops.matmul(x, ops.transpose(y)))
        if not self.squared:
            # The root of a rounding error would have a huge gradient.
            known = distances > 4 * np.finfo(dtype).eps * total
            roots = ops.sqrt(ops.where(known, distances, 1.0))
            distances = ops.where(known, roots, 0.0)
        return -ops.cast(distances, self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "squared": self.squared}


def same_width(critic, dim_x, dim_y, operation):
    """Raises a `ValueError` unless both encodings have the same size.

    Args:
        critic: The critic, for its name.
        dim_x: Size of the encodings x.
        dim_y: Size of the encodings y.
        operation: The operation that needs it, for the message.
    """
    if dim_x != dim_y:
        raise ValueError(
            f"{critic.name}: x and y must have encodings of the same size for "
            f"{operation}; received {dim_x} and {dim_y}. Give both encoders the same "
            "output_dim, or use BilinearCritic."
        )
