"""The directions of encodings, of which cosines are made."""

import keras
from keras import ops

from keras_infomax import checks

# Of the square of a length, below which encodings have no direction.
_LEAST = 1e-12
_EXPECTED = "encodings (rows, dim)", "Give what an encoder returns."


def unit(encodings):
    """Encodings scaled to length 1; those shorter than 1e-6 become zeros.

    A gradient through these would be that of rounding, a million times as large, or not
    a number, as that of a length is at zero. It is zero here. An encoder whose ReLU
    units are all dead for a row makes such encodings.

    Args:
        encodings: Float tensor `(rows, dim)`. In half precision, whose squares vanish
            or overflow, it is computed in float32.

    Returns:
        Tensor of the same shape, in float32 or wider.

    Raises:
        ValueError: If it is no tensor of numbers.

    Example:
    >>> unit([[3.0, 4.0], [0.0, 0.0]]).numpy().round(4).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    found = checks.tensor("encodings", encodings, *_EXPECTED)
    if not len(found.shape):
        raise checks.refusal("encodings", _EXPECTED[0], found, _EXPECTED[1])
    wide = ops.cast(found, keras.backend.result_type(found.dtype, "float32"))
    squares = ops.sum(ops.square(wide), axis=-1, keepdims=True)
    # Not a comparison that NaN would fail: it must stay to be found.
    known = ops.logical_not(squares <= _LEAST)
    return ops.where(known, wide * ops.rsqrt(ops.where(known, squares, 1.0)), 0.0)
