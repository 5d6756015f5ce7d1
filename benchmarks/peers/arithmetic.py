"""The floating-point operations of a step, as one large matrix product after another.

What the processor can do at most: no step can be faster that needs them all.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

ENCODER = (392, 300, 300, 100)
# Side of the matrices: large enough for the full rate, small enough for the caches.
_SIDE = 1024


def operations(critic: str, batch_size: int) -> int:
    """Floating-point operations of a step: additions and multiplications.

    A product with a matrix is computed once forward, and twice backward: for the
    matrix and for what it was applied to, of which the first layers need the former.

    Args:
        critic: Name of a critic.
        batch_size: Rows in a batch.
    """
    first, *_ = layers = list(zip(ENCODER[:-1], ENCODER[1:], strict=True))
    encoders = 2 * (3 * sum(map(np.prod, layers)) - np.prod(first)) * batch_size
    pairs = batch_size**2
    dim = ENCODER[-1]
    of_critic = {
        "bilinear": 3 * (batch_size * dim**2 + pairs * dim),
        "separable": 3 * (2 * batch_size * 2 * dim**2 + pairs * dim),
        # Of each pair: 200 hidden units, added up, weighed and summed; backward twice.
        "mlp": 3 * (batch_size * 2 * dim * 200 + pairs * 200),
    }[critic]
    return int(2 * (encoders + of_critic))


def prepare(critic: str, batch_size: int) -> Callable[[int], None]:
    """See `peers`."""
    products = operations(critic, batch_size) / (2 * _SIDE**3)
    matrix = tf.random.stateless_normal((_SIDE, _SIDE), [0, 0]) / _SIDE**0.5

    @tf.function
    def multiply(times):
        value = matrix
        for _ in tf.range(times):
            value = tf.matmul(matrix, value)
        return value

    def train(steps):
        multiply(tf.constant(max(1, round(steps * products)))).numpy()

    return train
