"""Functions that XLA compiles by themselves, whatever calls them."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Has XLA compile a function of tensors, once for each of their shapes.

    Within a larger function that XLA compiles, it becomes a part of that.

    Args:
        function: Function of tensors alone: XLA cannot reach a variable of another
            device.

    Returns:
        The compiled function.

    Example:
    >>> square = compiled(lambda x: x * x)
    >>> float(square(tf.constant(3.0)))
    9.0
    """
    return tf.function(function, jit_compile=True, autograph=False)
