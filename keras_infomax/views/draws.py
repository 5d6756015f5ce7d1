"""Random numbers that depend only on a seed, equal on every backend.

`keras.random` draws different numbers on each backend, and the numbers of a row depend
on the number of rows. Here each number is a function of the seed, its row and its
position in the row: Threefry-2x32 with 13 rounds, in integers of 32 bits, which all
backends add and shift in the same way.

Reference:
    Salmon et al., 2011, "Parallel Random Numbers: As Easy as 1, 2, 3", sections 3.2
    and 4, https://doi.org/10.1145/2063384.2063405.
"""

import math
from typing import Any

from keras import ops

from keras_infomax import checks

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
# The smallest number that passes all tests of randomness.
_ROUNDS = 13


def threefry(key: Any, counter: Any, rounds: int = _ROUNDS) -> tuple[Any, Any]:
    """Threefry-2x32: two random words from a key and a counter.

    Args:
        key: Pair of int32 tensors whose shapes broadcast with those of the counter.
        counter: Pair of int32 tensors.
        rounds: Number of rounds, at most 20.

    Returns:
        Pair of int32 tensors.
    """
    keys = (key[0], key[1], _xor(_xor(key[0], key[1]), _PARITY))
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for number in range(rounds):
        rotation = _ROTATIONS[number // 4 % 2][number % 4]
        x = x + y
        y = _xor(_rotated(y, rotation), x)
        if number % 4 == 3:
            injected = number // 4 + 1
            x = x + keys[injected % 3]
            y = y + keys[(injected + 1) % 3] + injected
    return x, y


def checked_seed(seed: Any) -> Any:
    """A seed as an int32 tensor `(2,)`; longer integers keep their lower 32 bits.

    Args:
        seed: Two integers, or a tensor of them.

    Raises:
        ValueError: If it is something else.

    Example:
    >>> checked_seed((3, 2**32 + 1)).shape
    TensorShape([2])
    """
    if isinstance(seed, tuple | list) and len(seed) == 2:
        if all(map(checks.is_integer, seed)):
            return ops.convert_to_tensor(list(map(_wrapped, seed)), dtype="int32")
    elif tuple(getattr(seed, "shape", ())) == (2,) and "int" in str(seed.dtype):
        return ops.cast(seed, "int32")
    raise checks.refusal(
        "seed", "two integers, or a tensor of them", seed, "Write seed=(3, 0)."
    )


def fold_in(seed: Any, number: int) -> Any:
    """A seed that is derived from another seed and a number.

    Args:
        seed: int32 tensor `(2,)`.
        number: Integer.

    Returns:
        int32 tensor `(2,)`.
    """
    # No row has the number -1, so seeds differ from all draws.
    counter = (ops.full((), number, "int32"), ops.full((), -1, "int32"))
    return ops.stack(threefry(ops.unstack(seed), counter))


def next_to(seed: Any, first: int, second: int) -> Any:
    """A seed at a fixed distance from another one; enough if that one is random.

    Args:
        seed: int32 tensor `(2,)`, as of `fold_in`.
        first: Number to add to its first number.
        second: Number to add to its second number.

    Returns:
        int32 tensor `(2,)`.
    """
    return seed + ops.convert_to_tensor([first, second], dtype="int32")


def uniform(seed: Any, rows: Any, *shape: int) -> Any:
    """Numbers in [0, 1), multiples of 2^-24.

    Args:
        seed: int32 tensor `(2,)`.
        rows: Number of rows, which need not be known.
        *shape: Sizes of the other axes.

    Returns:
        float32 tensor `(rows, *shape)`. A row does not depend on how many there are.
    """
    word, _ = _words(seed, rows, shape)
    return ops.reshape(_fraction(word), (rows, *shape))


def normal(seed: Any, rows: Any, *shape: int) -> Any:
    """Numbers of a normal distribution of mean 0 and variance 1, by Box and Muller.

    Args:
        seed: int32 tensor `(2,)`.
        rows: Number of rows, which need not be known.
        *shape: Sizes of the other axes.

    Returns:
        float32 tensor `(rows, *shape)`. A row does not depend on how many there are.
    """
    radius, angle = map(_fraction, _words(seed, rows, shape))
    # The argument of the logarithm is never 0.
    radius = ops.sqrt(-2.0 * ops.log(1.0 - radius))
    return ops.reshape(radius * ops.cos(2.0 * math.pi * angle), (rows, *shape))


def _words(seed, rows, shape):
    key = ops.unstack(seed)
    row = ops.arange(rows, dtype="int32")[:, None]
    place = ops.arange(math.prod(shape), dtype="int32")[None]
    return threefry(key, (place + 0 * row, row + 0 * place))


def _fraction(word):
    return ops.cast(_shifted(word, 8), "float32") * 2.0**-24


def _rotated(word, bits):
    return ops.bitwise_or(ops.left_shift(word, bits), _shifted(word, 32 - bits))


def _shifted(word, bits):
    """Logical shift to the right."""
    return ops.bitwise_and(ops.right_shift(word, bits), (1 << (32 - bits)) - 1)


def _xor(a, b):
    return ops.bitwise_xor(a, b)


def _wrapped(value):
    return (int(value) + 2**31) % 2**32 - 2**31
