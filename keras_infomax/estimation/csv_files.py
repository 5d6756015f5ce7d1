"""Columns of a CSV file."""

import csv
import os
from collections.abc import Sequence

import numpy as np

from keras_infomax import checks


class Table:
    """A table with columns of several types for `estimate_mi`.

    Args:
        names: Names of the columns.
        values: An array `(rows,)` for each column.
    """

    def __init__(self, names: Sequence[str], values: Sequence[np.ndarray]):
        self._values = dict(zip(names, values, strict=True))

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._values)

    @property
    def dtypes(self) -> list[np.dtype]:
        """Dtypes of the columns."""
        return [value.dtype for value in self._values.values()]

    def __getitem__(self, name: str) -> np.ndarray:
        return self._values[name]


def read_csv(path: str | os.PathLike, *wanted: Sequence[str]) -> list[Table]:
    """Reads columns of a CSV file whose first line has their names.

    Args:
        path: Path of the file. In a `.tsv` file, tabs separate the columns.
        *wanted: Names of columns, a list for each table.

    Returns:
        A table for each list, with whole numbers as int64, other numbers as float64,
        and everything else as texts.

    Raises:
        ValueError: If a column is missing or given twice, a line is too short, or the
            file is not text.
    """
    path = checks.path("path", path, "table.csv")
    delimiter = "\t" if path.endswith(".tsv") else ","
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file, delimiter=delimiter) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{path} must be a table as text in UTF-8; it cannot be read: {error}."
        ) from error
    names = [name.strip() for name in lines[0]] if lines else []
    every = [name for some in wanted for name in some]
    for name in every:
        if name not in names:
            hint = checks.nearest(name, names)
            raise ValueError(
                f"There is no column {name!r} in {path}.{hint} It has: "
                f"{', '.join(names) or 'no columns'}."
            )
        if every.count(name) > 1 or names.count(name) > 1:
            raise ValueError(
                f"The column {name!r} must be given once and be in {path} once. Leave "
                "one of them out."
            )
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(names):
            raise ValueError(
                f"Line {number} of {path} must have {len(names)} values, as the first "
                f"line names columns; received {len(line)}."
            )
    by_name = dict(zip(names, zip(*lines[1:], strict=True), strict=False))
    return [Table(some, [_typed(by_name.get(n, ())) for n in some]) for some in wanted]


def _typed(texts):
    for kind in ("int64", "float64"):
        try:
            return np.array([text.strip() for text in texts]).astype(kind)
        except (ValueError, OverflowError):
            continue
    return np.array([text.strip() for text in texts], dtype=object)
