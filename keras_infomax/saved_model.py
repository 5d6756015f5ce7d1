"""Exports a trained encoder for others to load, and loads it as a Keras layer.

The export is one TensorFlow SavedModel that runs, and can be fine-tuned, where this
package is not installed.
"""

import json
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_infomax import (
    archives,
    files,
    manifest,
    model_card,
    models,
    runs,
    serving,
    supervised,
)
from keras_infomax import formats as export_formats
from keras_infomax.hub_encoder import SAVED_MODEL_PARTS, HubEncoder
from keras_infomax.settings import Settings

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
    if overwrite:
        _check_replaceable(pathlib.Path(path))
    view_shape = _view_shape(encoder, input_shape)
    raw = serving.resolve(preprocessing, raw_shape, raw_dtype)
    with files.new_folder(path, overwrite) as folder:
        root, signatures = _trace(encoder, view_shape, raw)
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
            path = folder / export_formats.FILES["tflite"]
            export_formats.write_tflite(signatures, variables, path)
        if "onnx" in formats:
            path = folder / export_formats.FILES["onnx"]
            export_formats.write_onnx(encoder, view_shape, path)
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


def _view_shape(
    encoder: keras.layers.Layer, input_shape: Sequence[int | None] | None
) -> tuple[int | None, ...]:
    """Shape of a view without the rows."""
    if isinstance(encoder, models.InfoMax):
        raise ValueError(
            f"encoder must be one encoder; received {encoder.name!r}, a whole InfoMax "
            "model. Export its encoder_x."
        )
    if not isinstance(encoder, keras.Layer):
        raise ValueError(
            f"encoder must be a Keras model or layer; received {encoder!r}."
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


def _trace(
    encoder: keras.layers.Layer,
    view_shape: tuple[int | None, ...],
    raw: serving.Preprocessing | None,
) -> tuple[tf.train.Checkpoint, dict[str, Any]]:
    """Root object and signatures of the SavedModel."""
    views = tf.TensorSpec((None, *view_shape), tf.float32, name="inputs")

    @tf.function
    def call(inputs, training=False):
        # Half precision stays inside: not every consumer has it.
        return tf.cast(encoder(inputs, training=training), tf.float32)

    @tf.function(input_signature=[views])
    def serve(inputs):
        return call(inputs, training=False)

    @tf.function(input_signature=[views])
    def serve_training(inputs):
        return call(inputs, training=True)

    @tf.function(input_signature=[views])
    def encode(inputs):
        # Signatures do not compare shapes: three channels would pass for three rows.
        inputs = tf.ensure_shape(inputs, views.shape)
        return {"encoding": call(inputs, training=False)}

    for training in (False, True):
        shape = call.get_concrete_function(views, training=training).output_shapes
        if shape.rank != 2 or shape[-1] is None:
            raise ValueError(
                "encoder must map a view to encodings of shape (rows, dim); received "
                f"shape {tuple(shape)} for views (rows, {str(view_shape)[1:]}. Pool or "
                "flatten its output."
            )
    signatures = {"encode": encode.get_concrete_function()}
    # Not a tf.Module, whose trainable_variables is read-only. Keras 3 leaves the seeds
    # of random layers out of `weights`.
    root = tf.train.Checkpoint()
    root.__call__ = call
    root.serve = serve
    root.serve_training = serve_training
    root.variables = [v.value for v in encoder.variables]
    root.trainable_variables = [v.value for v in encoder.trainable_variables]
    root.regularization_losses = [
        _regularization(v) for v in encoder.trainable_variables if v.regularizer
    ]
    root.preprocessing_variables = raw.variables if raw else []
    if raw is None:
        signatures["serving_default"] = signatures["encode"]
    else:
        signatures["serving_default"] = _trace_raw(raw, call, views.shape)
    return root, signatures


def _trace_raw(raw: serving.Preprocessing, call: Any, views_shape: tf.TensorShape):
    """Signature from raw inputs to encodings."""

    @tf.function(input_signature=[raw.spec])
    def serve_raw(inputs):
        views = raw.function(tf.ensure_shape(inputs, raw.spec.shape))
        if views.dtype != tf.float32 or not views_shape.is_compatible_with(views.shape):
            raise ValueError(
                "preprocessing must give float32 views of shape "
                f"{views_shape}; received {views.dtype.name} of shape {views.shape} "
                f"for raw inputs {raw.spec.shape}. Correct it, or raw_shape."
            )
        views = tf.ensure_shape(views, views_shape)
        return {"encoding": call(views, training=False)}

    return serve_raw.get_concrete_function()


def _regularization(variable):
    @tf.function(input_signature=[])
    def loss():
        return tf.cast(variable.regularizer(variable), tf.float32)

    return loss


def load(path: str | os.PathLike, trainable: bool = True) -> HubEncoder:
    """Loads an export as a Keras layer. The same as `HubEncoder(path, trainable)`.

    Args:
        path: Folder that `export` wrote, or the `.tar.gz` of one.
        trainable: Whether to fine-tune the encoder or to keep it frozen.

    Returns:
        The `HubEncoder`.

    Raises:
        ValueError: If there is no such export at `path`, or it is damaged.
    """
    return HubEncoder(path, trainable=trainable)


def export_workdir(
    workdir: str | os.PathLike,
    output: str | os.PathLike,
    encoder: str = "x",
    overwrite: bool = False,
    formats: Sequence[str] = ("saved_model",),
    image_dtype: str = "uint8",
) -> None:
    """Exports an encoder of a finished training run.

    Its signature `serving_default` takes images as the data set holds them: it scales
    them to [0, 1], resizes them if the run did, and takes the view. See
    `serving.of_run` for what it does where views are noisy or random.

    Args:
        workdir: Folder of the run, with `model.keras`, `config.json` and
            `metrics.csv`. Config and last metrics go on the card.
        output: The folder to write.
        encoder: `"x"` or `"y"`, the encoder of the first or the second view.
        overwrite: Whether to replace an export that is at `output`.
        formats: As for `export`.
        image_dtype: Dtype of the images that `serving_default` takes: `"uint8"`, as
            in all data sets with a name, or `"float32"` in [0, 1].

    Raises:
        ValueError: If the run is missing, unfinished or damaged, or `output` exists
            and `overwrite` is false, or `encoder` is `"y"` and the run has no encoder
            of a second view, or a format is unknown or cannot express the encoder.
        ImportError: If a package that writes a format is not installed.
    """
    if encoder not in ("x", "y"):
        raise ValueError(f'encoder must be "x" or "y"; received {encoder!r}.')
    workdir, output = pathlib.Path(workdir), pathlib.Path(output)
    if workdir.resolve().is_relative_to(output.resolve()):
        raise ValueError(
            f"output must not contain the training run; received {str(output)!r}, "
            f"with the run in {str(workdir)!r}. Choose another folder."
        )
    for name in ("model.keras", "config.json", "metrics.csv"):
        if not (workdir / name).is_file():
            raise ValueError(
                "workdir must be the folder of a finished training run; "
                f"{str(workdir)!r} has no {name}. Let the training finish first."
            )
    model = _read(workdir / "model.keras", _read_model)
    config = _read(workdir / "config.json", _read_config)
    settings = _read(workdir / "config.json", lambda _: Settings.resolve(config))
    metrics = _read(workdir / "metrics.csv", _read_last_row)
    if encoder == "y" and not hasattr(model, "encoder_y"):
        raise ValueError(
            f'encoder must be "x" for {str(workdir)!r}, which has trained no encoder '
            'of a second view; received "y".'
        )
    if encoder == "y" and model.encoder_y is not model.encoder_x:
        # They were measured on the first view and its encodings.
        metrics |= {"probe_accuracy": None, "pixel_baseline": None}
    card = {
        "dataset": config.get("dataset"),
        "input_range": [0, 1],  # What keras_infomax.datasets feeds every encoder.
        "view": encoder,
        **{name: value for name, value in metrics.items() if value is not None},
        "config": config,
    }
    chosen = model.encoder_x if encoder == "x" else model.encoder_y
    export(
        chosen,
        output,
        overwrite=overwrite,
        card=card,
        preprocessing=serving.of_run(
            settings, "xy".index(encoder), _view_shape(chosen, None), image_dtype
        ),
        formats=formats,
    )


def _read(path, reader):
    try:
        return reader(path)
    except Exception as error:  # Damage shows in as many ways as there are formats.
        raise ValueError(
            f"{path} cannot be read; it may be damaged: {error}"
        ) from error


def _read_model(path: pathlib.Path) -> models.InfoMax | supervised.Classifier:
    model = keras.saving.load_model(path, compile=False)
    if not isinstance(model, models.InfoMax | supervised.Classifier):
        raise ValueError(
            f"it holds a {type(model).__name__}, not an InfoMax model or a classifier."
        )
    return model


def _read_config(path: pathlib.Path) -> dict[str, Any]:
    config = json.loads(path.read_text("utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"it holds a {type(config).__name__}, not a mapping.")
    return config


def _read_last_row(path: pathlib.Path) -> dict[str, Any]:
    rows = runs.read_metrics(path)
    if not rows:
        raise ValueError("it has no rows.")
    return rows[-1]
