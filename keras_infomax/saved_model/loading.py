"""Loads an export as a Keras layer."""

import os

from keras_infomax import checks
from keras_infomax.saved_model.hub_encoder import HubEncoder


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
    path = checks.path("path", path, "exports/encoder")
    return HubEncoder(path, trainable=checks.boolean("trainable", trainable))
