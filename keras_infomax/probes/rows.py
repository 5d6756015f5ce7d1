"""Checks the rows and labels of probes."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_infomax import checks, structures

_NUMBER = "Number the classes, as np.unique(labels, return_inverse=True)[1] does."


def check_labelled(name: str, x: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Checks labeled rows, and returns them as arrays.

    Args:
        name: Name of the pair, for messages.
        x: Finite numbers of shape `(rows, ...)`.
        labels: Integers of shape `(rows,)`.

    Returns:
        `x` as float32 and `labels`, both as arrays; not copied if they have this form.

    Raises:
        ValueError: If either has another shape or type, if they have different numbers
            of rows or no rows, or if a value of `x` is not finite in float32.
    """
    x = finite_rows(name, x)
    return x, checked_labels(name, labels, len(x))


def checked_labels(name: str, labels: Any, rows: int) -> np.ndarray:
    """Checks labels, and returns them as an array.

    Args:
        name: Name of the labels and their rows, for messages.
        labels: Integers of shape `(rows,)`.
        rows: Number of rows.

    Raises:
        ValueError: If they are of another shape or type.
    """
    labels = checks.array(f"labels of {name}", labels, "integers (rows,)", _NUMBER)
    if labels.shape != (rows,):
        raise ValueError(
            f"{name} must have one label per row, shape ({rows},); received labels of "
            f"shape {labels.shape}. Take labels and rows from the same examples, and "
            "flatten a column of labels with labels.reshape(-1)."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} must have integer labels; received {labels.dtype}. {_NUMBER}"
        )
    return labels


def finite_rows(name: str, x: Any) -> np.ndarray:
    """Checks rows, and returns them as float32.

    Args:
        name: Name of the rows, for messages.
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
        name: Name of the pair, for messages.
        views: Array `(rows, ...)`, or any structure of them.
        labels: Integers of shape `(rows,)`.

    Returns:
        The views, with floats as float32 and everything else unchanged, and the labels.

    Raises:
        ValueError: If they are not views, a float is not finite in float32, or there is
            not one label per row.
    """
    checks.unmasked(f"labels of {name}", labels)
    labels = np.asarray(labels)
    views = checked_views(name, views, len(labels) if labels.ndim else None)
    return views, checked_labels(name, labels, structures.rows_of(views))


def checked_views(name: str, views: Any, rows: int | None = None) -> Any:
    """As `views_as_arrays`, with floats that are finite.

    Args:
        name: Name of the rows, for messages.
        views: As for `views_as_arrays`.
        rows: As for `views_as_arrays`.

    Raises:
        ValueError: As `views_as_arrays`, or if a float is not finite in float32.
    """
    views = views_as_arrays(name, views, rows)
    for part in keras.tree.flatten(views):
        if np.issubdtype(part.dtype, np.floating):
            _check_finite(name, part)
    return views


def views_as_arrays(name: str, views: Any, rows: int | None = None) -> Any:
    """Returns views as arrays with the same number of rows, and floats as float32.

    Args:
        name: Name of the rows, for messages.
        views: Array `(rows, ...)`, or any structure of them.
        rows: Expected number of rows, or `None`. A list of arrays with this number of
            rows is a structure; any other list is converted to one array.

    Raises:
        ValueError: If a part has no rows, or parts have different numbers of rows.
    """
    views = _arrays(views, rows)
    parts = keras.tree.flatten(views)
    for part in parts:
        # A single category or text is a scalar.
        is_float = np.issubdtype(part.dtype, np.floating)
        if part.ndim < (2 if is_float else 1) or not len(part):
            raise ValueError(
                f"{name} must have shape (rows, ...) with at least one row; received "
                f"shape {part.shape}. Give a batch of views, not a single one."
            )
    if len({len(part) for part in parts}) > 1:
        raise ValueError(
            f"{name} must have the same number of rows in all parts; received "
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
    """Returns views as rows of numbers for a probe without an encoder.

    Args:
        views: Array, or any structure of arrays.

    Returns:
        An array unchanged; the parts of a structure side by side, float32 of shape
        `(rows, features)`; or `None` if there are texts.
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
