"""Exports a trained encoder for others to load, and loads it as a Keras layer.

The export is one TensorFlow SavedModel that runs, and can be fine-tuned, where this
package is not installed.
"""

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_infomax import files, model_card, models, runs, supervised
from keras_infomax.hub_encoder import HubEncoder


def export(
    encoder: keras.layers.Layer,
    path: str | os.PathLike,
    overwrite: bool = False,
    input_shape: Sequence[int | None] | None = None,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Writes an encoder as a SavedModel that works without this package.

    The folder loads with `tf.saved_model.load`, `hub.load`, `hub.KerasLayer` (of
    tf_keras), `keras.layers.TFSMLayer` and `load`. The loaded object answers to
    `__call__(inputs, training=False)`, for any number of rows and in float32 whatever
    the encoder's precision. It has `variables`, `trainable_variables` and
    `regularization_losses`, the endpoints `serve` and `serve_training`, and the
    signature `serving_default`, from `inputs` to `encoding`. Beside it,
    `model_card.json` and `README.md` say what it is and how to load it.

    Regularisation of weights is carried; losses that an encoder adds for its inputs,
    such as activity regularisation, are not.

    Args:
        encoder: Built Keras model or layer mapping views `(rows, ...)` to encodings
            `(rows, dim)`.
        path: The folder to write. It appears whole or not at all.
        overwrite: Whether to replace what is at `path`.
        input_shape: Shape of a view without the rows. Defaults to the shape that the
            encoder was built with.
        card: Further facts for the card, such as `"dataset"`, `"input_range"`,
            `"mi"` and `"mi_ceiling"` in nats, `"probe_accuracy"`, `"pixel_baseline"`.

    Raises:
        ValueError: If `path` exists and `overwrite` is false, if the encoder is not
            built or is no map from a view to a vector, or if `card` is not plain data.

    Example:
    >>> import tempfile
    >>> encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> folder = tempfile.mkdtemp() + "/encoder"
    >>> export(encoder, folder, card={"dataset": "digits"})
    >>> tf.saved_model.load(folder)(tf.ones((3, 4))).shape
    TensorShape([3, 2])
    """
    view_shape = _view_shape(encoder, input_shape)
    with files.new_folder(path, overwrite) as folder:
        root, signature = _trace(encoder, view_shape)
        size = signature.structured_outputs["encoding"].shape[-1]
        facts = model_card.describe(encoder, view_shape, size, card or {})
        tf.saved_model.save(root, folder, signatures={"serving_default": signature})
        (folder / "model_card.json").write_text(model_card.to_json(facts), "utf-8")
        (folder / "README.md").write_text(model_card.to_markdown(facts), "utf-8")


def _view_shape(
    encoder: keras.layers.Layer, input_shape: Sequence[int | None] | None
) -> tuple[int | None, ...]:
    """Shape of a view without the rows."""
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
    encoder: keras.layers.Layer, view_shape: tuple[int | None, ...]
) -> tuple[tf.train.Checkpoint, Any]:
    """Root object and signature of the SavedModel."""
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
    def signature(inputs):
        return {"encoding": call(inputs, training=False)}

    for training in (False, True):
        shape = call.get_concrete_function(views, training=training).output_shapes
        if shape.rank != 2 or shape[-1] is None:
            raise ValueError(
                "encoder must map a view to encodings of shape (rows, dim); received "
                f"shape {tuple(shape)} for views (rows, {str(view_shape)[1:]}. Pool or "
                "flatten its output."
            )
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
    return root, signature.get_concrete_function()


def _regularization(variable):
    @tf.function(input_signature=[])
    def loss():
        return tf.cast(variable.regularizer(variable), tf.float32)

    return loss


def load(path: str | os.PathLike, trainable: bool = True) -> HubEncoder:
    """Loads an export as a Keras layer. The same as `HubEncoder(path, trainable)`.

    Args:
        path: Folder that `export` wrote.
        trainable: Whether to fine-tune the encoder or to keep it frozen.

    Returns:
        The `HubEncoder`.

    Raises:
        ValueError: If there is no such export at `path`.
    """
    return HubEncoder(path, trainable=trainable)


def export_workdir(
    workdir: str | os.PathLike,
    output: str | os.PathLike,
    encoder: str = "x",
    overwrite: bool = False,
) -> None:
    """Exports an encoder of a finished training run.

    Args:
        workdir: Folder of the run, with `model.keras`, `config.json` and
            `metrics.csv`. Config and last metrics go on the card.
        output: The folder to write.
        encoder: `"x"` or `"y"`, the encoder of the first or the second view.
        overwrite: Whether to replace what is at `output`.

    Raises:
        ValueError: If the run is missing, unfinished or damaged, or `output` exists
            and `overwrite` is false, or the run trained a classifier and `encoder` is
            `"y"`, which it has not.
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
    metrics = _read(workdir / "metrics.csv", _read_last_row)
    if encoder == "y" and isinstance(model, supervised.Classifier):
        raise ValueError(
            f'encoder must be "x" for {str(workdir)!r}, which trained a classifier of '
            'the first view; received "y".'
        )
    if encoder == "y" and model.encoder_y is not model.encoder_x:
        # They were measured on the first view and its encodings.
        metrics |= {"probe_accuracy": None, "pixel_baseline": None}
    card = {
        "dataset": config.get("dataset"),
        "input_range": [0, 1],  # What keras_infomax.datasets feeds every encoder.
        "view": encoder,
        **metrics,
        "config": config,
    }
    chosen = model.encoder_x if encoder == "x" else model.encoder_y
    export(chosen, output, overwrite=overwrite, card=card)


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
