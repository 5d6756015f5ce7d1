"""Inputs of an export, and the encodings that every format must give for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_infomax import private
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.saved_model import serving

_ROWS = 5


def make(
    encoder: keras.layers.Layer,
    views: Any,
    raw: serving.Preprocessing | None,
    head: keras.layers.Layer | None = None,
) -> dict[str, np.ndarray]:
    """Random inputs and their encodings.

    Args:
        encoder: The encoder that is exported.
        views: What it takes, a structure of named `tf.TensorSpec`s.
        raw: What makes views of raw inputs; `None` if they are views.
        head: What makes projections of encodings; `None` for none.

    Returns:
        Arrays by name: `encodings` of `views`, or of a structure those of its parts,
        each as `views/` and its name; `projections` of the same, if there is a head;
        and `encodings_of_raw` of `raw`, if there is one.
    """

    def encode(inputs):
        encodings = encoder(inputs, training=False)
        return keras.ops.convert_to_numpy(keras.ops.cast(encodings, "float32"))

    random = np.random.default_rng(0)
    sizes = [*_sizes_of_tables(encoder)]
    # Where the range of integers is unknown, 0 and 1 are the most likely to be valid.
    drawn = [
        _draw(random, spec, min(sizes, default=256 if spec.dtype == tf.uint8 else 2))
        for spec in keras.tree.flatten(views)
    ]
    tensors = keras.tree.pack_sequence_as(views, list(map(tf.constant, drawn)))
    arrays = {"encodings": encode(tensors)}
    if head is not None:
        projections = head(tf.constant(arrays["encodings"]), training=False)
        arrays["projections"] = keras.ops.convert_to_numpy(
            keras.ops.cast(projections, "float32")
        )
    if isinstance(views, tf.TensorSpec):
        arrays["views"] = drawn[0]
    else:
        specs = keras.tree.flatten(views)
        named = zip(specs, drawn, strict=True)
        arrays |= {f"views/{spec.name}": array for spec, array in named}
    if raw:
        arrays["raw"] = _draw(random, raw.spec, min(sizes, default=256))
        arrays["encodings_of_raw"] = encode(raw.function(tf.constant(arrays["raw"])))
    return arrays


def _sizes_of_tables(encoder: keras.layers.Layer) -> Iterator[int]:
    """Sizes of the tables in which layers look up integers."""
    for layer in private.layers(encoder):
        for name in ("input_dim", "num_tokens"):
            if isinstance(size := getattr(layer, name, None), int):
                yield size


def _draw(random: np.random.Generator, spec: tf.TensorSpec, most: int) -> np.ndarray:
    """Rows of random numbers, of integers `most` different ones, or of two texts."""
    shape = (_ROWS, *(size or 64 for size in spec.shape[1:]))
    values = random.random(shape)
    if spec.dtype == tf.string:
        return np.where(values < 0.5, "a", "b")
    if spec.dtype == tf.bool:
        return values < 0.5
    if spec.dtype.is_integer:
        values = values * min(spec.dtype.max + 1, most)
    return values.astype(spec.dtype.as_numpy_dtype)
