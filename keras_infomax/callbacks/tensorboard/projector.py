"""Writes encodings, labels and images for TensorBoard's embedding projector."""

import math
import os
import pathlib
from typing import Any

import numpy as np

from keras_infomax import files
from keras_infomax.lazy_tensorflow import tf

# Largest number of points that a browser can move smoothly.
MOST_POINTS = 1000

# Height and width of a sprite that TensorBoard can show.
_MOST_PIXELS = 8192

NAME = "encodings"
_CONFIG, _TENSOR, _LABELS, _SPRITE = _FILES = (
    "projector_config.pbtxt",
    f"{NAME}.tsv",
    "labels.tsv",
    "sprite.png",
)


def spread(rows: int, most: int = MOST_POINTS) -> np.ndarray:
    """Evenly spaced indices of rows, at most `most`; rows sorted by class keep all.

    Args:
        rows: Number of rows.
        most: Largest number of indices.

    Example:
    >>> spread(10, most=4).tolist()
    [0, 3, 6, 9]
    """
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(int))


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Shrinks images so that all fit into one sprite that browsers can show.

    Args:
        images: Array `(rows, height, width, channels)`.

    Returns:
        Every nth row and column of their pixels; small images are unchanged.

    Example:
    >>> thumbnails(np.zeros((1000, 512, 300, 1))).shape
    (1000, 256, 150, 1)
    """
    side = math.ceil(math.sqrt(len(images)))
    every = math.ceil(side * max(images.shape[1:3]) / _MOST_PIXELS)
    return images[:, ::every, ::every]


def sprite(images: np.ndarray) -> np.ndarray:
    """Combines all images into one, row by row, in TensorBoard's order.

    Args:
        images: Float array `(rows, height, width, channels)`, of 1 or 3 channels.

    Returns:
        uint8 array `(height * n, width * n, channels)` with the smallest sufficient n.
        The smallest value is black and the largest white.
    """
    rows, height, width, channels = images.shape
    side = math.ceil(math.sqrt(rows))
    low, high = images.min(), images.max()
    scaled = np.zeros((side * side, height, width, channels), "uint8")
    scaled[:rows] = np.round(255 * (images - low) / max(high - low, 1e-12))
    grid = scaled.reshape(side, side, height, width, channels).swapaxes(1, 2)
    return grid.reshape(side * height, side * width, channels)


def write(
    folder: str | os.PathLike, encodings: np.ndarray, labels: Any, views: Any
) -> None:
    """Writes the files of the projector.

    Args:
        folder: Folder of a TensorBoard run, which must also contain event files.
        encodings: Float array `(rows, dim)`.
        labels: Classes `(rows,)`.
        views: The encoded views, `(rows, ...)`, or a structure of arrays. Images are
            shown as thumbnails.
    """
    from tensorboard.plugins.projector import ProjectorConfig

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = NAME
    embedding.tensor_path = _TENSOR
    embedding.metadata_path = _LABELS
    # Enough digits to represent every float32.
    table = "\n".join("\t".join([f"{v:.9g}" for v in row]) for row in encodings)
    files.write_text(folder / embedding.tensor_path, table + "\n")
    lines = "\n".join(str(label) for label in np.asarray(labels))
    files.write_text(folder / embedding.metadata_path, lines + "\n")
    if getattr(views, "ndim", None) == 4 and views.shape[-1] in (1, 3):
        shown = thumbnails(views)
        picture = sprite(shown)
        embedding.sprite.image_path = _SPRITE
        embedding.sprite.single_image_dim.extend([shown.shape[2], shown.shape[1]])
        with files.replaced_file(folder / embedding.sprite.image_path) as temporary:
            temporary.write_bytes(tf.io.encode_png(picture).numpy())
    # Last, since it names the others.
    files.write_text(folder / _CONFIG, str(config))


def remove(folder: str | os.PathLike) -> None:
    """Removes the files of `write`, and no others.

    Args:
        folder: The folder, which need not exist.
    """
    for name in _FILES:
        (pathlib.Path(folder) / name).unlink(missing_ok=True)
