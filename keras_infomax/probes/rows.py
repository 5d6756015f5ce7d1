"""Checks the rows and labels that probes are given, once, at the border."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_infomax import checks, structures

_NUMBER = "Number the classes, as np.unique(labels, return_inverse=True)[1] does."


def check_labelled(name: str, x: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns labeled rows as arrays that a probe can use, or says why it cannot.

    Args:
        name: What to call the pair in messages.
        x: Finite numbers of shape `(rows, ...)`.
        labels: Integers of shape `(rows,)`.

    Returns:
        `x` as float32 and `labels`, both arrays; not copied where they are already.

    Raises:
        ValueError: If either has another shape or type, if their rows differ in number
            or are none, or if a value of `x` is not finite in float32.
    """
    x = finite_rows(name, x)
    return x, checked_labels(name, labels, len(x))


def checked_labels(name: str, labels: Any, rows: int) -> np.ndarray:
    """Returns labels as an array, or says why a probe cannot use them.

    Args:
        name: What to call them and their rows in messages.
        labels: Integers of shape `(rows,)`.
        rows: Number of rows.

    Raises:
        ValueError: If they are of another shape or type.
    """
    labels = checks.array(f"labels of {name}", labels, "integers (rows,)", _NUMBER)
    if labels.shape != (rows,):
        raise ValueError(
            f"{name} must have one label a row, shape ({rows},); received labels of "
            f"shape {labels.shape}. Take labels and rows from the same examples, and "
            "flatten a column of labels with labels.reshape(-1)."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} must have integer labels; received {labels.dtype}. {_NUMBER}"
        )
    return labels


def finite_rows(name: str, x: Any) -> np.ndarray:
    """Returns rows as float32, or says why a probe cannot use them.

    Args:
        name: What to call them in messages.
        x: Finite numbers of shape `(rows, ...)`.

    Raises:
        ValueError: If there are no rows, or a value is not finite in float32.
    """
    advice = "Give a batch of views or encodings."
    x = checks.array(name, x, "real numbers of shape (rows, ...)", advice)
    with np.errstate(over="ignore"):
        x = x.astype("float32", copy=False)
    if x.ndim < 2 or not x.size:
        raise ValueError(
            f"{name} must have shape (rows, ...) with at least one row; received shape "
            f"{x.shape}. {advice}"
        )
    _check_finite(name, x)
    return x


def _check_finite(name: str, x: np.ndarray) -> None:
    finite = np.isfinite(x)
    if not finite.all():
        raise ValueError(
            f"{name} must be finite in float32; received NaN or infinity in "
            f"{np.sum(~finite)} of {x.size} values. Clean or rescale the rows."
        )


def labelled_views(name: str, views: Any, labels: Any) -> tuple[Any, np.ndarray]:
    """Returns labeled views as arrays that an encoder can take.

    Args:
        name: What to call the pair in messages.
        views: Array `(rows, ...)`, or any structure of them.
        labels: Integers of shape `(rows,)`.

    Returns:
        The views, floats as float32 and all else as it is, and the labels.

    Raises:
        ValueError: If they are no views, a float is not finite in float32, or there is
            not one label a row.
    """
    checks.unmasked(f"labels of {name}", labels)
    labels = np.asarray(labels)
    views = checked_views(name, views, len(labels) if labels.ndim else None)
    return views, checked_labels(name, labels, structures.rows_of(views))


def checked_views(name: str, views: Any, rows: int | None = None) -> Any:
    """As `views_as_arrays`, with floats that are finite.

    Args:
        name: What to call them in messages.
        views: As there.
        rows: As there.

    Raises:
        ValueError: As there, or if a float is not finite in float32.
    """
    views = views_as_arrays(name, views, rows)
    for part in keras.tree.flatten(views):
        if np.issubdtype(part.dtype, np.floating):
            _check_finite(name, part)
    return views


def views_as_arrays(name: str, views: Any, rows: int | None = None) -> Any:
    """Returns views as arrays of equally many rows, floats as float32.

    Args:
        name: What to call them in messages.
        views: Array `(rows, ...)`, or any structure of them.
        rows: Number of rows that is expected. A list of arrays of so many rows is a
            structure; any other is an array itself, as where this is `None`.

    Raises:
        ValueError: If a part has no rows, or they differ in their number.
    """
    views = _arrays(views, rows)
    parts = keras.tree.flatten(views)
    for part in parts:
        # A category or a text may be a scalar.
        is_float = np.issubdtype(part.dtype, np.floating)
        if part.ndim < (2 if is_float else 1) or not len(part):
            raise ValueError(
                f"{name} must have shape (rows, ...) with at least one row; received "
                f"shape {part.shape}. Give a batch of views, not a single one."
            )
    if len({len(part) for part in parts}) > 1:
        raise ValueError(
            f"{name} must have equally many rows in all parts; received "
            f"{structures.described(views)}. Row i of each is a part of view i."
        )
    return views


def _arrays(views: Any, rows: int | None) -> Any:
    if isinstance(views, Mapping):
        return {key: _arrays(part, rows) for key, part in views.items()}
    if isinstance(views, tuple) or _is_list_of_parts(views, rows):
        return tuple(_arrays(part, rows) for part in views)
    checks.unmasked("views", views)
    with np.errstate(over="ignore"):
        array = np.asarray(views)
        is_float = np.issubdtype(array.dtype, np.floating)
        return array.astype("float32", copy=False) if is_float else array


def _is_list_of_parts(views: Any, rows: int | None) -> bool:
    return (
        isinstance(views, list)
        and len(views) != rows
        and all(isinstance(part, dict) or _has_rows(part, rows) for part in views)
    )


def _has_rows(part: Any, rows: int | None) -> bool:
    return bool(getattr(part, "shape", ())) and part.shape[0] == rows


def rows_of_views(views: Any) -> np.ndarray | None:
    """Returns the numbers of views as rows that a probe can read without an encoder.

    Args:
        views: Array, or any structure of arrays.

    Returns:
        The array, if it is one; the parts of a structure side by side, float32 of
        shape `(rows, features)`; or `None` if there are texts among them.
    """
    parts = keras.tree.flatten(views_as_arrays("views", views))
    if any(structures.dtype_of(part) == "string" for part in parts):
        return None
    if len(parts) == 1 and parts[0].ndim > 1:
        return parts[0]
    flat = [part.reshape(len(part), -1).astype("float32") for part in parts]
    return np.concatenate(flat, axis=1)


def check_classes(name: str, labels: np.ndarray) -> None:
    """Raises a `ValueError` unless the labels hold at least two classes."""
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(
            f"{name} must hold at least two classes; received only class {classes[0]}. "
            "Shuffle the examples before taking a part of them."
        )
