"""Variables that training updates without gradients, such as banks and averages."""

import keras
import numpy as np
from keras import ops

from keras_infomax import encoders
from keras_infomax.models import inputs


def add(layer, name, shape, dtype, initializer):
    """A variable of a layer that has no gradient and is the same on all replicas.

    Args:
        layer: The layer.
        name: Name of the variable.
        shape: Shape of the variable.
        dtype: Dtype of the variable under every policy.
        initializer: Initializer; see `keras.layers.Layer.add_weight`.
    """
    return layer.add_weight(
        name=name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        trainable=False,
        autocast=False,
        aggregation="only_first_replica",
    )


def checked_index(index, examples, x):
    """Checks that the numbers of rows are in range.

    Args:
        index: Integer tensor `(rows,)`.
        examples: Number of examples in the memory.
        x: Float tensor.

    Returns:
        Pair of the index, int32, and x.

    Raises:
        ValueError: If one is out of range; see `inputs.asserted`.
    """
    index = ops.cast(index, "int32")
    # With an initial value, since a replica may have no rows.
    limits = np.iinfo("int32")
    smallest = ops.min(index, initial=limits.max)
    largest = ops.max(index, initial=limits.min)
    message = (
        "The index of an example must be at least 0 and less than "
        f"examples={examples}, the size of the memory; received {{}} to {{}}."
    )
    known = ops.all(ops.logical_and(index >= 0, index < examples))
    x = inputs.asserted(known, message, [smallest, largest], x)
    # Otherwise a lookup in the memory may fail first, with an obscure message.
    return ops.clip(index, 0, examples - 1), x


def unit(vectors):
    """Vectors of length 1, in float32.

    Args:
        vectors: Float tensor `(rows, dim)`.
    """
    return ops.cast(encoders.unit(vectors), "float32")


def directions(layer, name, rows, dim):
    """A float32 variable `(rows, dim)` that starts with random unit vectors.

    Args:
        layer: The layer.
        name: Name of the variable.
        rows: Number of vectors.
        dim: Size of a vector.
    """
    return add(layer, name, (rows, dim), "float32", _random_directions)


def _random_directions(shape, dtype=None):
    return unit(keras.random.normal(shape, dtype=dtype))
