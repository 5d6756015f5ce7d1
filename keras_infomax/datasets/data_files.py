"""Reads examples from files: tables as CSV or Parquet, arrays as `.npz`.

Every reader returns `(train, test, class_names, categories)`; a split is a pair of
examples and labels. A single file is split 4:1; a folder holds one file for each split.
"""

import csv
import os
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_infomax import checks, structures
from keras_infomax.datasets import tables

Source = tuple[
    tuple[Any, Any], tuple[Any, Any], tuple[str, ...] | None, tuple[int, ...] | None
]
_LABELS = "labels"


def read_table(
    kind: str,
    path: str,
    split_seed: int,
    label: str | None,
    categorical: Sequence[str],
    max_bytes: int,
) -> Source:
    """Reads a table whose rows are examples; see `datasets.load`.

    Args:
        kind: `"csv"` or `"parquet"`.
        path: The file, or a folder of `train.csv` and `test.csv` (or `.parquet`).
        split_seed: Seed of the split of a single file.
        label: Column of the labels, or `None`.
        categorical: Numeric columns that are categories.
        max_bytes: Largest size of a file.
    """
    read = {"csv": _read_csv, "parquet": _read_parquet}[kind]
    parts = [read(file) for file in _files(kind, path, max_bytes)]
    name = f"{kind}:{path}"
    for columns in parts:
        if list(columns) != list(parts[0]):
            raise ValueError(
                f"The train and test tables of {name!r} must have the same columns in "
                f"the same order; received {list(parts[0])} and {list(columns)}."
            )
    return from_columns(name, parts, split_seed, label, categorical)


def from_columns(
    name: str,
    parts: list[dict[str, np.ndarray]],
    split_seed: int,
    label: str | None,
    categorical: Sequence[str],
) -> Source:
    """Makes examples and labels from one table, or from one for each split.

    Args:
        name: Name of the data set, for messages.
        parts: Columns by name: of all rows, or of the training and the test split.
        split_seed: Seed of the split of all rows.
        label: Column of the labels, or `None`.
        categorical: Numeric columns that are categories.
    """
    if label is not None and label not in parts[0]:
        raise ValueError(
            f"label must name a column of {name!r}; received {label!r}."
            f"{checks.nearest(label, list(parts[0]))} Expected one of: "
            f"{', '.join(parts[0])}."
        )
    if len(parts) == 1:
        orders = split(len(next(iter(parts[0].values()))), split_seed, name)
        parts = [{k: v[rows] for k, v in parts[0].items()} for rows in orders]
    else:
        parts = [dict(part) for part in parts]
    labels: list[Any] = [None, None]
    class_names = None
    if label is not None:
        columns = [part.pop(label) for part in parts]
        labels, class_names = tables.to_labels(name, label, *columns)
    train, test, categories = tables.to_examples(name, parts[0], parts[1], categorical)
    return (train, labels[0]), (test, labels[1]), class_names, categories


def read_arrays(path: str, split_seed: int, max_bytes: int) -> Source:
    """Reads a `.npz` file of arrays; see `datasets.load`.

    Args:
        path: The file.
        split_seed: Seed of the split, if the names define none.
        max_bytes: Largest number of bytes of all arrays.
    """
    (file,) = _files("npz", path, max_bytes)
    try:
        with np.load(file, allow_pickle=False) as opened:
            size = sum(info.file_size for info in opened.zip.infolist())
            _check_size(file, size, max_bytes)
            arrays = {key: opened[key] for key in opened.files}
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        if "max_bytes" in str(error):
            raise
        raise ValueError(
            f"{file} cannot be read as a .npz file of arrays without objects: {error}"
        ) from error
    splits = [
        {k.removeprefix(s): v for k, v in arrays.items() if k.startswith(s)}
        for s in ("train_", "test_")
    ]
    name = f"npz:{path}"
    if not all(splits):
        labels = arrays.pop(_LABELS, None)
        counts = {key: len(array) for key, array in arrays.items() if array.ndim}
        if labels is not None:
            counts[_LABELS] = len(labels)
        if len(set(counts.values())) > 1:
            raise ValueError(
                f"The arrays of {name!r} must have the same number of rows; received "
                f"{counts}. Take all from the same rows."
            )
        examples = _part(name, arrays)
        orders = split(max(counts.values(), default=0), split_seed, name)
        train, test = (
            (structures.taken(examples, r), None if labels is None else labels[r])
            for r in orders
        )
        return train, test, None, None
    if beside := [k for k in arrays if not k.startswith(("train_", "test_"))]:
        raise ValueError(
            f"The arrays of {name!r} must all belong to a split, train_... or "
            f"test_..., or none of them; received {', '.join(beside)} besides."
        )
    train, test = (
        (_part(name, part), labels)
        for part, labels in [(part, part.pop(_LABELS, None)) for part in splits]
    )
    return train, test, None, None


def split(rows: int, seed: int, name: str) -> list[np.ndarray]:
    """Splits rows 4:1 at random; the same seed gives the same split.

    Args:
        rows: Number of rows.
        seed: Seed.
        name: Name of the data set, for messages.
    """
    if rows < 2:
        raise ValueError(
            f"{name!r} must hold at least two examples, since some are set aside for "
            f"the test; received {rows}. Add rows, or give both splits."
        )
    return split_orders(rows, seed)


def split_orders(rows: int, seed: int) -> list[np.ndarray]:
    """Indices of the rows of both splits, in random order.

    Args:
        rows: Number of rows.
        seed: Seed.
    """
    order = np.random.default_rng(seed).permutation(rows)
    return np.split(order, [rows * 4 // 5])


def _part(name, arrays):
    if not arrays:
        raise ValueError(f"{name!r} must hold arrays of examples besides labels.")
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def _files(kind: str, path: str, max_bytes: int) -> list[pathlib.Path]:
    found = pathlib.Path(os.path.expanduser(path))
    files = [found]
    if path and found.is_dir() and kind != "npz":
        files = [found / f"{part}.{kind}" for part in ("train", "test")]
    for file in files:
        if not path or not file.is_file():
            where = f"an existing .{kind} file" + (
                ""
                if kind == "npz"
                else f", or of a folder of train.{kind} and test.{kind}"
            )
            raise checks.NotThere(
                f"'{kind}:PATH' needs the path of {where}; received {path!r}"
                + (f", without {file.name}." if file != found else ".")
            )
        _check_size(file, file.stat().st_size, max_bytes)
    return files


def _check_size(file, size, max_bytes):
    if size > max_bytes:
        raise ValueError(
            f"{file} has {size:,} bytes, more than max_bytes={max_bytes:,}. Raise it "
            "(--config.max_bytes), if there is memory for it."
        )


def _read_csv(file: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        with open(file, newline="", encoding="utf-8-sig") as opened:
            header, *rows = csv.reader(opened)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise ValueError(
            f"{file} cannot be read as a table of comma-separated values in UTF-8 with "
            f"a first line of names: {error}"
        ) from error
    rows = [row for row in rows if row]
    names = [name.strip() for name in header]
    if len(set(names)) < len(names) or not all(names):
        raise ValueError(
            f"The first line of {file} must have a different name for every column; "
            f"received {names}."
        )
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise ValueError(
                f"Every row of {file} must have {len(names)} values; received "
                f"{len(row)} in row {number}. Put texts with commas into quotes."
            )
    if not rows:
        raise ValueError(f"{file} must have rows below its first line; received none.")
    return {
        name: tables.column(values)
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }


def _read_parquet(file: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "Parquet files are read by the package pyarrow. Install it with "
            '`pip install "keras_infomax[tables]"`.'
        ) from error
    try:
        table = pyarrow.parquet.read_table(file)
    except (OSError, pyarrow.ArrowException) as error:
        raise ValueError(f"{file} cannot be read as a Parquet file: {error}") from error
    return {
        name: _of_arrow(file, name, values)
        for name, values in zip(table.column_names, table.columns, strict=True)
    }


def _of_arrow(file, name, values):
    found = values.to_pylist()
    known = [value for value in found if value is not None]
    if all(isinstance(value, str) for value in known) and known:
        return np.array(["" if value is None else value for value in found])
    # Booleans, integers and floats; missing values are NaN.
    if all(isinstance(value, bool | int | float) for value in known):
        return np.array([np.nan if v is None else float(v) for v in found])
    raise ValueError(
        f"The column {name!r} of {file} must hold numbers or texts; received "
        f"{type(known[0]).__name__}. Leave it out, or convert it."
    )
