"""Turns views into encodings and makes sure that looking did not change the encoder."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import backends, checks, structures
from keras_infomax.lazy_tensorflow import concrete, tf
from keras_infomax.probes.rows import views_as_arrays


def encode(encoder: keras.Layer, views: Any, batch_size: int = 1000) -> np.ndarray:
    """Encodes views in inference mode and checks that the encoder stood still.

    Runs on the local device and takes part in no collective, so a callback may call it
    while `fit` runs under a `tf.distribute` strategy.

    Args:
        encoder: Keras model or layer from views to encodings.
        views: Array of shape `(rows, ...)`, or any structure of them that the encoder
            takes. Floats are cast to float32.
        batch_size: Number of rows encoded at once; bounds the memory, not the result.

    Returns:
        Encodings, a float32 array of shape `(rows, dim)`.

    Raises:
        ValueError: If there are no rows, if the views are not what the encoder takes,
            if `batch_size` is not a positive integer, or if the encodings are not of
            shape `(rows, dim)` or not all finite.
        RuntimeError: If encoding moved a variable of the encoder: a weight, a statistic
            of a batch normalization, the seed of a dropout.

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
        sets: Views.
        batch_size: As for `encode`.

    Returns:
        The encodings of each set.

    Raises:
        ValueError: As `encode`.
        RuntimeError: As `encode`.
    """
    checks.positive_integer("batch_size", batch_size, 1000)
    checks.encoder("encoder", encoder)
    sets = [checked_views(encoder, views) for views in sets]
    functions: dict[str, Any] = {}
    before = [(variable, _state(variable)) for variable in encoder.variables]
    encoded = []
    for views in sets:
        specs = tensor_specs(views)
        if (alike := repr(specs)) not in functions:
            functions[alike] = _function(encoder, specs)
        encoded.append(_in_batches(functions[alike], views, batch_size))
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


def checked_views(
    encoder: keras.Layer, views: Any, argument: str = "views", cast: bool = True
) -> Any:
    """Views as arrays in the structure that an encoder takes, which is built then.

    Args:
        encoder: Keras model or layer.
        views: Array `(rows, ...)`, or any structure of them.
        argument: What to call them in messages.
        cast: Whether numbers of any dtype do where the encoder takes floats.

    Raises:
        ValueError: If they are not what the encoder takes.
    """
    taker = f"encoder {encoder.name!r} takes it"
    expected = structures.of(encoder)
    if not isinstance(expected, structures.Spec | None):
        # Or a list of arrays would pass for an array.
        views = structures.checked(argument, expected, views, taker, cast)
    views = views_as_arrays(argument, views)
    if not encoder.built:
        ensure_built(encoder, tensor_specs(views))
        expected = structures.of(encoder)
    return structures.checked(argument, expected, views, taker, cast)


def tensor_specs(views: Any) -> Any:
    """Specs of tensors of any number of rows like these, TensorFlow's or Keras's.

    Args:
        views: Structure of arrays.
    """

    def spec(part):
        dtype, shape = structures.dtype_of(part), (None, *part.shape[1:])
        if backends.is_tensorflow():
            return tf.TensorSpec(shape, tf.as_dtype(dtype))
        return keras.KerasTensor(shape, dtype)

    return keras.tree.map_structure(spec, views)


def ensure_built(encoder: keras.Layer, specs: Any) -> None:
    """Makes sure that the encoder has its variables, without touching their values."""
    if not encoder.built:
        inputs = keras.tree.map_structure(
            lambda spec: keras.Input(spec.shape[1:], dtype=structures.dtype_of(spec)),
            specs,
        )
        encoder(inputs, training=False)


def _function(encoder, specs):
    """One function for all batches of such rows, the last and smaller one included."""

    def call(batch):
        return encoder(batch, training=False)

    try:
        if backends.is_tensorflow():
            encode_batch = concrete(call, specs)
            outputs = encode_batch.structured_outputs
        else:
            encode_batch = call
            outputs = call(keras.tree.map_structure(_one_row, specs))
    except (TypeError, ValueError, *_errors_of_calls()) as error:
        received = structures.described(specs)
        raise ValueError(
            f"views must be what encoder {encoder.name!r} takes; received {received}, "
            "with which it cannot be called. Give views as it was trained on."
        ) from error
    shape = keras.tree.map_structure(lambda output: output.shape, outputs)
    if not hasattr(outputs, "shape") or len(outputs.shape) != 2:
        raise ValueError(
            f"encoder must return encodings of shape (rows, dim); received {shape}. "
            "End it with a pooling or flattening layer, or probe one of its outputs."
        )
    return encode_batch


def _one_row(spec):
    return keras.ops.zeros((1, *spec.shape[1:]), dtype=spec.dtype)


def _errors_of_calls():
    """What an encoder raises on what it does not take, beyond the usual."""
    if backends.is_tensorflow():
        return (tf.errors.InvalidArgumentError,)
    return (RuntimeError,)


def _in_batches(encode_batch, views, batch_size):
    encodings, rows = None, structures.rows_of(views)
    for start in range(0, rows, batch_size):
        batch = structures.taken(views, slice(start, start + batch_size))
        encoded = keras.ops.convert_to_numpy(
            encode_batch(keras.tree.map_structure(_tensor, batch))
        )
        if encodings is None:
            encodings = np.empty((rows, encoded.shape[1]), "float32")
        encodings[start : start + batch_size] = encoded
    return encodings


def _tensor(array):
    if backends.is_tensorflow():  # Of texts, too.
        return tf.constant(array)
    return keras.ops.convert_to_tensor(array)


def _check_finite(encoder, encodings):
    if np.isfinite(encodings).all():
        return
    finite = np.isfinite(encodings).all(axis=1)
    raise ValueError(
        f"encoder must return finite encodings; received NaN or infinity in "
        f"{np.sum(~finite)} of {len(finite)} rows, first in row "
        f"{np.argmin(finite)}. Look for NaN in the views and in the weights of "
        f"{encoder.name!r}."
    )


def _state(variable: keras.Variable) -> bytes:
    """Returns the value bit by bit, so that NaN equals itself."""
    return keras.ops.convert_to_numpy(variable).tobytes()
