"""Functions that XLA compiles on their own, whatever calls them."""

import importlib
from collections.abc import Callable
from typing import Any

from keras_infomax import backends
from keras_infomax.lazy_tensorflow import tf


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function of tensors with XLA, once for each combination of shapes.

    Inside a larger function that XLA compiles, it becomes a part of that one. On
    PyTorch, which has no XLA, the function is returned unchanged.

    Args:
        function: Function of tensors only: XLA cannot reach a variable of another
            device.

    Returns:
        The compiled function.

    Example:
    >>> import keras
    >>> square = compiled(lambda x: x * x)
    >>> float(square(keras.ops.ones(()) * 3))
    9.0
    """
    if backends.name() == backends.TORCH:
        return function
    if backends.name() == backends.JAX:
        return importlib.import_module("jax").jit(function)
    return tf.function(function, jit_compile=True, autograph=False)
