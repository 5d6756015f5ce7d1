"""Sizes of layers and shapes of views, as tuples of integers."""

import numbers
from typing import Any


def checked_sizes(argument: str, values: Any) -> tuple[int, ...]:
    """Sizes of layers.

    Args:
        argument: What to call them in messages.
        values: Sequence of positive integers.

    Raises:
        ValueError: If it is none.

    Example:
    >>> checked_sizes("hidden_units", [300, 300])
    (300, 300)
    """
    found = _sequence(values)
    if found is None or not all(map(_is_size, found)):
        raise ValueError(
            f"{argument} must be positive integers, one for each layer, such as "
            f"(300, 100); received {values!r}."
        )
    return tuple(map(int, found))


def checked_size(argument: str, value: Any) -> int:
    """Size of one layer.

    Args:
        argument: What to call it in messages.
        value: Positive integer.

    Raises:
        ValueError: If it is none.
    """
    if not _is_size(value):
        raise ValueError(f"{argument} must be a positive integer; received {value!r}.")
    return int(value)


def checked_view_shape(input_shape: Any) -> tuple[int | None, ...]:
    """Shape of a view without the rows.

    Args:
        input_shape: Sequence of positive integers, or `None` for a size that may be
            any.

    Raises:
        ValueError: If it is none.
    """
    found = _sequence(input_shape)
    if found is None or not all(size is None or _is_size(size) for size in found):
        raise ValueError(
            "input_shape must be the shape of a view without the rows, such as "
            f"(14, 28, 1); received {input_shape!r}."
        )
    return found


def _sequence(values: Any) -> tuple | None:
    try:
        return tuple(values)
    except TypeError:
        return None


def _is_size(value: Any) -> bool:
    # NumPy's integers are Integral, too, and so is bool.
    return (
        isinstance(value, numbers.Integral)
        and not isinstance(value, bool)
        and int(value) >= 1
    )
