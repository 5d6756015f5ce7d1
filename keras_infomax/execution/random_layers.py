"""Layers that draw random numbers, on several replicas.

A layer such as dropout draws numbers for the rows of its input. All replicas have the
same seed. If each called the layer with its own rows, all would draw the same numbers,
and one device would draw others for the whole batch.
"""

import contextlib
import functools

import keras

from keras_infomax.execution import distribution
from keras_infomax.lazy_tensorflow import tf

# Keras's name for the state of every `keras.random.SeedGenerator`.
SEED = "seed_generator_state"


def draws(layer):
    """Whether a layer, or one of its sublayers, draws random numbers."""
    return any(variable.name == SEED for variable in layer.variables)


@contextlib.contextmanager
def called_with_all_rows(networks):
    """Makes random layers draw the same numbers as on one device.

    They are called with the rows of all replicas, gathered with gradients, and each
    replica keeps its own rows of the results. A subclassed model is called this way as
    a whole.

    Args:
        networks: Layers or models whose first axis is rows.
    """
    layers = {id(each): each for network in networks for each in _random(network)}
    for layer in layers.values():
        vars(layer)["call"] = _of_all_rows(layer.call)
    try:
        yield
    finally:
        for layer in layers.values():
            del vars(layer)["call"]


def _random(layer):
    """The layers of a graph that draw random numbers."""
    if not draws(layer):
        return
    is_graph = type(layer).call in (keras.Sequential.call, _functional().call)
    if not is_graph:
        yield layer
        return
    for inner in layer.layers:
        yield from _random(inner)


def _of_all_rows(call):
    def call_with_all_rows(*args, **kwargs):
        if not kwargs.get("training", True):  # Nothing is drawn in inference.
            return call(*args, **kwargs)
        given = [v for v in keras.tree.flatten((args, kwargs)) if _has_rows(v)]
        rows = distribution.global_rows(tf.shape(given[0])[0])
        args, kwargs = keras.tree.map_structure(
            lambda v: _gathered(v) if _has_rows(v) else v, (args, kwargs)
        )
        return keras.tree.map_structure(
            lambda v: _own(v, rows) if _has_rows(v) else v, call(*args, **kwargs)
        )

    return call_with_all_rows


def _has_rows(value):
    return tf.is_tensor(value) and value.shape.rank != 0


def _gathered(values):
    if values.dtype == tf.bool:  # all_gather does not support booleans.
        return tf.cast(distribution.gather(tf.cast(values, tf.int32)), tf.bool)
    return tf.cast(distribution.gather(values), values.dtype)


def _own(values, rows):
    return tf.ensure_shape(tf.gather(values, rows), [None, *values.shape[1:]])


@functools.cache
def _functional():
    # Not on import: the first layer that is made fixes the dtype of all others.
    one = keras.Input((1,))
    return type(keras.Model(one, one))
