"""The Lab color space, and lightness and colors of an image as views."""

import keras
from keras import ops

from keras_infomax import checks

# Linear sRGB to XYZ (IEC 61966-2-1); the row sums are white, D65.
_XYZ_OF_RGB = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
# The a and b of sRGB colors lie between -108 and 99.
_LARGEST_CHROMA = 110.0

_SCALE = "Scale pixels with datasets.to_float; gray images have no Lab views."


def rgb_to_lab(images):
    """Converts sRGB colors to CIE Lab under the white D65 (2 degree observer).

        v = c / 12.92 if c <= 0.04045, else ((c + 0.055) / 1.055)^2.4
        (X, Y, Z) = matrix (v_red, v_green, v_blue), divided by those of white
        f(t) = t^(1/3) if t > (6/29)^3, else t / (3 (6/29)^2) + 4/29
        L = 116 f(Y) - 16,  a = 500 (f(X) - f(Y)),  b = 200 (f(Y) - f(Z))

    Args:
        images: Float tensor `(..., 3)`, sRGB in [0, 1]. Half precision is computed
            in float32.

    Returns:
        Tensor `(..., 3)`: L in [0, 100], a and b between -108 and 99.

    Raises:
        ValueError: If the images are not float of three channels.

    Example:
    >>> [round(float(value), 2) for value in rgb_to_lab([1.0, 0.0, 0.0])]  # Red.
    [53.24, 80.09, 67.2]

    Reference:
        CIE 15:2004, section 8.2.1; IEC 61966-2-1:1999.
    """
    images = checks.tensor(
        "images", images, "float sRGB of shape (..., 3) in [0, 1]", _SCALE
    )
    if images.shape[-1:] != (3,) or not keras.backend.is_float_dtype(images.dtype):
        raise ValueError(
            "images must be float sRGB of shape (..., 3) in [0, 1]; received shape "
            f"{tuple(images.shape)} and dtype "
            f"{keras.backend.standardize_dtype(images.dtype)}. {_SCALE}"
        )
    dtype = keras.backend.result_type(images.dtype, "float32")
    images = ops.cast(images, dtype)
    linear = ops.where(
        images <= 0.04045,
        images / 12.92,
        ops.power((ops.maximum(images, 0.04045) + 0.055) / 1.055, 2.4),
    )
    matrix = ops.convert_to_tensor(_XYZ_OF_RGB, dtype=dtype)
    ratios = ops.matmul(linear, ops.transpose(matrix / ops.sum(matrix, 1)[:, None]))
    threshold = 6 / 29
    # At least the threshold, since the gradient of the root is infinite at black.
    x, y, z = ops.unstack(
        ops.where(
            ratios > threshold**3,
            ops.power(ops.maximum(ratios, threshold**3), 1 / 3),
            ratios / (3 * threshold**2) + 4 / 29,
        ),
        axis=-1,
    )
    return ops.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@keras.saving.register_keras_serializable(package="keras_infomax")
class LabViews(keras.layers.Layer):
    """Makes two views of each color image: its lightness and its colors.

    The layer has no weights. Its views are scaled for an encoder: L / 100 lies in [0,
    1], and (a, b) / 110 in [-1, 1].

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Float tensor `(rows, height, width, 3)`, sRGB in [0, 1].

    Returns:
        Tuple of tensors `(rows, height, width, 1)` and `(rows, height, width, 2)`.

    Raises:
        ValueError: If the images are not float of three channels.

    Example:
    >>> lightness, colors = LabViews()(ops.ones((8, 32, 32, 3)))
    >>> lightness.shape, colors.shape
    (TensorShape([8, 32, 32, 1]), TensorShape([8, 32, 32, 2]))

    Reference:
        Tian et al., 2019, "Contrastive Multiview Coding", section 4.1,
        https://arxiv.org/abs/1906.05849.
    """

    row_by_row = True

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, images):
        lab = rgb_to_lab(images)
        return lab[..., :1] / 100.0, lab[..., 1:] / _LARGEST_CHROMA
