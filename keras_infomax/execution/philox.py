"""The random integers of TensorFlow's Philox generator, on every backend.

The backends have different generators, but a run that is resumed under another backend
must draw the same numbers. So the other backends compute TensorFlow's integers, bit by
bit.
"""

import numpy as np
from keras import ops

from keras_infomax import backends
from keras_infomax.lazy_tensorflow import tf

# Multipliers and key increments of Philox 4x32 (Salmon et al., 2011, section 3.3).
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
# The key with which TensorFlow scrambles the seeds of its stateless operations.
_KEY_OF_SEEDS = (0x3EC8F720, 0x02461E29)


def integers(seed, count, below):
    """Integers from 0, uniform except for a small bias toward the lowest.

    Args:
        seed: int32 tensor `(2,)`.
        count: Number of integers to draw.
        below: Exclusive upper limit, at most 2**30.

    Returns:
        int32 tensor `(count,)`, the same for the same seed.

    Example:
    >>> ops.convert_to_numpy(integers(ops.array([7, 3], "int32"), 5, 100)).tolist()
    [0, 33, 5, 3, 84]

    Reference:
        Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3", SC '11.
    """
    if backends.is_tensorflow():
        return tf.random.stateless_uniform(
            (count,), seed, maxval=below, dtype=tf.int32, alg="philox"
        )
    return _remainder(_bits(seed, count), below)


def _bits(seed, count):
    """Random words, int32 `(count,)`."""
    sign = ops.right_shift(seed, 31)
    mixed = _philox(
        [seed[0], sign[0], seed[1], sign[1]], list(map(_word, _KEY_OF_SEEDS))
    )
    blocks = ops.arange(-(-count // 4), dtype="int32")
    zeros = ops.zeros_like(blocks)
    counter = [blocks, zeros, zeros + mixed[2], zeros + mixed[3]]
    words = ops.stack(_philox(counter, mixed[:2]), axis=1)
    return ops.reshape(words, (-1,))[:count]


def _philox(counter, key):
    """Four words from a counter of four and a key of two, in wrapping int32."""
    a, b, c, d = counter
    increments = ops.array([*map(_word, _INCREMENTS)], dtype="int32")
    for number in range(_ROUNDS):
        if number:
            key = [k + by for k, by in zip(key, increments, strict=True)]
        high_of_a, low_of_a = _product(_MULTIPLIERS[0], a)
        high_of_c, low_of_c = _product(_MULTIPLIERS[1], c)
        a, b = _xor(high_of_c, b, key[0]), low_of_c
        c, d = _xor(high_of_a, d, key[1]), low_of_a
    return [a, b, c, d]


def _product(multiplier, words):
    """Upper and lower words of the unsigned products, by parts of 16 bits."""
    m_high, m_low = multiplier >> 16, multiplier & 0xFFFF
    high, low = _upper(words), ops.bitwise_and(words, 0xFFFF)
    cross = [_times(low, m_high), _times(high, m_low)]
    middle = _upper(_times(low, m_low))
    middle = middle + sum(ops.bitwise_and(part, 0xFFFF) for part in cross)
    upper = _times(high, m_high) + sum(map(_upper, cross)) + _upper(middle)
    return upper, words * _word(multiplier)


def _times(words, factor):
    return words * np.int32(factor)


def _upper(words):
    """The upper 16 bits, without the sign that a shift repeats."""
    return ops.bitwise_and(ops.right_shift(words, 16), 0xFFFF)


def _xor(first, *others):
    for other in others:
        first = ops.bitwise_xor(first, other)
    return first


def _remainder(words, divisor):
    """Remainder of unsigned words, which are halved first to lose the sign bit."""
    half = ops.bitwise_and(ops.right_shift(words, 1), 0x7FFFFFFF)
    last = ops.bitwise_and(words, 1)
    return (half % divisor * 2 + last) % divisor


def _word(bits):
    """The int32 of these 32 bits."""
    return np.uint32(bits).astype("int32")
