"""Exports an encoder of a finished training run, with what the run knows about it."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras

from keras_infomax import checks, files, models
from keras_infomax.saved_model import formats as export_formats
from keras_infomax.saved_model import serving
from keras_infomax.saved_model.exporting import export, views_of
from keras_infomax.training import runs
from keras_infomax.training.experiments import supervised
from keras_infomax.training.settings import Settings


def export_workdir(
    workdir: str | os.PathLike,
    output: str | os.PathLike,
    encoder: str = "x",
    overwrite: bool = False,
    formats: Sequence[str] = ("saved_model",),
    image_dtype: str = "uint8",
    head: bool = False,
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
        head: Whether the projection head is exported with it, kept apart; see `export`.

    Raises:
        ValueError: If the run is missing, unfinished or damaged, or `output` exists
            and `overwrite` is false, or `encoder` is `"y"` and the run has no encoder
            of a second view, or there is no head to export, or a format is unknown or
            cannot express the encoder.
        ImportError: If a package that writes a format is not installed.
    """
    checks.one_of("encoder", encoder, ("x", "y"))
    export_formats.check(formats)
    checks.boolean("overwrite", overwrite)
    checks.boolean("head", head)
    checks.one_of("image_dtype", image_dtype, ("uint8", "float32"))
    workdir = pathlib.Path(checks.path("workdir", workdir))
    output = pathlib.Path(checks.path("output", output, "exports/encoder"))
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
    config = files.read_json(workdir / "config.json")
    settings = _read(workdir / "config.json", lambda _: Settings.resolve(config))
    metrics = _read(
        workdir / "metrics.csv", lambda path: _read_row(path, settings.select)
    )
    if encoder == "y" and not hasattr(model, "encoder_y"):
        raise ValueError(
            f'encoder must be "x" for {str(workdir)!r}, which has trained no encoder '
            'of a second view; received "y".'
        )
    if encoder == "y" and model.encoder_y is not model.encoder_x:
        # They were measured on the first view and its encodings.
        metrics |= {"probe_accuracy": None, "raw_baseline": None}
    projection = getattr(model, "projection_head", None) if head else None
    if head and projection is None:
        raise ValueError(
            f"head must be False for {str(workdir)!r}, whose model has no projection "
            "head; received True. Leave it out (--nohead)."
        )
    chosen = model.encoder_x if encoder == "x" else model.encoder_y
    view = views_of(chosen)
    # Of several parts, as of tables with categories, there is none.
    view_shape = tuple(view.shape[1:]) if hasattr(view, "shape") else ()
    card = {
        "dataset": config.get("dataset"),
        # What keras_infomax.datasets feeds every encoder of images.
        **({"input_range": [0, 1]} if len(view_shape) == 3 else {}),
        "view": encoder,
        **{name: value for name, value in metrics.items() if value is not None},
        "config": config,
    }
    export(
        chosen,
        output,
        overwrite=overwrite,
        card=card,
        preprocessing=serving.of_run(
            settings, "xy".index(encoder), view_shape, image_dtype
        ),
        formats=formats,
        head=projection,
    )


def _read(path, reader):
    try:
        return reader(path)
    except Exception as error:  # Damaged files raise errors of many kinds.
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


def _read_row(path: pathlib.Path, select: str) -> dict[str, Any]:
    rows = runs.read_metrics(path)
    if not rows:
        raise ValueError("it has no rows.")
    return runs.selected(rows, select)
