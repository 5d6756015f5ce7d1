"""Reads data sets that TensorFlow Datasets has prepared, without the network."""

from __future__ import annotations

import math
import os
import pathlib
import re
from typing import Any

import numpy as np

from keras_infomax import checks
from keras_infomax.datasets import data_files, image_files, tables
from keras_infomax.datasets.sources import ImageSize, Source, Split
from keras_infomax.lazy_tensorflow import tf

_BY_HAND = "Read it yourself and use keras_infomax.datasets.from_arrays(train, test)."


def _tensorflow_datasets(name: str) -> Any:
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            f"The data set {name!r} is looked up in TensorFlow Datasets, which is not "
            "installed." + checks.nearest(name, ["digits"]) + " Install it with "
            '`pip install "keras_infomax[datasets]"`.'
        ) from error
    return tensorflow_datasets


def builder_of(name: str, data_dir: str | os.PathLike | None) -> Any:
    """The builder of a data set, with its features and its folder.

    Args:
        name: Name of the data set.
        data_dir: Folder of prepared data sets.

    Raises:
        ValueError: If there is no such data set.
        ImportError: If TensorFlow Datasets is not installed.
    """
    tfds = _tensorflow_datasets(name)
    # TFDS itself reads the variable only on import.
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR")
    if data_dir:
        data_dir = os.path.expanduser(data_dir)
        if os.path.exists(data_dir) and not os.path.isdir(data_dir):
            raise ValueError(
                "data_dir, or the environment variable TFDS_DATA_DIR, must be a "
                f"folder; received {data_dir!r}, which does not exist. Give the folder "
                f"that holds the folder {name.partition(':')[0]!r}."
            )
    prefix, _, version = name.partition(":")
    if version and version[0] not in "0123456789*":
        # TFDS would look for a community data set over the network.
        raise ValueError(
            f"Unknown kind of data set {prefix + ':'!r} in {name!r}."
            f"{checks.nearest(prefix + ':', ['folder:'])} Expected 'digits', "
            "'folder:PATH' or the name of a TensorFlow Datasets image data set."
        )
    hint = ""
    if os.path.isdir(os.path.expanduser(name)):
        hint = f" Write 'folder:{name}' to read the images in that folder."
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        known = ["digits", *tfds.list_builders(with_community_datasets=False)]
        raise checks.NotThere(
            f"Unknown data set {name!r}.{hint or checks.nearest(name, known)} Expected "
            "'digits', 'folder:PATH', the name of a TensorFlow Datasets image data "
            f"set, or one prepared in {data_dir or 'the folder data_dir'}."
        ) from None
    except Exception as error:
        # Its files may be damaged in any way, and the name may be invalid.
        raise ValueError(
            f"TensorFlow Datasets cannot open the data set {name!r}: "
            f"{' '.join(str(error).split()) or type(error).__name__}{hint}"
        ) from error


def has_images(builder: Any) -> bool:
    """Whether a data set has a feature `image`.

    Args:
        builder: Builder of the data set.
    """
    return "image" in (builder.info.features or {})


def read_examples(
    name: str,
    builder: Any,
    split_seed: int,
    label: str | None = None,
    max_bytes: int = image_files.MAX_BYTES,
) -> data_files.Source:
    """Reads a prepared data set of TensorFlow Datasets that has no images.

    Scalar features are the columns of a table; all others are parts of an example.
    Without a split `test`, a fifth of `train` is set aside.

    Args:
        name: Name of the data set.
        builder: Builder of the data set.
        split_seed: Seed of the split, if there is no split `test`.
        label: Feature with the classes. Defaults to `label`, if it exists.
        max_bytes: Largest number of bytes.
    """
    tfds = _tensorflow_datasets(name)
    features = dict(builder.info.features or {})
    if label is None and isinstance(features.get("label"), tfds.features.ClassLabel):
        label = "label"
    if label is not None and label not in features:
        raise ValueError(
            f"label must name a feature of {name!r}; received {label!r}. Expected one "
            f"of: {', '.join(features)}."
        )
    for key, feature in features.items():
        if not isinstance(feature, tfds.features.Tensor) or None in feature.shape:
            raise ValueError(
                f"The features of {name!r} must be scalars, or tensors of one shape; "
                f"received {key!r}, a {type(feature).__name__} of shape "
                f"{getattr(feature, 'shape', 'unknown')}. {_BY_HAND}"
            )
    if not builder.is_prepared():
        raise ValueError(_how_to_prepare(name, builder))
    splits = [s for s in ("train", "test") if s in builder.info.splits]
    if "train" not in splits:
        raise ValueError(
            f"The data set {name!r} must have the split 'train'; received "
            f"{sorted(builder.info.splits)}. {_BY_HAND}"
        )
    num_bytes = sum(builder.info.splits[split].num_bytes for split in splits)
    rows = sum(builder.info.splits[split].num_examples for split in splits)
    image_files.check_bytes(repr(name), rows, num_bytes, max_bytes)
    read = []
    for split in splits:
        batch = builder.info.splits[split].num_examples
        examples = builder.as_dataset(split=split).batch(batch).get_single_element()
        read.append(
            {key: _column(tfds, features[key], examples[key]) for key in features}
        )
    return _of_features(name, read, features, split_seed, label)


def _column(tfds: Any, feature: Any, values: tf.Tensor) -> np.ndarray:
    array = values.numpy()
    if isinstance(feature, tfds.features.ClassLabel):
        return np.array([feature.int2str(int(value)) for value in array])
    if array.dtype.kind == "O":
        return np.array([value.decode("utf-8") for value in array])
    return array


def _of_features(name, read, features, split_seed, label) -> data_files.Source:
    parts = [k for k, f in features.items() if f.shape or type(f).__name__ == "Text"]
    columns = [{k: v for k, v in part.items() if k not in parts} for part in read]
    if len(read) == 1:
        orders = data_files.split(len(next(iter(read[0].values()))), split_seed, name)
        read = [{k: v[rows] for k, v in read[0].items()} for rows in orders]
        columns = [{k: v[rows] for k, v in columns[0].items()} for rows in orders]
    if len(columns[0]) > (label in columns[0]):
        train, test, class_names, categories = data_files.from_columns(
            name, columns, split_seed, label, ()
        )
        if not parts:
            return train, test, class_names, categories
        found = [
            (each if isinstance(each, dict) else {"numbers": each}, labels)
            for each, labels in (train, test)
        ]
    else:
        labels: list[Any] = [None, None]
        class_names = None
        if label is not None:
            labels, class_names = tables.to_labels(
                name, label, *(part[label] for part in read)
            )
        found, categories = [({}, each) for each in labels], None
    splits: list[Any] = []
    for (examples, each), values in zip(found, read, strict=True):
        examples = {**examples, **{key: values[key] for key in parts}}
        if len(examples) == 1:
            (examples,) = examples.values()
        splits.append((examples, each))
    return splits[0], splits[1], class_names, categories


def read_images(
    name: str,
    builder: Any,
    image_size: ImageSize | None = None,
    max_bytes: int = image_files.MAX_BYTES,
) -> Source:
    """Reads a prepared image data set of TensorFlow Datasets, without the network."""
    tfds = _tensorflow_datasets(name)
    features = builder.info.features or {}
    image, label = (
        features[key] if key in features else None for key in ("image", "label")
    )
    if not isinstance(image, tfds.features.Image) or not isinstance(
        label, tfds.features.ClassLabel
    ):
        raise ValueError(
            f"The data set {name!r} must have the features 'image' (Image) and 'label' "
            "(ClassLabel); received "
            f"{ {key: type(features[key]).__name__ for key in features} }. {_BY_HAND}"
        )
    if image.shape[2] is None:
        raise ValueError(
            f"The images of {name!r} must all have the same number of channels; "
            f"received shape {image.shape}. {_BY_HAND}"
        )
    if None in image.shape[:2] and not image_size:
        raise ValueError(
            f"The images of {name!r} must have a fixed size; received shape "
            f"{image.shape}. Give image_size=(height, width) to resize them "
            '(--config.image_size="(64, 64)").'
        )
    if not builder.is_prepared():
        raise ValueError(_how_to_prepare(name, builder))
    splits = {split: info.num_examples for split, info in builder.info.splits.items()}
    if missing := {"train", "test"} - {split for split, rows in splits.items() if rows}:
        raise ValueError(
            f"The data set {name!r} must have the splits 'train' and 'test'; received "
            f"{sorted(splits)}, so {sorted(missing)} is missing or empty. {_BY_HAND}"
        )
    size = image_size or image.shape[:2]
    rows = splits["train"] + splits["test"]
    num_bytes = (
        rows * math.prod(size) * image.shape[2] * np.dtype(image.np_dtype).itemsize
    )
    image_files.check_bytes(repr(name), rows, num_bytes, max_bytes)

    def image_and_label(example: dict) -> tuple:
        image = example["image"]
        if image_size:
            image = image_files.resize(image, image_size)
        return image, example["label"]

    def read(split: str) -> Split:
        try:
            examples = builder.as_dataset(split=split)
            examples = examples.map(
                image_and_label, num_parallel_calls=tf.data.AUTOTUNE
            )
            images, labels = examples.batch(splits[split]).get_single_element()
        except (tf.errors.OpError, OSError) as error:
            # Without the names of TensorFlow's functions.
            reason = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", str(error))
            raise ValueError(
                f"The split {split!r} of the data set {name!r} is damaged: {reason}. "
                f"Remove {builder.data_dir} and prepare the set anew."
            ) from error
        return images.numpy(), labels.numpy()

    return read("train"), read("test"), tuple(label.names)


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
