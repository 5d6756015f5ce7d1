"""Encoders that begin with the weights of a file, of the Hugging Face Hub or KerasHub.

A source is a text. Names of architectures have none of the marks of paths and
addresses, so that one argument takes both:

    path/to/encoder.keras       a Keras model, or an InfoMax: its encoder
    path/to/folder              an export with encoder.keras, or the workdir of a run
    hf://user/name[/file]       the same, from the Hugging Face Hub
    keras_hub:PRESET            a backbone of images of KerasHub, with mean pooling
"""

import hashlib
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from keras_infomax import checks, structures
from keras_infomax.encoders import keras_hub, sources
from keras_infomax.files import hugging_face

# What a folder may have, and the first one there is taken: an export, a run.
_FILES = ("encoder.keras", "model.keras")
# A model of Keras as it is written to the Hub, beside its config.
_WEIGHTS = ("model.weights.h5", "model.weights.npz")
_CONFIG = "config.json"
_DIGITS = 16


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
    if source.startswith(sources.KERAS_HUB):
        return keras_hub.encoder(source, input_shape)
    model = _load(source)
    encoder = getattr(model, "encoder_x", model)
    taken = structures.of(encoder) if encoder.built else None
    if taken is None:
        raise sources.unfit(source, "a built model", "a model that was never built")
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
    digests = [_digest(each) for each in found if sources.is_source(each)]
    if not digests:
        return None
    text = ",".join(digests).encode()
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


def _digest(source: str) -> str:
    if source.startswith(sources.KERAS_HUB):
        return keras_hub.digest(source)
    path = _locate(source)
    if path.is_file():
        return sources.digest_of_file(path)
    parts = (path / name for name in (_CONFIG, *_WEIGHTS))
    return ",".join(sources.digest_of_file(part) for part in parts if part.is_file())


def _locate(source: str) -> pathlib.Path:
    """The file, or the folder as Keras writes one, in which a model lies.

    Raises:
        ValueError: If there is none.
    """
    if source.startswith(hugging_face.SCHEME):
        address = hugging_face.parse(sources.ARGUMENT, source)
        path = hugging_face.download(address, sources.WANTED)
    else:
        path = pathlib.Path(source).expanduser()
    if path.is_file():
        if path.suffix != ".keras":
            raise sources.unfit(
                source, "a .keras file", f"a file {path.suffix or path.name}"
            )
        return path
    if not path.is_dir():
        raise sources.unfit(
            source, "the name of an architecture, or a path", "nothing there"
        )
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
            sources.ARGUMENT,
            "an export that holds encoder.keras, since a SavedModel cannot be trained "
            "further as a part of a run",
            source,
            "Export it with --formats=saved_model,keras; or, from Python, take "
            "keras_infomax.HubEncoder(path) as the encoder of an InfoMax.",
        )
    raise checks.refusal(
        sources.ARGUMENT,
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
            f"{sources.ARGUMENT} cannot be loaded; received {source!r}, which may be "
            f"damaged, or have layers that nobody has registered: {sources.told(error)}"
        ) from error


def _check(source: str, encoder: Any, taken: Any, input_shape: Any) -> None:
    """Refuses an encoder of other views, or one that gives no encodings."""
    inputs = _inputs(taken, input_shape)
    reason = ""
    try:
        found = None if inputs is None else encoder(inputs)
    except Exception as error:  # Layers raise errors of many kinds.
        found, reason = None, f" ({sources.told(error)})"
    if found is None:
        raise sources.unfit(
            source,
            f"an encoder of views of shape {sources.shown(input_shape)}",
            f"one that takes {structures.described(taken)}{reason}",
        )
    shape = getattr(found, "shape", None)
    if shape is None or len(shape) != 2 or shape[1] is None:
        given = f"shape {shape}" if shape is not None else "several outputs"
        raise sources.unfit(
            source, "an encoder that gives (rows, dim)", f"one of {given}"
        )


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
