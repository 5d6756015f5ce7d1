"""Converts tables to numbers and categories for encoders."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_infomax import checks

Columns = Mapping[str, np.ndarray]
# Texts that mean a missing value in any column.
_MISSING = {"", "na", "nan", "n/a", "null", "none", "?"}


def column(values: Sequence[str]) -> np.ndarray:
    """Converts a column of texts to numbers, if all known values are numbers.

    Args:
        values: The texts.

    Returns:
        float64 array with NaN for missing values, or an array of texts with `""`.

    Example:
    >>> column(["1", "NA", "2.5"]), column(["a", "?"])
    (array([1. , nan, 2.5]), array(['a', ''], dtype='<U1'))
    """
    texts = [value.strip() for value in values]
    texts = ["" if text.lower() in _MISSING else text for text in texts]
    try:
        return np.array([float(text) if text else np.nan for text in texts])
    except ValueError:
        return np.array(texts)


def to_examples(
    name: str, train: Columns, test: Columns, categorical: Sequence[str] = ()
) -> tuple[Any, Any, tuple[int, ...] | None]:
    """Converts columns to examples, scaled by the statistics of the training split.

    Columns of numbers are scaled to mean 0 and standard deviation 1 of the training
    split. A missing number becomes 0, the mean. Categories are numbered from 1 in the
    sorted order of the training split's values. Missing values, and values that are new
    in the test split, become 0.

    Args:
        name: Name of the data set, for messages.
        train: Columns of the training split by name: arrays of numbers or of texts.
        test: Columns of the test split.
        categorical: Numeric columns that are categories.

    Returns:
        Examples of both splits, and the number of values of each categorical column.
        Examples are float arrays `(rows, columns)` without categories, or else
        dictionaries of `"categories"` and, if there are any, `"numbers"`.

    Raises:
        ValueError: If there are no columns, or `categorical` has an unknown one.
    """
    if not train:
        raise ValueError(
            f"The table {name!r} must have a column besides that of the labels; "
            "received none. Check the file's first line."
        )
    for each in categorical:
        if each not in train:
            raise ValueError(
                f"categorical must name columns of {name!r}; received {each!r}."
                f"{checks.nearest(each, list(train))} Expected some of: "
                f"{', '.join(train)}."
            )
    numbers, categories, sizes = [], [], []
    for key, values in train.items():
        other = test[key]
        if values.dtype.kind not in "iufb" or key in categorical:
            known = [v for v in np.unique(_as_texts(values)) if v]
            categories.append([_numbered(v, known) for v in (values, other)])
            sizes.append(len(known) + 1)
        else:
            numbers.append(_scaled(values, other))
    examples = []
    for split in range(2):
        parts = {}
        if numbers:
            parts["numbers"] = np.stack([each[split] for each in numbers], axis=1)
        if categories:
            parts["categories"] = np.stack([each[split] for each in categories], axis=1)
        examples.append(parts if categories else parts["numbers"])
    return examples[0], examples[1], tuple(sizes) or None


def to_labels(
    name: str, key: str, *splits: np.ndarray
) -> tuple[list[np.ndarray], tuple[str, ...] | None]:
    """Converts a column of classes to labels from 0 up.

    Args:
        name: Name of the data set, for messages.
        key: Name of the column.
        *splits: The column in each split.

    Returns:
        Labels of each split, and the names of the classes in the order of the labels.

    Raises:
        ValueError: If some are missing, or numbers are not whole.
    """
    whole = np.concatenate(splits)
    if whole.dtype.kind == "f":
        if not np.isfinite(whole).all() or (whole != np.round(whole)).any():
            raise ValueError(
                f"The column {key!r} of {name!r} must hold a class in every row to be "
                f"the labels, a text or a whole number; received {_unfit(whole)}. "
                "Remove such rows, or convert the numbers to classes."
            )
        whole = whole.astype("int64")
    if whole.dtype.kind == "U" and (whole == "").any():
        raise ValueError(
            f"The column {key!r} of {name!r} must hold a class in every row to be the "
            "labels; received missing values. Remove their rows."
        )
    names, labels = np.unique(whole, return_inverse=True)
    ends = np.cumsum([len(split) for split in splits])[:-1]
    return np.split(labels, ends), tuple(map(str, names))


def _unfit(values):
    bad = values[~np.isfinite(values) | (values != np.round(values))][0]
    return "a missing value" if np.isnan(bad) else f"{bad:g}"


def _scaled(train, test):
    values = train.astype("float64")
    known = np.isfinite(values)
    mean = values[known].mean() if known.any() else 0.0
    deviation = values[known].std() if known.any() else 1.0
    return [
        np.where(
            np.isfinite(each), (each - mean) / (deviation if deviation > 0 else 1), 0.0
        ).astype("float32")
        for each in (values, test.astype("float64"))
    ]


def _as_texts(values):
    if values.dtype.kind == "f":
        texts = np.array([f"{v:g}" for v in values])
        return np.where(np.isnan(values), "", texts)
    return values.astype("U")


def _numbered(values, known):
    places = {value: number for number, value in enumerate(known, start=1)}
    return np.array([places.get(v, 0) for v in _as_texts(values)], dtype="int32")
