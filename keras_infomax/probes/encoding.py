"""Turns views into encodings, and checks that this did not change the encoder."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import backends, checks, structures
from keras_infomax.lazy_tensorflow import concrete, tf
from keras_infomax.probes.rows import views_as_arrays


def encode(encoder: keras.Layer, views: Any, batch_size: int = 1000) -> np.ndarray:
    """Encodes views in inference mode, and checks that the encoder did not change.

    It runs on the local device, without collectives, so a callback may call it while
    `fit` runs under a `tf.distribute` strategy.

    Args:
        encoder: Keras model or layer from views to encodings.
        views: Array of shape `(rows, ...)`, or any structure of arrays that the encoder
            takes. Floats are cast to float32.
        batch_size: Number of rows encoded at once. It limits the memory and does not
            change the result.

    Returns:
        Encodings, a float32 array of shape `(rows, dim)`.

    Raises:
        ValueError: If there are no rows, the encoder does not take the views,
            `batch_size` is not a positive integer, or the encodings are not of shape
            `(rows, dim)` or not all finite.
        RuntimeError: If encoding changed a variable of the encoder, such as a weight, a
            statistic of a batch normalization, or the seed of a dropout.

    Example:
    >>> encoder = keras.Sequential([keras.layers.Dense(8)])
    >>> encode(encoder, np.ones((5, 3))).shape
    (5, 8)
    """
    return encode_all(encoder, [views], batch_size)[0]


def encode_all(
    encoder: keras.Layer, sets: Sequence[Any], batch_size: int = 1000
) -> list[np.ndarray]:
    """Encodes several sets of views as `encode` does; traces and checks only once.

    Args:
        encoder: As for `encode`.
        sets: Sets of views.
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
            f"Encoding changed {len(moved)} variable(s) of encoder {encoder.name!r}, "
            f"first {moved[0]!r}, although it was called with training=False. Its "
            "accuracy would not be that of a frozen encoder. Find the layer that "
            "updates its variables without checking `training`."
        )
    for encodings in encoded:
        _check_finite(encoder, encodings)
    return encoded


def checked_views(
    encoder: keras.Layer, views: Any, argument: str = "views", cast: bool = True
) -> Any:
    """Views as arrays in the encoder's structure; builds the encoder.

    Args:
        encoder: Keras model or layer.
        views: Array `(rows, ...)`, or any structure of them.
        argument: Name of the views, for messages.
        cast: Whether an encoder of floats accepts numbers of any dtype.

    Raises:
        ValueError: If the encoder does not take them.
    """
    taker = f"encoder {encoder.name!r} takes it"
    expected = structures.of(encoder)
    if not isinstance(expected, structures.Spec | None):
        # Otherwise a list of arrays would be read as one array.
        views = structures.checked(argument, expected, views, taker, cast)
    views = views_as_arrays(argument, views)
    if not encoder.built:
        ensure_built(encoder, tensor_specs(views))
        expected = structures.of(encoder)
    return structures.checked(argument, expected, views, taker, cast)


def tensor_specs(views: Any) -> Any:
    """Specs, TensorFlow's or Keras's, of such tensors with any number of rows.

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
    """Builds the encoder if needed, without changing values of variables."""
    if not encoder.built:
        inputs = keras.tree.map_structure(
            lambda spec: keras.Input(spec.shape[1:], dtype=structures.dtype_of(spec)),
            specs,
        )
        encoder(inputs, training=False)


def _function(encoder, specs):
    """One function for all batches of such rows, including a smaller last one."""

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
            f"views must be inputs of encoder {encoder.name!r}; received {received}, "
            "which its call refuses. Give views like those of its training."
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
    """Further errors of an encoder with inputs that it does not take."""
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
    if backends.is_tensorflow():  # Also for texts.
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
    """Returns the bytes of the value, so that NaN equals itself."""
    return keras.ops.convert_to_numpy(variable).tobytes()
