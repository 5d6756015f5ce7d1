"""Runs every format that an export has written, before it is moved into place."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_infomax import files
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.saved_model import formats

# A wrong conversion differs by more, half precision by less.
_TOLERANCE = 0.05

_Arrays = Mapping[str, np.ndarray]
_Encode = Callable[[_Arrays], Any]


def check_without_python(signatures: Mapping[str, Any]) -> None:
    """Refuses an encoder whose graph calls Python, which no other process has.

    Args:
        signatures: The concrete functions of an export, by name.

    Raises:
        ValueError: If one of them has a `tf.py_function` or `tf.numpy_function`.
    """
    for function in signatures.values():
        graph = function.graph.as_graph_def()
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        if any("PyFunc" in node.op for node in nodes):
            raise ValueError(
                "encoder and preprocessing must be made of operations of TensorFlow or "
                "Keras; received one that calls Python (tf.py_function or "
                "tf.numpy_function), which no other process could run. Write it with "
                "keras.ops."
            )


def check(folder: pathlib.Path, reference: _Arrays) -> None:
    """Compares the encodings of every format with those of the encoder.

    Args:
        folder: What was written: the SavedModel, and other formats beside it.
        reference: Inputs and encodings, as they lie beside the formats.

    Raises:
        ValueError: If a format cannot be run, or gives other encodings.
    """
    views = _views(reference)
    for name, entry, encode in _entries(folder):
        raw = entry == "serving_default" and "raw" in reference
        inputs = {"inputs": reference["raw"]} if raw else views
        of_views = "projections" if entry == "project" else "encodings"
        expected = reference["encodings_of_raw" if raw else of_views]
        try:
            found, again = (np.asarray(encode(inputs)) for _ in range(2))
        except Exception as error:  # Each format has exceptions of its own.
            reason = " ".join(str(error).split())
            raise _unfit(name, entry, f"cannot be run: {reason}") from error
        if found.shape != expected.shape:
            raise _unfit(name, entry, f"gives {found.shape} for {expected.shape}")
        # An encoder that is random in inference never gives the same encodings twice.
        if not np.array_equal(found, again, equal_nan=True):
            continue
        scale = np.max(np.abs(expected[np.isfinite(expected)]), initial=0)
        if not np.allclose(
            found, expected, rtol=0, atol=_TOLERANCE * scale + 1e-6, equal_nan=True
        ):
            raise _unfit(
                name,
                entry,
                f"gives other encodings, up to {np.max(np.abs(found - expected)):.2g} "
                f"away where the largest is {scale:.2g}",
            )


def _unfit(name: str, entry: str, fault: str) -> ValueError:
    return ValueError(
        f"encoder must give the same encodings in every format; what was written as "
        f"{name} ({entry}) {fault}. Leave {name} out of formats, or look for a layer "
        "that changes whenever it is called. Nothing was kept."
    )


def _views(reference: _Arrays) -> _Arrays:
    if "views" in reference:
        return {"inputs": reference["views"]}
    parts = (name for name in reference if name.startswith("views/"))
    return {name.removeprefix("views/"): reference[name] for name in parts}


def _entries(folder: pathlib.Path) -> Iterator[tuple[str, str, _Encode]]:
    """Names of format and signature, and what encodes, of all that can be run here."""
    with files.readable(folder) as readable:
        signatures = tf.saved_model.load(readable).signatures
        for entry in ("encode", "serving_default"):
            yield "saved_model", entry, _tensorflow(signatures[entry])
        if "project" in signatures:
            project = _tensorflow(signatures["project"], "projection")
            yield "saved_model", "project", project
    if (path := folder / formats.FILES["tflite"]).is_file():
        interpreter = _interpreter(path)
        for entry in sorted(interpreter.get_signature_list()):
            yield "tflite", entry, _litert(interpreter.get_signature_runner(entry))
    if (path := folder / formats.FILES["onnx"]).is_file():
        if importlib.util.find_spec("onnxruntime"):
            yield "onnx", "encode", _onnx(path)
    if (path := folder / formats.FILES["keras"]).is_file():
        yield "keras", "encode", _keras(path, folder)


def _keras(path: pathlib.Path, folder: pathlib.Path) -> _Encode:
    card = files.read_json(folder / "model_card.json")
    model = keras.saving.load_model(path, compile=False)

    def encode(inputs: _Arrays) -> Any:
        views = _in_structure(card["inputs"], inputs)
        encodings = model(keras.tree.map_structure(tf.constant, views), training=False)
        return keras.ops.convert_to_numpy(keras.ops.cast(encodings, "float32"))

    return encode


def _in_structure(inputs: Any, arrays: _Arrays) -> Any:
    """Arrays by name in the structure of a view, as the card describes it."""
    if isinstance(inputs, list):
        return tuple(_in_structure(part, arrays) for part in inputs)
    if isinstance(inputs.get("name"), str):
        return arrays[inputs["name"]]
    return {key: _in_structure(part, arrays) for key, part in inputs.items()}


def _tensorflow(function: Any, output: str = "encoding") -> _Encode:
    return lambda inputs: function(
        **{name: tf.constant(array) for name, array in inputs.items()}
    )[output]


def _interpreter(path: str | os.PathLike) -> Any:
    if importlib.util.find_spec("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(os.fspath(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Its deprecation warning names its successor.
        return tf.lite.Interpreter(os.fspath(path))


def _litert(runner: Any) -> _Encode:
    return lambda inputs: runner(**inputs)["encoding"]


def _onnx(path: str | os.PathLike) -> _Encode:
    import onnxruntime

    providers = ["CPUExecutionProvider"]

    def encode(inputs: _Arrays) -> Any:
        session = onnxruntime.InferenceSession(path, providers=providers)
        return session.run(["encoding"], dict(inputs))[0]

    return encode
