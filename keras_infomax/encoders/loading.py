"""Encoders that begin with the weights of a file, of the Hugging Face Hub or KerasHub.

A source is a text. Names of architectures have none of the marks of paths and
addresses, so that one argument takes both:

    path/to/encoder.keras       a Keras model, or an InfoMax: its encoder
    path/to/folder              an export with encoder.keras, or the workdir of a run
    hf://user/name[/file]       the same, from the Hugging Face Hub
    keras_hub:PRESET            a backbone of images of KerasHub, with mean pooling
"""

import functools
import hashlib
import importlib
import pathlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import keras

from keras_infomax import checks, structures
from keras_infomax.files import hugging_face

KERAS_HUB = "keras_hub:"

# What messages call a source.
_ARGUMENT = "source of encoder"

# What a folder may have, and the first one there is taken: an export, a run.
_FILES = ("encoder.keras", "model.keras")
# A model of Keras as it is written to the Hub, beside its config.
_WEIGHTS = ("model.weights.h5", "model.weights.npz")
_CONFIG = "config.json"
_WANTED = ("*.keras", "*.json", "*.h5", "*.npz", "*.spm", "*.txt", "assets/*")
# Of the pixels that backbones of KerasHub were trained on.
_LARGEST_PIXEL = 255
_DIGITS = 16


def is_source(identifier: Any) -> bool:
    """Whether an identifier names weights, and no architecture.

    Args:
        identifier: What a user gives for an encoder.

    Example:
    >>> is_source("runs/digits/model.keras"), is_source("convnet")
    (True, False)
    """
    return isinstance(identifier, str) and any(mark in identifier for mark in "/.:")


def pretrained(source: str, input_shape: Any = None) -> keras.Model:
    """Loads an encoder, to go on training it.

    Of a saved `InfoMax` it is the encoder of the representation, `encoder_x`. What is
    frozen in a file stays frozen, its precision and the states of its random layers
    are those of the file. Files are loaded in Keras's safe mode.

    A backbone of KerasHub gets images in [0, 1]: those of its preset are scaled as its
    `ImageConverter` says, and not resized. Its features are averaged over locations.

    Args:
        source: Path of a `.keras` file; of an export with one
            (`formats=("saved_model", "keras")`) or the workdir of a run; an address
            `hf://user/name`, `hf://user/name@revision` or `hf://user/name/file`; or
            `keras_hub:` and the name, path or address of a preset.
        input_shape: Shape of a view without the rows, or a dictionary of shapes, that
            the encoder must take. Defaults to its own.

    Returns:
        Model from views to encodings `(rows, dim)`.

    Raises:
        ValueError: If there is none, or it takes other views or gives no encodings.
        ImportError: If a package that reads it is not installed.
        OSError: If it is on the Hub, and cannot be had.

    Example:
    >>> import tempfile
    >>> from keras_infomax import encoders
    >>> path = tempfile.mkdtemp() + "/encoder.keras"
    >>> encoders.mlp((4,), output_dim=8).save(path)
    >>> pretrained(path, input_shape=(4,)).output_shape
    (None, 8)
    """
    source = checks.text("source", source, "runs/digits/model.keras")
    input_shape = _checked_shape(input_shape)
    if source.startswith(KERAS_HUB):
        return _of_keras_hub(source, input_shape)
    model = _load(source)
    encoder = getattr(model, "encoder_x", model)
    taken = structures.of(encoder) if encoder.built else None
    if taken is None:
        raise _unfit(source, "a built model", "a model that was never built")
    _check(source, encoder, taken, input_shape)
    # Two copies may be parts of one network, in which names differ.
    encoder.name = f"pretrained_{keras.backend.get_uid('pretrained')}"
    return encoder


def _checked_shape(input_shape: Any) -> Any:
    if input_shape is None:
        return None
    if not isinstance(input_shape, dict) or not input_shape:
        return checks.view_shape("input_shape", input_shape)
    parts = input_shape.items()
    return {name: checks.view_shape("input_shape", shape) for name, shape in parts}


def builder(source: str) -> Callable[..., keras.Model]:
    """The function that loads an encoder, called as those of architectures are.

    Args:
        source: As for `pretrained`.
    """

    def make(input_shape, units=None, output_dim=None, categories=None):
        if units is not None:
            raise checks.refusal(
                "units",
                f"left out for {source!r}, which has layers of its own",
                units,
                "Leave out encoder_units.",
            )
        encoder = pretrained(source, input_shape)
        size = encoder.output_shape[-1]
        if output_dim not in (None, size):
            raise checks.refusal(
                "output_dim",
                f"None or {size}, the size of the encodings of {source!r}",
                output_dim,
                f"Write encoding_dim={size}.",
            )
        return encoder

    return make


def digest(identifiers: Any) -> str | None:
    """Tells what a run begins with from what lies at the same places tomorrow.

    Args:
        identifiers: What a user gives for an encoder, or several of them.

    Returns:
        Sixteen hexadecimal digits of the contents of all sources among them, in their
        order; of presets of KerasHub with a name, of their version. `None` if there is
        no source.

    Raises:
        ValueError: If there is nothing at a source.
        ImportError: If a package that reads it is not installed.
        OSError: If it is on the Hub, and cannot be had.
    """
    found = identifiers if isinstance(identifiers, list | tuple) else [identifiers]
    digests = [_digest(each) for each in found if is_source(each)]
    if not digests:
        return None
    text = ",".join(digests).encode()
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


def _digest(source: str) -> str:
    if source.startswith(KERAS_HUB):
        return _digest_of_preset(source)
    path = _locate(source)
    if path.is_file():
        return _digest_of_file(path)
    parts = (path / name for name in (_CONFIG, *_WEIGHTS))
    return ",".join(_digest_of_file(part) for part in parts if part.is_file())


def _digest_of_file(path: pathlib.Path) -> str:
    status = path.stat()
    return _digest_at(path.resolve(), status.st_mtime_ns, status.st_size)


@functools.lru_cache
def _digest_at(path: pathlib.Path, changed: int, size: int) -> str:
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _locate(source: str) -> pathlib.Path:
    """The file, or the folder as Keras writes one, in which a model lies.

    Raises:
        ValueError: If there is none.
    """
    if source.startswith(hugging_face.SCHEME):
        address = hugging_face.parse(_ARGUMENT, source)
        path = hugging_face.download(address, _WANTED)
    else:
        path = pathlib.Path(source).expanduser()
    if path.is_file():
        if path.suffix != ".keras":
            raise _unfit(source, "a .keras file", f"a file {path.suffix or path.name}")
        return path
    if not path.is_dir():
        raise _unfit(source, "the name of an architecture, or a path", "nothing there")
    for name in _FILES:
        if (path / name).is_file():
            return path / name
    if (path / _CONFIG).is_file() and any((path / n).is_file() for n in _WEIGHTS):
        return path
    others = sorted(path.glob("*.keras"))
    if len(others) == 1:
        return others[0]
    if (path / "saved_model.pb").is_file():
        raise checks.refusal(
            _ARGUMENT,
            "an export that holds encoder.keras, since a SavedModel cannot be trained "
            "further as a part of a run",
            source,
            "Export it with --formats=saved_model,keras; or, from Python, take "
            "keras_infomax.HubEncoder(path) as the encoder of an InfoMax.",
        )
    raise checks.refusal(
        _ARGUMENT,
        f"a folder with {' or '.join(_FILES)}",
        source,
        f"It has {'several .keras files: name one' if others else 'none of them'}.",
    )


def _load(source: str) -> Any:
    path = _locate(source)
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Damaged files raise errors of many kinds.
        raise ValueError(
            f"{_ARGUMENT} cannot be loaded; received {source!r}, which may be damaged, "
            f"or have layers that nobody has registered: {_told(error)}"
        ) from error


def _check(source: str, encoder: Any, taken: Any, input_shape: Any) -> None:
    """Refuses an encoder of other views, or one that gives no encodings."""
    inputs = _inputs(taken, input_shape)
    reason = ""
    try:
        found = None if inputs is None else encoder(inputs)
    except Exception as error:  # Layers raise errors of many kinds.
        found, reason = None, f" ({_told(error)})"
    if found is None:
        raise _unfit(
            source,
            f"an encoder of views of shape {_shown(input_shape)}",
            f"one that takes {structures.described(taken)}{reason}",
        )
    shape = getattr(found, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] is None:
        given = f"shape {shape}" if shape is not None else "several outputs"
        raise _unfit(source, "an encoder that gives (rows, dim)", f"one of {given}")


def _inputs(taken: Any, input_shape: Any) -> Any:
    """Symbolic views of a shape; `None` if they cannot be what is taken."""

    def symbolic(spec, shape):
        return keras.Input(shape, dtype=spec.dtype or "float32")

    if input_shape is None:
        return keras.tree.map_structure(
            lambda spec: symbolic(spec, (spec.shape or (None,))[1:]), taken
        )
    if isinstance(taken, structures.Spec) and not isinstance(input_shape, dict):
        if taken.shape is None or len(taken.shape) != len(input_shape) + 1:
            return None
        return symbolic(taken, input_shape)
    alike = isinstance(taken, dict) and isinstance(input_shape, dict)
    if not alike or taken.keys() != input_shape.keys():
        return None
    return {name: symbolic(spec, input_shape[name]) for name, spec in taken.items()}


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _shown(input_shape: Any) -> str:
    return "its own" if input_shape is None else str(input_shape)


def _unfit(source: str, expected: str, received: str) -> ValueError:
    advice = "Choose views that fit it, or another encoder."
    if received == "nothing there":
        advice = "Check the path."
    return ValueError(
        f"{_ARGUMENT} must be {expected}; received {source!r}, {received}. {advice}"
    )


def _keras_hub() -> ModuleType:
    try:
        return importlib.import_module("keras_hub")
    except ImportError as error:
        raise ImportError(
            f"encoder={KERAS_HUB}... needs keras-hub ({error}). Install it with "
            '`pip install "keras_infomax[keras_hub]"`.'
        ) from error


def _preset(source: str) -> str:
    """The name or path of a preset, as KerasHub takes it."""
    preset = source.removeprefix(KERAS_HUB)
    if preset.startswith(hugging_face.SCHEME):
        address = hugging_face.parse(_ARGUMENT, preset, file=False)
        return str(hugging_face.download(address, _WANTED))
    folder = pathlib.Path(preset).expanduser()
    if folder.is_dir():
        return str(folder)
    known = _keras_hub().models.Backbone.presets
    if preset not in known and "://" not in preset:
        raise ValueError(
            f"{_ARGUMENT} must be a preset of KerasHub, or a folder of one; received "
            f"{source!r}.{checks.nearest(preset, known)} Its documentation lists all."
        )
    return preset


def _digest_of_preset(source: str) -> str:
    preset = _preset(source)
    folder = pathlib.Path(preset)
    if folder.is_dir():
        parts = sorted(part for part in folder.rglob("*") if part.is_file())
        told = (f"{p.relative_to(folder)}:{_digest_of_file(p)}" for p in parts)
        return ",".join(told)
    # The handle ends with the version, which stands for the contents.
    known = _keras_hub().models.Backbone.presets
    return known.get(preset, {}).get("kaggle_handle", preset)


def _of_keras_hub(source: str, input_shape: Any) -> keras.Model:
    library, preset = _keras_hub(), _preset(source)
    try:
        backbone = library.models.Backbone.from_preset(preset)
    except Exception as error:  # Of the network, of files, of layers.
        raise ValueError(
            f"{_ARGUMENT} cannot be loaded; received {source!r}: {_told(error)}"
        ) from error
    taken = structures.of(backbone)
    words = f"one that takes {structures.described(taken)}"
    shape = getattr(taken, "shape", None)
    if shape is None or len(shape) != 4:
        raise _unfit(source, "a backbone of images", words)
    image = keras.Input(shape[1:] if input_shape is None else input_shape)
    try:
        # Scales of channels would make several of one.
        _check_sizes(shape, image.shape)
        features = backbone(_scaling(library, preset)(image))
    except Exception as error:  # Layers raise errors of many kinds.
        raise _unfit(
            source,
            f"a backbone of images of shape {_shown(input_shape)}",
            f"{words} ({_told(error)})",
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
        raise _unfit(source, "a backbone of one output", "one of several")
    return features
