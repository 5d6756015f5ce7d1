"""Turns views into encodings and makes sure that looking did not change the encoder."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_infomax import checks


def encode(encoder: keras.Layer, views: Any, batch_size: int = 1000) -> np.ndarray:
    """Encodes views in inference mode and checks that the encoder stood still.

    Runs on the local device and takes part in no collective, so a callback may call it
    while `fit` runs under a `tf.distribute` strategy.

    Args:
        encoder: Keras model or layer from views to encodings.
        views: Array of shape `(rows, ...)`. Floats are cast to float32.
        batch_size: Number of rows encoded at once; bounds the memory, not the result.

    Returns:
        Encodings, a float32 array of shape `(rows, dim)`.

    Raises:
        ValueError: If there are no rows, if `batch_size` is not a positive integer, or
            if the encodings are not of shape `(rows, dim)` or not all finite.
        RuntimeError: If encoding moved a variable of the encoder: a weight, a statistic
            of a batch normalisation, the seed of a dropout.

    Example:
    >>> encoder = keras.Sequential([keras.layers.Dense(8)])
    >>> encode(encoder, np.ones((5, 3))).shape
    (5, 8)
    """
    return encode_all(encoder, [views], batch_size)[0]


def encode_all(
    encoder: keras.Layer, sets: Sequence[Any], batch_size: int = 1000
) -> list[np.ndarray]:
    """Encodes several sets of views as `encode` does one, traced and checked once.

    Args:
        encoder: As for `encode`.
        sets: Arrays of views.
        batch_size: As for `encode`.

    Returns:
        The encodings of each set.

    Raises:
        ValueError: As `encode`.
        RuntimeError: As `encode`.
    """
    checks.positive_integer("batch_size", batch_size, 1000)
    checks.instance(
        "encoder",
        encoder,
        keras.Layer,
        "a Keras model or layer from views to encodings",
        "Take, for example, model.encoder_x.",
    )
    sets = [_checked_views(views) for views in sets]
    ensure_built(encoder, sets[0].shape[1:], sets[0].dtype.name)
    graph = functools.cache(functools.partial(_graph, encoder))
    before = [(variable, _state(variable)) for variable in encoder.variables]
    encoded = [
        _in_batches(graph(views.shape[1:], views.dtype.name), views, batch_size)
        for views in sets
    ]
    moved = [variable.path for variable, old in before if _state(variable) != old]
    if moved:
        raise RuntimeError(
            f"Encoding moved {len(moved)} variable(s) of encoder {encoder.name!r}, "
            f"first {moved[0]!r}, although it was called with training=False: its "
            "accuracy would not be that of a frozen encoder. Find the layer that "
            "updates its variables without asking `training`."
        )
    for encodings in encoded:
        _check_finite(encoder, encodings)
    return encoded


def _graph(encoder, row_shape, dtype):
    """One graph for all batches of such rows, the last and smaller one included."""

    @tf.function(input_signature=[tf.TensorSpec((None, *row_shape), dtype)])
    def trace(batch):
        return encoder(batch, training=False)

    # Concrete, because TensorFlow would warn of retracing when probe after probe traces
    # a new function.
    encode_batch = trace.get_concrete_function()
    shape = encode_batch.output_shapes
    if not isinstance(shape, tf.TensorShape) or shape.rank != 2:
        raise ValueError(
            f"encoder must return encodings of shape (rows, dim); got {shape}. End it "
            "with a pooling or flattening layer, or probe one of its outputs."
        )
    return encode_batch


def _checked_views(views):
    views = np.asarray(views)
    if views.ndim < 2 or not len(views):
        raise ValueError(
            f"views must have shape (rows, ...) with at least one row; got shape "
            f"{views.shape}. Give a batch of views, not a single one."
        )
    if np.issubdtype(views.dtype, np.floating):
        views = views.astype("float32", copy=False)
    return views


def _in_batches(encode_batch, views, batch_size):
    encodings = None
    for start in range(0, len(views), batch_size):
        batch = encode_batch(tf.constant(views[start : start + batch_size])).numpy()
        if encodings is None:
            encodings = np.empty((len(views), batch.shape[1]), "float32")
        encodings[start : start + batch_size] = batch
    return encodings


def _check_finite(encoder, encodings):
    if np.isfinite(encodings).all():
        return
    finite = np.isfinite(encodings).all(axis=1)
    raise ValueError(
        f"encoder must return finite encodings; got NaN or infinity in "
        f"{np.sum(~finite)} of {len(finite)} rows, first in row "
        f"{np.argmin(finite)}. Look for NaN in the views and in the weights of "
        f"{encoder.name!r}."
    )


def ensure_built(encoder: keras.Layer, row_shape: tuple[int, ...], dtype: str) -> None:
    """Makes sure that the encoder has its variables, without touching their values."""
    if not encoder.built:
        encoder(keras.Input(row_shape, dtype=dtype), training=False)


def _state(variable: keras.Variable) -> bytes:
    """Returns the value bit by bit, so that NaN equals itself."""
    return keras.ops.convert_to_numpy(variable).tobytes()
