"""TensorFlow, imported at once where Keras runs on it, elsewhere where it is used.

Under JAX and PyTorch a few things still need it: `tf.data` for streams of images, event
files, SavedModels. It takes seconds to import, and a process that uses none of these
should not wait for it. So modules write `from keras_infomax.lazy_tensorflow import tf`.
"""

import importlib
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_infomax import backends

if TYPE_CHECKING or backends.is_tensorflow():
    import tensorflow as tf
else:

    class _TensorFlow(types.ModuleType):
        """Stands for the module; has its names, and imports it for the first."""

        def __getattr__(self, name: str) -> Any:
            return getattr(_imported(), name)

    def _imported() -> Any:
        is_first = "tensorflow" not in sys.modules
        module = importlib.import_module("tensorflow")
        if is_first:
            # It reads data and writes files: all accelerators are the backend's.
            module.config.set_visible_devices([], "GPU")
        return module

    tf = _TensorFlow("tensorflow")


def concrete(function: Callable[..., Any], *arguments: Any) -> Any:
    """Traces a function once, for arguments of these shapes and dtypes.

    TensorFlow warns of retracing where many runs make a function each and call it. It
    does not warn of functions that are concrete.

    Args:
        function: Function of tensors, or structures of them.
        *arguments: Tensors or `tf.TensorSpec`s like those that it will be called with.

    Returns:
        The `tf.types.experimental.ConcreteFunction`, to be called with tensors.
    """
    specs = tf.nest.map_structure(
        lambda leaf: tf.TensorSpec(leaf.shape, leaf.dtype), arguments
    )
    return tf.function(function).get_concrete_function(*specs)


def is_tensor(value: Any) -> bool:
    """Whether something is a tensor of TensorFlow, without importing it to tell.

    Args:
        value: Anything.

    Example:
    >>> is_tensor(3.0)
    False
    """
    module = sys.modules.get("tensorflow")
    return module is not None and hasattr(module, "is_tensor") and tf.is_tensor(value)


def is_dataset(value: Any) -> bool:
    """Whether something is a `tf.data.Dataset`, without importing it to tell.

    Args:
        value: Anything.

    Example:
    >>> is_dataset([1, 2])
    False
    """
    module = sys.modules.get("tensorflow")
    return hasattr(module, "data") and isinstance(value, tf.data.Dataset)
