"""Converts the arguments x, y and z to columns of numbers, classes, or images."""

import dataclasses
from typing import Any

import numpy as np
from scipy import special

from keras_infomax import checks

# Integers with at most this number of different values are classes.
_MAX_CLASSES = 64
_KINDS = "copula", "standard", "none"


@dataclasses.dataclass(frozen=True)
class Columns:
    """One side of the pairs.

    Args:
        name: `"x"`, `"y"` or `"z"`.
        numbers: float64 matrix `(rows, columns)` of continuous columns.
        classes: int64 matrix `(rows, columns)` of classes, consecutive from 0.
        images: Array `(rows, ...)` of more than two axes, or `None`.
    """

    name: str
    numbers: np.ndarray
    classes: np.ndarray
    images: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.numbers if self.images is None else self.images)

    @property
    def is_continuous(self) -> bool:
        """Whether there are only continuous columns."""
        return self.images is None and not self.classes.shape[1]

    def beside(self, other: "Columns") -> "Columns":
        """The columns of both, as one side.

        Args:
            other: Columns with the same number of rows, without images.
        """
        if self.images is not None or other.images is not None:
            raise ValueError(
                "z must be left out with images, since images cannot be joined with "
                "columns. Encode them first, and give the encodings."
            )
        return Columns(
            self.name + other.name,
            np.hstack([self.numbers, other.numbers]),
            np.hstack([self.classes, other.classes]),
        )

    def as_numbers(self) -> np.ndarray:
        """All columns as numbers; a class is its number."""
        return np.hstack([self.numbers, self.classes.astype("float64")])


def read(name: str, values: Any) -> Columns:
    """Columns of an array or a table.

    Args:
        name: Name of the argument.
        values: Array or tensor `(rows,)` or `(rows, columns)`; images
            `(rows, height, width, channels)`; a pandas series or data frame.

    Returns:
        Columns. Integers, booleans, texts and categories with few values are classes.

    Raises:
        ValueError: If it is none of these, or has missing values or no rows.
    """
    expected = "an array or table of numbers or classes, one row for each pair"
    advice = f"Write, for example, {name}=table[['age', 'income']]."
    if hasattr(values, "columns") and hasattr(values, "dtypes"):
        parts = [np.asarray(values[column]) for column in values.columns]
    else:
        checks.unmasked(name, values)
        try:
            found = np.asarray(values)
        except (NotImplementedError, TypeError, ValueError) as error:
            raise checks.refusal(name, expected, values, advice) from error
        if found.ndim > 2:
            return _images(name, found)
        if found.ndim == 0:
            raise checks.refusal(name, expected, values, advice)
        parts = [found] if found.ndim == 1 else list(found.T)
    numbers: list[np.ndarray] = []
    classes: list[np.ndarray] = []
    for part in parts:
        _add_column(name, part, numbers, classes, values)
    if not parts or not len(parts[0]):
        raise checks.refusal(name, expected, values, advice)
    rows = len(parts[0])
    return Columns(
        name,
        np.stack(numbers, axis=1) if numbers else np.zeros((rows, 0)),
        np.stack(classes, axis=1) if classes else np.zeros((rows, 0), "int64"),
    )


def _add_column(name, values, numbers, classes, given):
    if values.dtype.kind == "f" or values.dtype.name == "bfloat16":
        values = values.astype("float64")
        bad = ~np.isfinite(values)
        if bad.any():
            raise ValueError(
                f"{name} must be finite; received {bad.sum()} values that are not, the "
                f"first in row {np.argmax(bad)}. Leave these rows out, or impute the "
                "values."
            )
        numbers.append(values)
        return
    if values.dtype.kind in "iub":
        found, codes = np.unique(values, return_inverse=True)
        if values.dtype.kind == "b" or len(found) <= min(_MAX_CLASSES, len(values) / 2):
            classes.append(codes)
        else:
            numbers.append(values.astype("float64"))
        return
    if values.dtype.kind in "OUS":
        texts = np.array([str(v) for v in values])
        if any(v is None or v != v for v in values):
            raise ValueError(
                f"{name} must have no missing values; received a column with some. "
                "Leave these rows out, or impute the values."
            )
        found, codes = np.unique(texts, return_inverse=True)
        if len(found) <= max(len(values) / 2, 2):
            classes.append(codes)
            return
    raise checks.refusal(
        name,
        "numbers, or classes that each occur more than once",
        given,
        "Leave such columns out.",
    )


def _images(name, found):
    if found.dtype.kind not in "iuf" or not len(found):
        raise checks.refusal(
            name, "images of numbers (rows, height, width, channels)", found, "Scale."
        )
    scale = 255.0 if found.dtype == "uint8" else 1.0
    images = found.astype("float32") / scale
    if not np.isfinite(images).all():
        raise ValueError(f"{name} must be finite; received images that are not.")
    rows = len(images)
    return Columns(name, np.zeros((rows, 0)), np.zeros((rows, 0), "int64"), images)


class Margins:
    """Maps each column by a function that is fitted to some rows.

    A strictly increasing function of a column does not change mutual information.
    `"copula"` maps every continuous column to a Gaussian by its ranks; `"standard"`
    divides it by the standard deviation. Each class becomes a column of zeros and ones.

    Args:
        kind: `"copula"`, `"standard"` or `"none"`.
    """

    def __init__(self, kind: str):
        self.kind = checks.one_of("margins", kind, _KINDS)
        self._maps: list[Any] = []
        self._counts: list[int] = []

    def fit(self, columns: Columns, rows: np.ndarray) -> "Margins":
        """Fits the maps.

        Args:
            columns: The columns.
            rows: Indices of the rows to fit.
        """
        self._maps = [self._map(column[rows]) for column in columns.numbers.T]
        self._counts = [int(c.max()) + 1 for c in columns.classes.T]
        return self

    def numbers(self, columns: Columns) -> np.ndarray:
        """The continuous columns, mapped; float32 `(rows, columns)`.

        Args:
            columns: The columns.
        """
        mapped = [
            of(column) for of, column in zip(self._maps, columns.numbers.T, strict=True)
        ]
        empty = np.zeros((columns.rows, 0))
        return (np.stack(mapped, axis=1) if mapped else empty).astype("float32")

    def all(self, columns: Columns) -> np.ndarray:
        """Mapped numbers, and a column of zeros and ones for each class.

        Args:
            columns: The columns.
        """
        hot = [
            (codes[:, None] == np.arange(count)[None]).astype("float32")
            for codes, count in zip(columns.classes.T, self._counts, strict=True)
        ]
        return np.hstack([self.numbers(columns), *hot])

    def _map(self, known):
        if self.kind == "none":
            return lambda values: values
        if self.kind == "standard":
            mean, deviation = known.mean(), known.std()
            deviation = deviation if deviation > 0 else 1.0
            return lambda values: (values - mean) / deviation
        found, counts = np.unique(known, return_counts=True)
        middle = (np.cumsum(counts) - counts / 2) / len(known)
        normal = special.ndtri(middle)
        return lambda values: _interpolated(values, found, normal)


def _interpolated(values, at, to):
    """Linear interpolation between known values, and extrapolation of the last step."""
    if len(at) == 1:
        return np.zeros_like(values)
    found = np.interp(values, at, to)
    # A value beyond all known ones keeps its order, within one unit.
    scale = max(float(np.std(at)), 1e-30)
    found = found + np.tanh(np.clip(values - at[-1], 0, None) / scale)
    return found - np.tanh(np.clip(at[0] - values, 0, None) / scale)
