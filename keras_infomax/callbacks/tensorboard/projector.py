"""Encodings as TensorBoard's embedding projector takes them: with labels and images."""

import math
import os
import pathlib
from typing import Any

import numpy as np

from keras_infomax import files
from keras_infomax.lazy_tensorflow import tf

# What a browser moves smoothly.
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
    """Indices of at most so many rows, evenly spaced: of all classes if sorted by them.

    Args:
        rows: Number of rows.
        most: Largest number of indices.

    Example:
    >>> spread(10, most=4).tolist()
    [0, 3, 6, 9]
    """
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(int))


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Images small enough to lie side by side in one that browsers can show.

    Args:
        images: Array `(rows, height, width, channels)`.

    Returns:
        Every so many rows and columns of their pixels; the images, if they are small.

    Example:
    >>> thumbnails(np.zeros((1000, 512, 300, 1))).shape
    (1000, 256, 150, 1)
    """
    side = math.ceil(math.sqrt(len(images)))
    every = math.ceil(side * max(images.shape[1:3]) / _MOST_PIXELS)
    return images[:, ::every, ::every]


def sprite(images: np.ndarray) -> np.ndarray:
    """All images in one, row by row, in the order in which TensorBoard cuts it.

    Args:
        images: Float array `(rows, height, width, channels)`, of 1 or 3 channels.

    Returns:
        uint8 array `(height * n, width * n, channels)` with the smallest such n, the
        smallest value black and the largest white.
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
    """Writes what the projector shows.

    Args:
        folder: Folder of a TensorBoard run. TensorBoard finds it there if there are
            event files, too.
        encodings: Float array `(rows, dim)`.
        labels: Classes `(rows,)`.
        views: What was encoded, `(rows, ...)`, or a structure of arrays; shown as
            little images if it is images.
    """
    from tensorboard.plugins.projector import ProjectorConfig

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = NAME
    embedding.tensor_path = _TENSOR
    embedding.metadata_path = _LABELS
    # Enough digits for every float32.
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
    # Last, as it names the others.
    files.write_text(folder / _CONFIG, str(config))


def remove(folder: str | os.PathLike) -> None:
    """Removes what `write` has written, and nothing else.

    Args:
        folder: The folder, which need not exist.
    """
    for name in _FILES:
        (pathlib.Path(folder) / name).unlink(missing_ok=True)
