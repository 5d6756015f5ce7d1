"""Backbones of images of KerasHub, as encoders that begin with their weights."""

import importlib
import pathlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import keras

from keras_infomax import checks, structures
from keras_infomax.encoders import sources
from keras_infomax.files import hugging_face

# Of the pixels that backbones were trained on.
_LARGEST_PIXEL = 255


def _library() -> ModuleType:
    try:
        return importlib.import_module("keras_hub")
    except ImportError as error:
        raise ImportError(
            f"encoder={sources.KERAS_HUB}... needs keras-hub ({error}). Install it "
            'with `pip install "keras_infomax[keras_hub]"`.'
        ) from error


def _preset(source: str) -> str:
    """The name or path of a preset, as KerasHub takes it."""
    preset = source.removeprefix(sources.KERAS_HUB)
    if preset.startswith(hugging_face.SCHEME):
        address = hugging_face.parse(sources.ARGUMENT, preset, file=False)
        return str(hugging_face.download(address, sources.WANTED))
    folder = pathlib.Path(preset).expanduser()
    if folder.is_dir():
        return str(folder)
    known = _library().models.Backbone.presets
    if preset not in known and "://" not in preset:
        hint = checks.nearest(preset, known)
        raise ValueError(
            f"{sources.ARGUMENT} must be a preset of KerasHub, or a folder of one; "
            f"received {source!r}.{hint} Its documentation lists all."
        )
    return preset


def digest(source: str) -> str:
    """What tells a preset from others: contents of a folder, or a version.

    Args:
        source: `keras_hub:` and the name, path or address of a preset.

    Raises:
        ValueError: If there is no such preset.
    """
    preset = _preset(source)
    folder = pathlib.Path(preset)
    if folder.is_dir():
        parts = sorted(part for part in folder.rglob("*") if part.is_file())
        told = (f"{p.relative_to(folder)}:{sources.digest_of_file(p)}" for p in parts)
        return ",".join(told)
    # The handle ends with the version, which stands for the contents.
    known = _library().models.Backbone.presets
    return known.get(preset, {}).get("kaggle_handle", preset)


def encoder(source: str, input_shape: Any) -> keras.Model:
    """The backbone of a preset, with images scaled before it and its features pooled.

    Args:
        source: As for `digest`.
        input_shape: Shape of an image, or `None` for that of the backbone.

    Raises:
        ValueError: If it cannot be loaded, or takes other images.
    """
    library, preset = _library(), _preset(source)
    try:
        backbone = library.models.Backbone.from_preset(preset)
    except Exception as error:  # Of the network, of files, of layers.
        raise ValueError(
            f"{sources.ARGUMENT} cannot be loaded; received {source!r}: "
            f"{sources.told(error)}"
        ) from error
    taken = structures.of(backbone)
    words = f"one that takes {structures.described(taken)}"
    shape = getattr(taken, "shape", None)
    if shape is None or len(shape) != 4:
        raise sources.unfit(source, "a backbone of images", words)
    image = keras.Input(shape[1:] if input_shape is None else input_shape)
    try:
        # Scales of channels would make several of one.
        _check_sizes(shape, image.shape)
        features = backbone(_scaling(library, preset)(image))
    except Exception as error:  # Layers raise errors of many kinds.
        raise sources.unfit(
            source,
            f"a backbone of images of shape {sources.shown(input_shape)}",
            f"{words} ({sources.told(error)})",
        ) from error
    pooled = _pooled(source, features)
    name = f"pretrained_{keras.backend.get_uid('pretrained')}"
    return keras.Model(image, pooled, name=name)


def _check_sizes(taken: Any, given: Any) -> None:
    if len(taken) != len(given):
        raise ValueError("another number of axes")
    for ours, theirs in zip(taken[1:], given[1:], strict=True):
        if None not in (ours, theirs) and ours != theirs:
            raise ValueError(f"{theirs} where it takes {ours}")


def _scaling(library: ModuleType, preset: str) -> keras.layers.Layer:
    """From images in [0, 1] to what the backbone of a preset was trained on."""
    try:
        converter = library.layers.ImageConverter.from_preset(preset)
    except (FileNotFoundError, ValueError):  # It has none.
        return keras.layers.Identity()
    scales = [*_each(1.0 if converter.scale is None else converter.scale)]
    offsets = [*_each(0.0 if converter.offset is None else converter.offset)]
    scales = [_LARGEST_PIXEL * scale for scale in scales]
    return keras.layers.Rescaling(
        scales if len(scales) > 1 else scales[0],
        offsets if len(offsets) > 1 else offsets[0],
    )


def _each(value: Any) -> Iterator[float]:
    yield from map(float, value if isinstance(value, list | tuple) else [value])


def _pooled(source: str, features: Any) -> Any:
    rank = len(getattr(features, "shape", ()))
    if rank == 4:
        return keras.layers.GlobalAveragePooling2D()(features)
    if rank == 3:
        return keras.layers.GlobalAveragePooling1D()(features)
    if rank != 2:
        raise sources.unfit(source, "a backbone of one output", "one of several")
    return features
