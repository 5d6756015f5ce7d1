"""Writes the folder of an export: the SavedModel and what lies beside it."""

import os
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_infomax import archives, checks, files, manifest, model_card, models, serving
from keras_infomax import formats as export_formats
from keras_infomax.hub_encoder import SAVED_MODEL_PARTS
from keras_infomax.saved_model import checking
from keras_infomax.saved_model import root as roots

REFERENCE = "reference.npz"


def export(
    encoder: keras.layers.Layer,
    path: str | os.PathLike,
    overwrite: bool = False,
    input_shape: Sequence[int | None] | None = None,
    card: Mapping[str, Any] | None = None,
    preprocessing: Callable | serving.Preprocessing | None = None,
    raw_shape: Sequence[int | None] | None = None,
    raw_dtype: str | None = None,
    formats: Sequence[str] = ("saved_model",),
) -> None:
    """Writes an encoder as a SavedModel that works without this package.

    The folder loads with `tf.saved_model.load`, `hub.load`, `hub.KerasLayer` (of
    tf_keras), `keras.layers.TFSMLayer` and `load`. The loaded object answers to
    `__call__(inputs, training=False)`, for any number of rows and in float32 whatever
    the encoder's precision. It has `variables`, `trainable_variables` and
    `regularization_losses`, the endpoints `serve` and `serve_training`, and two
    signatures from `inputs` to `encoding`: `encode` takes views, `serving_default`
    raw inputs, preprocessing included, or views if there is no preprocessing.

    Beside it lie `model_card.json` and `README.md`, which say what it is and how to
    load it, `reference.npz`, inputs and the encodings that they must give, and
    `manifest.json`, checksums that `load` compares. `python -m export.verify` checks
    all of it.

    Regularisation of weights is carried; losses that an encoder adds for its inputs,
    such as activity regularisation, are not.

    Args:
        encoder: Built Keras model or layer mapping views `(rows, ...)` to encodings
            `(rows, dim)`.
        path: The folder to write. It appears whole or not at all.
        overwrite: Whether to replace an export that is at `path`.
        input_shape: Shape of a view without the rows. Defaults to the shape that the
            encoder was built with.
        card: Further facts for the card, such as `"dataset"`, `"input_range"`,
            `"mi"` and `"mi_ceiling"` in nats, `"probe_accuracy"`, `"pixel_baseline"`.
        preprocessing: Layer or function from raw inputs to views, made of TensorFlow
            or Keras operations. Defaults to none.
        raw_shape: Shape of a raw input without the rows; `None` stands for a size
            that may be any. Defaults to the input shape of a `preprocessing` that
            has one.
        raw_dtype: Dtype of a raw input, which must be numbers. Defaults to the input
            dtype of a `preprocessing` that has one, otherwise to `"uint8"`.
        formats: Any of `"saved_model"`, `"archive"` (the same as `encoder.tar.gz`,
            for a server), `"tflite"` (`encoder.tflite`, for LiteRT) and `"onnx"`
            (`encoder.onnx`, which takes views; needs `keras_infomax[onnx]`).

    Raises:
        ValueError: If `path` exists and `overwrite` is false, or it is a folder of
            anything but an export or a SavedModel, if the encoder is not
            built or is no map from a view to a vector, if `preprocessing` does not
            give views, if `card` is not plain data, or if a format is unknown or
            cannot express the encoder.
        ImportError: If a package that writes a format is not installed.

    Example:
    >>> import tempfile
    >>> encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> folder = tempfile.mkdtemp() + "/encoder"
    >>> export(encoder, folder, card={"dataset": "digits"})
    >>> tf.saved_model.load(folder)(tf.ones((3, 4))).shape
    TensorShape([3, 2])
    """
    export_formats.check(formats)
    path = checks.path("path", path, "exports/encoder")
    overwrite = checks.boolean("overwrite", overwrite)
    if input_shape is not None:
        input_shape = checks.view_shape("input_shape", input_shape)
    if card is not None:
        checks.mapping("card", card, "Write, for example, card={'dataset': 'digits'}.")
    if overwrite:
        _check_replaceable(pathlib.Path(path))
    view_shape = view_shape_of(encoder, input_shape)
    raw = serving.resolve(preprocessing, raw_shape, raw_dtype)
    with files.new_folder(path, overwrite) as folder:
        root, signatures = roots.trace(encoder, view_shape, raw)
        checking.check_without_python(signatures)
        facts = model_card.describe(
            encoder,
            view_shape,
            encoding_size=signatures["encode"].structured_outputs["encoding"].shape[-1],
            raw_shape=raw.shape if raw else None,
            raw_dtype=raw.dtype if raw else None,
            formats=formats,
            facts=card or {},
        )
        tf.saved_model.save(root, folder, signatures=signatures)
        (folder / "model_card.json").write_text(model_card.to_json(facts), "utf-8")
        (folder / "README.md").write_text(model_card.to_markdown(facts), "utf-8")
        reference: dict[str, Any] = _reference(encoder, view_shape, raw)
        np.savez(folder / REFERENCE, **reference)
        if "archive" in formats:
            # Its own manifest, or it would lack files that the folder has.
            manifest.write(folder)
            archives.pack(folder, folder / export_formats.FILES["archive"])
        if "tflite" in formats:
            variables = [*root.variables, *root.preprocessing_variables]
            file = folder / export_formats.FILES["tflite"]
            export_formats.write_tflite(signatures, variables, file)
        if "onnx" in formats:
            file = folder / export_formats.FILES["onnx"]
            export_formats.write_onnx(encoder, view_shape, file)
        checking.check(folder, reference)
        if "saved_model" not in formats:
            _remove_saved_model(folder)
        manifest.write(folder)


def _check_replaceable(path: pathlib.Path) -> None:
    """Refuses to remove a folder that was never an export, such as a home."""
    marks = (manifest.NAME, "model_card.json", *SAVED_MODEL_PARTS)
    if path.is_dir() and any(path.iterdir()):
        if not any((path / mark).is_file() for mark in marks):
            raise ValueError(
                f"What is overwritten must be an export; {str(path)!r} is a folder "
                "of something else. Choose another path, or remove it yourself."
            )


def _reference(
    encoder: keras.layers.Layer,
    view_shape: tuple[int | None, ...],
    raw: serving.Preprocessing | None,
) -> dict[str, np.ndarray]:
    """Random inputs and the encodings that every format must give for them."""
    random = np.random.default_rng(0)

    def inputs(shape, dtype):
        values = random.random((5, *(size or 64 for size in shape)))
        scale = min(tf.as_dtype(dtype).max, 255) if "int" in dtype else 1
        return (values * scale).astype(dtype)

    def encode(views):
        encodings = encoder(tf.convert_to_tensor(views), training=False)
        return keras.ops.convert_to_numpy(keras.ops.cast(encodings, "float32"))

    views = inputs(view_shape, "float32")
    arrays = {"views": views, "encodings": encode(views)}
    if raw:
        arrays["raw"] = inputs(raw.shape, raw.dtype)
        arrays["encodings_of_raw"] = encode(raw.function(tf.constant(arrays["raw"])))
    return arrays


def _remove_saved_model(folder: pathlib.Path) -> None:
    for part in SAVED_MODEL_PARTS:
        if (folder / part).is_dir():
            shutil.rmtree(folder / part)
        else:
            (folder / part).unlink(missing_ok=True)


def view_shape_of(
    encoder: keras.layers.Layer, input_shape: Sequence[int | None] | None = None
) -> tuple[int | None, ...]:
    """Shape of a view without the rows.

    Args:
        encoder: What is to be exported.
        input_shape: The shape, if the encoder does not know it.

    Raises:
        ValueError: If it is no encoder that is built, or nothing tells the shape.
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
    if input_shape is not None:
        return tuple(input_shape)
    built_with = (encoder.get_build_config() or {}).get("input_shape")
    shape = built_with or getattr(encoder, "input_shape", None)
    if not shape or not all(size is None or isinstance(size, int) for size in shape):
        raise ValueError(
            "encoder must have one input of known shape; received "
            f"{encoder.name!r} with input shape {shape}. Pass input_shape, the shape "
            "of a view without the rows."
        )
    return tuple(shape[1:])
