"""Data sets of images in memory, with or without labels, and their checks."""

import dataclasses
from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from keras_infomax import checks, lazy_tensorflow
from keras_infomax.datasets.dataset import Dataset
from keras_infomax.lazy_tensorflow import tf

# Larger labels are identifiers, not classes.
_MAX_CLASSES = 10**6
_FLOATS = ("float16", "float32", "float64")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ImageDataset(Dataset):
    """Images and labels of one data set, split into train and test.

    Use `load` or `from_arrays`, which check the data, to make one.

    Args:
        name: Name of the data set, for messages and reports.
        train_images: uint8 array, or float array in [0, 1], of shape
            `(rows, height, width, channels)`.
        train_labels: int64 array `(rows,)`, or `None` for unlabeled images.
        test_images: As `train_images`, with the same dtype and image shape.
        test_labels: As `train_labels`.
        num_classes: Number of classes, or `None` without labels.
        class_names: A name for each class, or `None`.
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

    @property
    def train_examples(self) -> np.ndarray:
        """The training images, under the common name of all data sets."""
        return self.train_images

    @property
    def test_examples(self) -> np.ndarray:
        """The test images."""
        return self.test_images

    def _with_examples(self, train, test, train_labels, test_labels) -> "ImageDataset":
        return dataclasses.replace(
            self,
            train_images=train,
            test_images=test,
            train_labels=train_labels,
            test_labels=test_labels,
        )


def from_arrays(
    train: tuple[Any, Any],
    test: tuple[Any, Any],
    name: str = "arrays",
    class_names: tuple[str, ...] | None = None,
) -> ImageDataset:
    """Makes an `ImageDataset` from arrays, after checking them.

    Args:
        train: `(images, labels)`. Images are uint8, or float in [0, 1], of shape
            `(rows, height, width, channels)`; gray images `(rows, height, width)`
            get an axis of one channel. Labels are integers `(rows,)` from 0 up, or
            `None`. Lists and tensors are accepted, too.
        test: As `train`, with the same dtype and image shape.
        name: Name of the data set, for messages and reports.
        class_names: A name for each class. Without names, the largest label determines
            the number of classes.

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
            f"The train and test images of {name!r} must have the same dtype and image "
            f"shape; received {layouts[0]} and {layouts[1]}. Prepare both in the same "
            "way."
        )
    num_classes, class_names = checked_classes(
        name,
        [part for part in (train_labels, test_labels) if part is not None],
        class_names,
    )
    return ImageDataset(
        name=name,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        num_classes=num_classes,
        class_names=class_names,
    )


def checked_classes(
    name: str, labels: list[np.ndarray], class_names: Any
) -> tuple[int | None, tuple[str, ...] | None]:
    """Number and names of the classes of a data set.

    Args:
        name: Name of the data set.
        labels: Arrays of labels, one for each split that has some.
        class_names: A name for each class, or `None`.

    Raises:
        ValueError: If the names are invalid, or fewer than the classes.
    """
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
    return num_classes, class_names


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
    """Checks values, and returns them as one array.

    Args:
        what: Name of the values, for messages.
        values: Array, eager tensor, or nested lists of numbers.

    Raises:
        ValueError: If they do not make one array.
    """
    checks.unmasked(what, values)
    try:
        array = np.asarray(values)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            f"{what} must be one array of numbers; received {described(values)}: "
            f"{' '.join(str(error).split())} Bring all rows to one shape, and stack "
            "them with np.stack."
        ) from error
    # TensorFlow does not support another byte order.
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def check_images(what: str, images: np.ndarray) -> None:
    """Raises a `ValueError` unless an array holds images.

    Args:
        what: Name of the values, for messages.
        images: The array.
    """
    if images.dtype.name != "uint8" and images.dtype.name not in _FLOATS:
        raise ValueError(_wrong_dtype(what, images))
    if images.ndim != 4:
        add = " For gray images, add the axis with images[..., np.newaxis]."
        raise ValueError(
            f"{what} must have the shape (rows, height, width, channels); received "
            f"the shape {images.shape}.{add if images.ndim == 3 else ''}"
        )
    if not images.size:
        raise ValueError(
            f"{what} must have at least one row and one pixel; received the shape "
            f"{images.shape}. Check the selection of rows."
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


def check_labels(what: str, labels: np.ndarray, rows: int, of: str = "images") -> None:
    """Raises a `ValueError` unless an array holds labels from 0 up.

    Args:
        what: Name of the values, for messages.
        labels: The array.
        rows: Number of examples.
        of: Word for examples, for messages.
    """
    if labels.shape != (rows,):
        remedy = f"Take labels and {of} from the same rows."
        if labels.shape == (rows, 1):
            remedy = "Take the column with labels[:, 0]."
        elif labels.ndim == 2 and len(labels) == rows:
            remedy = "If they are one-hot, number them with labels.argmax(axis=1)."
        raise ValueError(
            f"{what} must be one for each of its {rows} {of}; received the shape "
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
            f"unlabeled {of}."
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise ValueError(
            f"{what} must be integers from 0 up; received the dtype {labels.dtype} and "
            f"the smallest label {low}. Leave labels None for unlabeled {of}."
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
            f"{described(given)}. Write (images, None) for unlabeled images."
        )
    what = f"of the {split} split of {name!r}"
    images = as_array(f"The images {what}", given[0])
    if images.ndim == 3:
        if images.shape[-1] == 3:
            raise ValueError(
                f"The images {what} must have the shape (rows, height, width, "
                f"channels); received {images.shape}, which looks like one image in "
                "color. Write images[np.newaxis] if it is one, and images[..., "
                "np.newaxis] if these are gray images three pixels wide."
            )
        images = images[..., np.newaxis]
    check_images(f"The images {what}", images)
    if given[1] is None:
        return images, None
    labels = as_array(f"The labels {what}", given[1])
    check_labels(f"The labels {what}", labels, len(images))
    return images, labels.astype("int64")


def _checked_names(name: str, class_names: Any) -> tuple[str, ...]:
    # A string would be split into characters, and a set has no order.
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
            f"class_names of {name!r} must be different; received {str(twice)!r} more "
            "than once. Rename one of the classes."
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
            f"{what} of floats must lie in [0, 1]; received values from {low:g} to "
            f"{high:g}. Scale them, for instance {example}."
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


def described(value: Any) -> str:
    """A short description of a value.

    Args:
        value: Anything.
    """
    if hasattr(value, "shape"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) < 60 else f"a {type(value).__name__}"
