"""The formats of an export, and the writers of those that are not a SavedModel."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import checks
from keras_infomax.lazy_tensorflow import tf

# Where each format lies in the folder of an export.
FILES = {
    "saved_model": "saved_model.pb",
    "archive": "encoder.tar.gz",
    "tflite": "encoder.tflite",
    "onnx": "encoder.onnx",
    "keras": "encoder.keras",
}


def check(formats: Sequence[str]) -> None:
    """Checks names of formats before any of them is written.

    Args:
        formats: Names.

    Raises:
        ValueError: If there is none, or one is unknown.
        ImportError: If a package that writes one is not installed.
    """
    if not isinstance(formats, (list, tuple)) or not formats:
        raise checks.refusal(
            "formats",
            f"a tuple or list of one or more of {', '.join(FILES)}",
            formats,
            "Write, for example, formats=('saved_model', 'onnx').",
        )
    for name in formats:
        checks.lookup("format", name, FILES, "formats=('saved_model', 'onnx')")
    if "onnx" in formats:
        missing = [p for p in ("onnx", "tf2onnx") if not importlib.util.find_spec(p)]
        if missing:
            raise ImportError(
                f"Writing ONNX needs {' and '.join(missing)}. Install it with "
                '`pip install "keras_infomax[onnx]"`.'
            )


def write_tflite(
    signatures: Mapping[str, Any],
    variables: Sequence[Any],
    path: str | os.PathLike,
) -> None:
    """Converts signatures for LiteRT, once called TFLite.

    `serving_default` is left out where LiteRT lacks an operation of it, as it does
    for resizing with antialiasing; `encode` is always there.

    Args:
        signatures: The signatures `encode` and `serving_default` of a SavedModel.
        variables: The variables, and tables that look up, that they use.
        path: The file to write.

    Raises:
        ValueError: If LiteRT lacks an operation of the encoder.
    """
    # With the endpoint `serve` in the same SavedModel, the converter loses `encode`.
    bare = tf.train.Checkpoint()
    bare.variables = list(variables)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(bare, folder, signatures=dict(signatures))
        for keys in (["encode", "serving_default"], ["encode"]):
            converter = tf.lite.TFLiteConverter.from_saved_model(
                folder, signature_keys=keys
            )
            try:
                pathlib.Path(path).write_bytes(converter.convert())
                return
            except Exception as error:  # Its own class of exception is private.
                reason = error
    message = str(reason).strip().partition("\n")[0]
    raise ValueError(
        f"LiteRT cannot express this encoder: {message}. It lacks half precision and "
        "some operations. Export a copy in float32, or leave tflite out of formats."
    ) from reason


def write_onnx(
    encoder: keras.layers.Layer,
    views: Any,
    path: str | os.PathLike,
) -> None:
    """Converts an encoder to ONNX, with inputs named as the views, and `encoding`.

    Args:
        encoder: Keras layer that maps views to encodings `(rows, dim)`.
        views: What it takes, a structure of `tf.TensorSpec`s with names.
        path: The file to write.

    Raises:
        ValueError: If ONNX lacks an operation of the encoder.
    """
    import onnx

    specs = keras.tree.flatten(views)
    if any(spec.dtype == tf.string for spec in specs):
        raise ValueError(
            "ONNX cannot express this encoder: it takes texts. Leave onnx out of "
            "formats."
        )
    inputs = [
        keras.Input(spec.shape[1:], dtype=spec.dtype.name, name=spec.name)
        for spec in specs
    ]
    taken = keras.tree.pack_sequence_as(views, inputs)
    outputs = keras.layers.Identity(dtype="float32")(encoder(taken, training=False))
    model = keras.Model(inputs[0] if len(inputs) == 1 else inputs, outputs)
    zeros = [
        np.zeros((1, *(n or 64 for n in spec.shape[1:])), spec.dtype.as_numpy_dtype)
        for spec in specs
    ]
    # Keras refuses to export a model that was never called.
    model(zeros[0] if len(zeros) == 1 else zeros)
    try:
        with warnings.catch_warnings():
            # From Keras, which repairs what NumPy 2 broke in tf2onnx.
            warnings.simplefilter("ignore")
            model.export(path, format="onnx", verbose=False)
        converted = onnx.load(path)
        _hold_constants(converted.graph, model)
        # Found here, since not every user has onnxruntime to find out.
        taken = [value.name for value in converted.graph.input]
        if sorted(taken) != sorted(spec.name for spec in specs):
            raise ValueError(f"it would take the inputs {', '.join(taken)}")
        # tf2onnx passes on the operations that it does not know.
        onnx.checker.check_model(converted)
    except Exception as error:  # tf2onnx raises errors of many kinds.
        reason = " ".join(str(error).split())
        raise ValueError(
            f"ONNX cannot express this encoder: {reason}. Leave onnx out of formats."
        ) from error
    _rename(converted.graph, converted.graph.output[0].name, "encoding")
    onnx.save(converted, path)


def write_keras(encoder: keras.layers.Layer, views: Any, path: pathlib.Path) -> None:
    """Writes a model of Keras, of which another training can begin.

    Args:
        encoder: Keras model or layer that maps views to encodings `(rows, dim)`.
        views: What it takes, a structure of `tf.TensorSpec`s with names.
        path: The file to write, which ends in `.keras`.

    Raises:
        ValueError: If Keras could not load it again.
    """
    model = encoder
    if not isinstance(encoder, keras.Model):
        taken = keras.tree.map_structure(
            lambda spec: keras.Input(spec.shape[1:], dtype=spec.dtype.name), views
        )
        model = keras.Model(taken, encoder(taken))
    try:
        model.save(path)
        keras.saving.load_model(path, compile=False)
    except Exception as error:  # Layers raise errors of many kinds.
        reason = " ".join(str(error).split())
        raise ValueError(
            f"Keras cannot load this encoder again: {reason} Register its layers with "
            "keras.saving.register_keras_serializable, or leave keras out of formats."
        ) from error


def _hold_constants(graph: Any, model: keras.Model) -> None:
    """Moves tensors that layers hold, such as a mean, from the inputs into the graph.

    tf2onnx makes an input of every tensor that is no variable.
    """
    import onnx

    specs = [
        tf.TensorSpec(view.shape, view.dtype, name=view.name) for view in model.inputs
    ]
    traced = tf.function(model).get_concrete_function(
        specs[0] if len(specs) == 1 else specs
    )
    held = {inside.name: tensor for tensor, inside in traced.graph.captures}
    inputs = [value for value in graph.input if value.name not in held]
    used = set(_names_used(graph))
    for value in graph.input:
        if value.name in held and value.name in used:
            array = held[value.name].numpy()
            graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
    del graph.input[:]
    graph.input.extend(inputs)


def _names_used(graph: Any) -> Iterator[str]:
    """Names that nodes take, those of the bodies of loops and branches included."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _names_used(inner)
                yield from (value.name for value in inner.output)


def _rename(graph: Any, old: str, new: str) -> None:
    """tf2onnx names an output after the last operation of TensorFlow."""
    graph.output[0].name = new
    for node in graph.node:
        for names_of_node in (node.input, node.output):
            for index, name in enumerate(names_of_node):
                if name == old:
                    names_of_node[index] = new
