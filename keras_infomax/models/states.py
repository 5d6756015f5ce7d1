"""Variables that training moves without gradients, such as banks and averages."""

import keras
import numpy as np
from keras import ops

from keras_infomax import encoders
from keras_infomax.models import inputs


def add(layer, name, shape, dtype, initializer):
    """A variable of a layer that no gradient changes, and all replicas set alike.

    Args:
        layer: The layer.
        name: Name of the variable.
        shape: Its shape.
        dtype: Its dtype, also in half precision.
        initializer: What it starts with; see `keras.layers.Layer.add_weight`.
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
    """The number of each row, and x, once it is known that there are no others.

    Args:
        index: Integer tensor `(rows,)`.
        examples: Number of examples that are remembered.
        x: Float tensor.

    Returns:
        Pair of the index, int32, and x.

    Raises:
        ValueError: If one lies outside of them; see `inputs.asserted`.
    """
    index = ops.cast(index, "int32")
    # With a start, as a replica may have no rows.
    limits = np.iinfo("int32")
    smallest = ops.min(index, initial=limits.max)
    largest = ops.max(index, initial=limits.min)
    message = (
        "The index of an example must be at least 0 and less than "
        f"examples={examples}, the number of those that are remembered; received {{}} "
        "to {}."
    )
    known = ops.all(ops.logical_and(index >= 0, index < examples))
    x = inputs.asserted(known, message, [smallest, largest], x)
    # Or what takes rows of the memory may fail first, obscurely.
    return ops.clip(index, 0, examples - 1), x


def unit(vectors):
    """Vectors of length 1, in float32.

    Args:
        vectors: Float tensor `(rows, dim)`.
    """
    return ops.cast(encoders.unit(vectors), "float32")


def directions(layer, name, rows, dim):
    """A variable `(rows, dim)` that starts with random unit vectors, in float32.

    Args:
        layer: The layer.
        name: Name of the variable.
        rows: Number of vectors.
        dim: Size of a vector.
    """
    return add(layer, name, (rows, dim), "float32", _random_directions)


def _random_directions(shape, dtype=None):
    return unit(keras.random.normal(shape, dtype=dtype))
