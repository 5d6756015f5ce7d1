"""Names of pretrained encoders, and what messages say of them."""

import functools
import hashlib
import pathlib
from typing import Any

KERAS_HUB = "keras_hub:"

# What messages call a source.
ARGUMENT = "source of encoder"
# Files of models and presets in a repository of the Hugging Face Hub.
WANTED = ("*.keras", "*.json", "*.h5", "*.npz", "*.spm", "*.txt", "assets/*")


def is_source(identifier: Any) -> bool:
    """Whether an identifier names weights, and no architecture.

    Args:
        identifier: What a user gives for an encoder.

    Example:
    >>> is_source("runs/digits/model.keras"), is_source("convnet")
    (True, False)
    """
    return isinstance(identifier, str) and any(mark in identifier for mark in "/.:")


def digest_of_file(path: pathlib.Path) -> str:
    """SHA-256 of a file, computed once for each state of it.

    Args:
        path: The file.
    """
    status = path.stat()
    return _digest_at(path.resolve(), status.st_mtime_ns, status.st_size)


@functools.lru_cache
def _digest_at(path: pathlib.Path, changed: int, size: int) -> str:
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def told(error: Exception) -> str:
    """The message of an error on one line, cut where it is long.

    Args:
        error: The error.
    """
    return " ".join(str(error).split())[:300]


def shown(input_shape: Any) -> str:
    """A shape as messages show it.

    Args:
        input_shape: The shape, or `None` for that of the encoder.
    """
    return "its own" if input_shape is None else str(input_shape)


def unfit(source: str, expected: str, received: str) -> ValueError:
    """The error of a source that is not what is needed.

    Args:
        source: The source.
        expected: What it should be.
        received: What it is.
    """
    advice = "Choose views that fit it, or another encoder."
    if received == "nothing there":
        advice = "Check the path."
    return ValueError(
        f"{ARGUMENT} must be {expected}; received {source!r}, {received}. {advice}"
    )
