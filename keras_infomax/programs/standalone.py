"""Loads every format of an export, without keras_infomax.

Run by `export.verify` as a file, in a process of its own. Prints one JSON list with an
entry for each way to load: its name, and the largest difference or the error.
"""

import json
import pathlib
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Reference = dict[str, np.ndarray]
# A function of inputs: of an array, or where views have parts of arrays by their names.
Encode = Callable[[Any], Any]


class _Absent:
    """Finds no keras_infomax, installed or not."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name.partition(".")[0] == "keras_infomax":
            raise ImportError(f"{name} is out of reach here.")


def _by_name(inputs: Any) -> Reference:
    return inputs if isinstance(inputs, dict) else {"inputs": inputs}


def _saved_model(folder: pathlib.Path) -> dict[str, Encode]:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as scratch:
        # TensorFlow may take the path itself for a pattern, such as lr[0.1].
        path = pathlib.Path(scratch, "link")
        path.symlink_to(folder.resolve(), target_is_directory=True)
        root = tf.saved_model.load(str(path))
    card = json.loads((folder / "model_card.json").read_text("utf-8"))

    def by(signature: str) -> Encode:
        def call(inputs):
            tensors = {k: tf.constant(v) for k, v in _by_name(inputs).items()}
            return root.signatures[signature](**tensors)["encoding"]

        return call

    def project(inputs):
        tensors = {k: tf.constant(v) for k, v in _by_name(inputs).items()}
        return root.signatures["project"](**tensors)["projection"]

    def structured(inputs: Any) -> Any:
        if isinstance(inputs, dict):
            inputs = _in_structure(card["inputs"], inputs)
        return tf.nest.map_structure(tf.constant, inputs)

    head = {"project": project} if "project" in root.signatures else {}
    return {
        **head,
        "call": lambda views: root(structured(views), training=False),
        "serve": lambda views: root.serve(structured(views)),
        "encode": by("encode"),
        "serving_default": by("serving_default"),
    }


def _in_structure(inputs: Any, arrays: Reference) -> Any:
    """Arrays by name in the structure of a view, as the card describes it."""
    if isinstance(inputs, list):
        return tuple(_in_structure(part, arrays) for part in inputs)
    if isinstance(inputs.get("name"), str):
        return arrays[inputs["name"]]
    return {key: _in_structure(part, arrays) for key, part in inputs.items()}


def _archive(path: pathlib.Path) -> dict[str, Encode]:
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
        return _saved_model(pathlib.Path(folder))


def _tflite(path: pathlib.Path) -> dict[str, Encode]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))

    def by(signature: str) -> Encode:
        run = interpreter.get_signature_runner(signature)
        return lambda inputs: run(**_by_name(inputs))["encoding"]

    return {name: by(name) for name in sorted(interpreter.get_signature_list())}


def _onnx(path: pathlib.Path) -> dict[str, Encode]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return {"encode": lambda views: session.run(["encoding"], _by_name(views))[0]}


_FORMATS: dict[str, tuple[str, str, Callable[[pathlib.Path], dict[str, Encode]]]] = {
    "saved_model": ("saved_model.pb", ".", _saved_model),
    "archive": ("encoder.tar.gz", "encoder.tar.gz", _archive),
    "tflite": ("encoder.tflite", "encoder.tflite", _tflite),
    "onnx": ("encoder.onnx", "encoder.onnx", _onnx),
}


def compare(folder: pathlib.Path) -> Iterator[dict[str, Any]]:
    """Compares every format that lies in a folder with the reference encodings.

    Args:
        folder: Folder of an export.

    Yields:
        Dictionaries with `format`, `entry`, `scale`, the largest absolute reference,
        and `difference`, the largest absolute one, or instead `error`.
    """
    with np.load(folder / "reference.npz", allow_pickle=False) as file:
        reference = dict(file)
    for name, (mark, path, load) in _FORMATS.items():
        if not (folder / mark).is_file():
            continue
        try:
            entries = load(folder / path)
        except Exception as error:
            yield {"format": name, "entry": "load", "error": repr(error)}
            continue
        for entry, encode in entries.items():
            try:
                found = _difference(encode, *_pair(reference, entry))
            except Exception as error:
                found = {"error": repr(error)}
            yield {"format": name, "entry": entry, **found}


def _pair(reference: Reference, entry: str) -> tuple[Any, np.ndarray]:
    if entry == "serving_default" and "raw" in reference:
        return reference["raw"], reference["encodings_of_raw"]
    parts = {
        name.removeprefix("views/"): array
        for name, array in reference.items()
        if name.startswith("views/")
    }
    expected = reference["projections" if entry == "project" else "encodings"]
    return parts or reference["views"], expected


def _difference(encode: Encode, inputs: Any, expected: np.ndarray) -> dict:
    encodings = np.asarray(encode(inputs))
    if encodings.shape != expected.shape:
        raise ValueError(f"shape {encodings.shape} instead of {expected.shape}")
    difference = float(np.abs(encodings - expected).max())
    if not np.isfinite(difference):
        raise ValueError("encodings that are not finite")
    return {"difference": difference, "scale": float(np.abs(expected).max())}


if __name__ == "__main__":
    sys.meta_path.insert(0, _Absent())
    results = list(compare(pathlib.Path(sys.argv[1])))
    if "keras_infomax" in sys.modules:
        raise RuntimeError("keras_infomax was imported; this checks nothing.")
    print(json.dumps(results))
