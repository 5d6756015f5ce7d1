"""Checks the rows and labels that probes are given, once, at the border."""

from typing import Any

import numpy as np

from keras_infomax import checks

_NUMBER = "Number the classes, as np.unique(labels, return_inverse=True)[1] does."


def check_labelled(name: str, x: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns labelled rows as arrays that a probe can use, or says why it cannot.

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
    labels = checks.array(f"labels of {name}", labels, "integers (rows,)", _NUMBER)
    if labels.shape != x.shape[:1]:
        raise ValueError(
            f"{name} must have one label a row, shape ({len(x)},); got labels of shape "
            f"{labels.shape}. Take labels and rows from the same examples, and flatten "
            "a column of labels with labels.reshape(-1)."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"{name} must have integer labels; got {labels.dtype}. {_NUMBER}"
        )
    return x, labels


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
            f"{name} must have shape (rows, ...) with at least one row; got shape "
            f"{x.shape}. {advice}"
        )
    finite = np.isfinite(x)
    if not finite.all():
        raise ValueError(
            f"{name} must be finite in float32; got NaN or infinity in "
            f"{np.sum(~finite)} of {x.size} values. Clean or rescale the rows."
        )
    return x


def check_classes(name: str, labels: np.ndarray) -> None:
    """Raises a `ValueError` unless the labels hold at least two classes."""
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(
            f"{name} must hold at least two classes; got only class {classes[0]}. "
            "Shuffle the examples before taking a part of them."
        )
