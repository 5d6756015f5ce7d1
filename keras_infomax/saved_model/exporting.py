"""Writes the folder of an export: the SavedModel and what lies beside it."""

import os
import pathlib
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import backends, checks, files, models, private, structures
from keras_infomax.files import manifest
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.saved_model import (
    archives,
    checking,
    model_card,
    references,
    serving,
)
from keras_infomax.saved_model import formats as export_formats
from keras_infomax.saved_model import root as roots
from keras_infomax.saved_model.hub_encoder import SAVED_MODEL_PARTS

REFERENCE = "reference.npz"


def export(
    encoder: keras.layers.Layer,
    path: str | os.PathLike,
    overwrite: bool = False,
    input_shape: Any = None,
    card: Mapping[str, Any] | None = None,
    preprocessing: Callable | serving.Preprocessing | None = None,
    raw_shape: Sequence[int | None] | None = None,
    raw_dtype: str | None = None,
    formats: Sequence[str] = ("saved_model",),
    head: keras.layers.Layer | None = None,
) -> None:
    """Writes an encoder as a SavedModel that works without this package.

    The folder loads with `tf.saved_model.load`, `hub.load`, `hub.KerasLayer` (of
    tf_keras), `keras.layers.TFSMLayer` and `load`. The loaded object answers to
    `__call__(inputs, training=False)`, for any number of rows, of views in the
    structure and dtypes that the encoder takes, with floats in float32 whatever its
    precision. It has `variables`, `trainable_variables` and
    `regularization_losses`, the endpoints `serve` and `serve_training`, and two
    signatures from `inputs` to `encoding`: `encode` takes views, `serving_default`
    raw inputs, preprocessing included, or views if there is no preprocessing. Where a
    view is a dictionary, the inputs of a signature have the names of its keys; where it
    is a tuple, those of the `keras.Input`s, or `inputs_0` and so on. The card lists
    them.

    Beside it lie `model_card.json` and `README.md`, which say what it is and how to
    load it, `reference.npz`, inputs and the encodings that they must give, and
    `manifest.json`, checksums that `load` compares. `keras-infomax verify` checks
    all of it.

    Regularization of weights is carried; losses that an encoder adds for its inputs,
    such as activity regularization, are not.

    Args:
        encoder: Built Keras model or layer mapping views, tensors `(rows, ...)` or any
            structure of them, to encodings `(rows, dim)`.
        path: The folder to write. It appears whole or not at all.
        overwrite: Whether to replace an export that is at `path`.
        input_shape: Shape of a view without the rows, or what the encoder takes, a
            `keras.Input` or structure of them. Defaults to what the encoder was built
            with.
        card: Further facts for the card, such as `"dataset"`, `"input_range"`,
            `"mi"` and `"mi_ceiling"` in nats, `"probe_accuracy"`, `"raw_baseline"`.
        preprocessing: Layer or function from raw inputs to views, made of TensorFlow
            or Keras operations. Defaults to none.
        raw_shape: Shape of a raw input without the rows; `None` stands for a size
            that may be any. Defaults to the input shape of a `preprocessing` that
            has one.
        raw_dtype: Dtype of a raw input, which must be numbers. Defaults to the input
            dtype of a `preprocessing` that has one, otherwise to `"uint8"`.
        formats: Any of `"saved_model"`, `"archive"` (the same as `encoder.tar.gz`,
            for a server), `"tflite"` (`encoder.tflite`, for LiteRT), `"onnx"`
            (`encoder.onnx`, which takes views; needs `keras_infomax[onnx]`) and
            `"keras"` (`encoder.keras`, with which another training begins; layers of
            this package in it need this package).
        head: Keras model or layer from encodings to projections, such as the
            `projection_head` of an `InfoMax`. It is kept apart: the SavedModel has it
            as `head(encodings, training=False)`, with `head_variables` and
            `head_trainable_variables`, and a signature `project` from views to
            `encoding` and `projection`. Other formats leave it out. Defaults to none.

    Raises:
        ValueError: If `path` exists and `overwrite` is false, or it is a folder of
            anything but an export or a SavedModel, if the encoder is not
            built or is no map from a view to a vector, if `preprocessing` does not
            give views, if the head does not take encodings, if `card` is not plain
            data, or if a format is unknown or cannot express the encoder.
        ImportError: If a package that writes a format is not installed.

    Example:
    >>> import tempfile
    >>> encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> folder = tempfile.mkdtemp() + "/encoder"
    >>> export(encoder, folder, card={"dataset": "digits"})
    >>> tf.saved_model.load(folder)(tf.ones((3, 4))).shape
    TensorShape([3, 2])
    """
    backends.needs(
        "An export",
        backends.TENSORFLOW,
        instead="Save the model as .keras, and export it with "
        "KERAS_BACKEND=tensorflow.",
    )
    export_formats.check(formats)
    path = checks.path("path", path, "exports/encoder")
    overwrite = checks.boolean("overwrite", overwrite)
    if input_shape is not None and not _holds_specs(input_shape):
        input_shape = checks.view_shape("input_shape", input_shape)
    if card is not None:
        checks.mapping("card", card, "Write, for example, card={'dataset': 'digits'}.")
    if overwrite:
        check_replaceable(pathlib.Path(path))
    if head is not None:
        checks.instance(
            "head",
            head,
            keras.Layer,
            "a Keras layer or model from encodings to projections",
            "Take, for example, model.projection_head.",
        )
    views = views_of(encoder, input_shape)
    raw = serving.resolve(preprocessing, raw_shape, raw_dtype)
    with files.new_folder(path, overwrite) as folder:
        root, signatures = roots.trace(encoder, views, raw, head)
        checking.check_without_python(signatures)
        facts = model_card.describe(
            encoder,
            structures.of_tensors(views),
            encoding_size=_size_of(signatures, "encode", "encoding"),
            raw_shape=raw.shape if raw else None,
            raw_dtype=raw.dtype if raw else None,
            projection_size=_size_of(signatures, "project", "projection"),
            formats=formats,
            facts=card or {},
        )
        try:
            tf.saved_model.save(root, folder, signatures=signatures)
        except AssertionError as error:  # Of TensorFlow: it tells what is not tracked.
            raise ValueError(
                "encoder must hold its numbers as variables of Keras; received "
                f"{encoder.name!r}, which has one of TensorFlow that Keras does not "
                "know, a tf.Variable for instance. Make it with add_weight. "
                f"({' '.join(str(error).split())[:300]})"
            ) from error
        (folder / "model_card.json").write_text(model_card.to_json(facts), "utf-8")
        (folder / "README.md").write_text(model_card.to_markdown(facts), "utf-8")
        reference: dict[str, Any] = references.make(encoder, views, raw, head)
        np.savez(folder / REFERENCE, **reference)
        if "archive" in formats:
            # Its own manifest, or it would lack files that the folder has.
            manifest.write(folder)
            archives.pack(folder, folder / export_formats.FILES["archive"])
        if "tflite" in formats:
            variables = [
                *root.variables,
                *root.preprocessing_variables,
                *root.resources,
            ]
            file = folder / export_formats.FILES["tflite"]
            of_encoder = {k: f for k, f in signatures.items() if k != "project"}
            export_formats.write_tflite(of_encoder, variables, file)
        if "onnx" in formats:
            file = folder / export_formats.FILES["onnx"]
            export_formats.write_onnx(encoder, views, file)
        if "keras" in formats:
            file = folder / export_formats.FILES["keras"]
            export_formats.write_keras(encoder, views, file)
        checking.check(folder, reference)
        if "saved_model" not in formats:
            _remove_saved_model(folder)
        manifest.write(folder)


def _size_of(signatures: Any, name: str, output: str) -> int | None:
    if name not in signatures:
        return None
    return signatures[name].structured_outputs[output].shape[-1]


def _holds_specs(given: Any) -> bool:
    """Whether it is made of inputs that tell shapes and dtypes, not of sizes."""
    kinds = (keras.KerasTensor, tf.TensorSpec)
    return any(isinstance(part, kinds) for part in keras.tree.flatten(given))


def check_replaceable(path: pathlib.Path) -> None:
    """Refuses to remove a folder that was never an export, such as a home.

    Args:
        path: What is to be replaced, if it is there.

    Raises:
        ValueError: If it is a folder of something else.
    """
    marks = (manifest.NAME, "model_card.json", *SAVED_MODEL_PARTS)
    if path.is_dir() and any(path.iterdir()):
        if not any((path / mark).is_file() for mark in marks):
            raise ValueError(
                f"What is overwritten must be an export; {str(path)!r} is a folder "
                "of something else. Choose another path, or remove it yourself."
            )


def _remove_saved_model(folder: pathlib.Path) -> None:
    for part in SAVED_MODEL_PARTS:
        if (folder / part).is_dir():
            shutil.rmtree(folder / part)
        else:
            (folder / part).unlink(missing_ok=True)


def views_of(encoder: keras.layers.Layer, input_shape: Any = None) -> Any:
    """What an export of an encoder takes.

    Args:
        encoder: What is to be exported.
        input_shape: As for `export`.

    Returns:
        Structure of `tf.TensorSpec`s for any number of rows, named as the inputs of
        a signature are.

    Raises:
        ValueError: If it is no encoder that is built, or nothing tells what it takes.
    """
    if isinstance(encoder, models.InfoMax):
        raise ValueError(
            f"encoder must be one encoder; received {encoder.name!r}, a whole InfoMax "
            "model. Export its encoder_x."
        )
    if not isinstance(encoder, keras.Layer):
        raise checks.refusal(
            "encoder",
            "a Keras model or layer",
            encoder,
            "Take, for example, model.encoder_x.",
        )
    if not encoder.built:
        raise ValueError(
            "encoder must be built, or there is nothing to export; received "
            f"{encoder.name!r}, which is not. Train it, or call it on a "
            "batch of views."
        )
    taken = structures.of(encoder)
    if input_shape is not None:
        taken = _given(taken, input_shape)
    specs = keras.tree.flatten(taken)
    if None in specs or None in (spec.shape for spec in specs):
        raise ValueError(
            "encoder must tell the shape of what it takes; received "
            f"{encoder.name!r}, which takes {structures.described(taken)}. Pass "
            "input_shape, the shape of a view without the rows."
        )
    names = [re.sub(r"\W", "_", name) for name in structures.names_for(taken)]
    if len(set(names)) < len(names):
        raise ValueError(
            "encoder must take views whose parts have names that differ in letters and "
            f"digits; received {structures.described(taken)}. Rename its inputs."
        )
    return keras.tree.pack_sequence_as(
        taken,
        [
            tf.TensorSpec(spec.shape, _exported_dtype(encoder, spec), name=name)
            for spec, name in zip(specs, names, strict=True)
        ],
    )


def _given(taken: Any, input_shape: Any) -> Any:
    """`Spec`s of the argument `input_shape`."""
    if hasattr(input_shape, "dtype") or not all(
        size is None or isinstance(size, int) for size in input_shape
    ):
        return structures.of_tensors(input_shape)
    known = taken.dtype if isinstance(taken, structures.Spec) else None
    return structures.Spec("inputs", (None, *input_shape), known)


def _exported_dtype(encoder: keras.layers.Layer, spec: structures.Spec) -> str:
    if spec.dtype is not None:
        # Half precision stays inside: not every consumer has it.
        return "float32" if "float" in spec.dtype else spec.dtype
    layers = private.layers(encoder)
    if not any(isinstance(layer, structures.LOOKUPS) for layer in layers):
        return "float32"
    if isinstance(encoder, keras.Sequential):
        return "int32"
    raise ValueError(
        "encoder must declare the dtypes of its views where it looks integers up; "
        f"received {encoder.name!r}, which does not. Pass them as input_shape, for "
        "example input_shape=keras.Input((7,), dtype='int32')."
    )
