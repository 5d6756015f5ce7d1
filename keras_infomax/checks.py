"""Checks of arguments, at the border of the package: one family, one form of message.

Each check takes the name of an argument and what was given for it. It returns the value
as a plain Python object, or raises a `ValueError` that says what the argument must be,
what was received, and what to write instead. Scalars of NumPy pass as those of Python;
a boolean is no number, and a string is neither.
"""

import math
import numbers
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_infomax.spelling import nearest, nearest_word

# Of what was received, so that a message stays readable.
_MOST_SHOWN = 80
_LARGEST_SEED = 2**32 - 1


class NotThere(ValueError):
    """What a user named, such as a data set, is not known or not there."""


def refusal(argument: str, expected: str, received: Any, advice: str) -> ValueError:
    """The error of an argument that is not as it must be.

    Args:
        argument: Name of the argument.
        expected: What it must be.
        received: What was given.
        advice: A sentence that says what to write.

    Example:
    >>> print(refusal("units", "positive", -1, "Write, for example, units=32."))
    units must be positive; received -1. Write, for example, units=32.
    """
    return ValueError(
        f"{argument} must be {expected}; received {shown(received)}. {advice}"
    )


def shown(value: Any) -> str:
    """What was received, in a few words.

    Args:
        value: Anything.

    Example:
    >>> shown(np.zeros((3, 4)))
    'a float64 array of shape (3, 4)'
    """
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None and not np.isscalar(value):
        name = getattr(dtype, "name", dtype)
        try:
            return f"a {name} array of shape {tuple(shape)}"
        except (TypeError, ValueError):  # A tensor of unknown rank.
            return f"a {name} tensor"
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def boolean(argument: str, value: Any) -> bool:
    """`True` or `False`, and nothing that merely counts as one.

    Args:
        argument: Name of the argument.
        value: What was given.

    Raises:
        ValueError: If it is neither.

    Example:
    >>> boolean("shuffle", np.bool_(True))
    True
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise refusal(
        argument,
        "True or False",
        value,
        f"Write {argument}=True or {argument}=False.",
    )


def integer(
    argument: str,
    value: Any,
    least: int | None = None,
    example: int = 1,
    advice: str = "",
    optional: bool = False,
    below: int | None = None,
) -> Any:
    """An integer, of at least some value, or below another.

    Args:
        argument: Name of the argument.
        value: What was given.
        least: The smallest that is allowed, if there is one.
        example: A good value, for the message.
        advice: Another sentence of the message.
        optional: Whether `None` is allowed, and returned as it is.
        below: The smallest that is too large, if there is one.

    Raises:
        ValueError: If it is none, or smaller.

    Example:
    >>> integer("start_step", np.int64(7), least=0)
    7
    """
    if optional and value is None:
        return None
    if (
        is_integer(value)
        and (least is None or value >= least)
        and (below is None or value < below)
    ):
        return int(value)
    expected = {None: "an integer", 1: "a positive integer"}.get(
        least, f"an integer of at least {least}"
    )
    if below is not None:
        expected += f" and below {below}"
    raise _unfit(argument, expected, value, example, advice, optional)


def positive_integer(
    argument: str,
    value: Any,
    example: int = 32,
    advice: str = "",
    optional: bool = False,
) -> Any:
    """An integer of at least 1: a number of rows, of layers, of steps.

    Args:
        argument: Name of the argument.
        value: What was given.
        example: A good value, for the message.
        advice: Another sentence of the message.
        optional: Whether `None` is allowed, and returned as it is.

    Raises:
        ValueError: If it is none.

    Example:
    >>> positive_integer("units", 300)
    300
    """
    return integer(argument, value, 1, example, advice, optional)


def seed(argument: str, value: Any, optional: bool = False) -> Any:
    """The seed of something random: an integer from 0 to 2**32 - 1.

    `None` would be another seed at every start, and a run that resumes must draw what
    it drew before, the split of its data above all.

    Args:
        argument: Name of the argument.
        value: What was given.
        optional: Whether `None` is allowed, and returned as it is.

    Raises:
        ValueError: If it is none.

    Example:
    >>> seed("seed", 7)
    7
    """
    if value is None and optional:
        return None
    if is_integer(value) and 0 <= value <= _LARGEST_SEED:
        return int(value)
    raise refusal(
        argument,
        f"an integer from 0 to {_LARGEST_SEED}, so that what is drawn is the same "
        "whenever it is repeated",
        value,
        f"Write, for example, {argument}=0.",
    )


def number(
    argument: str,
    value: Any,
    expected: str,
    holds: Callable[[float], bool],
    example: float,
    advice: str = "",
    optional: bool = False,
) -> Any:
    """A finite real number of some kind, an integer if one was given.

    Args:
        argument: Name of the argument.
        value: What was given.
        expected: What it must be, for the message.
        holds: Whether a number is of that kind.
        example: A good value, for the message.
        advice: Another sentence of the message.
        optional: Whether `None` is allowed, and returned as it is.

    Raises:
        ValueError: If it is none.
    """
    if optional and value is None:
        return None
    if is_integer(value) and holds(value):
        return int(value)
    if (
        isinstance(value, numbers.Real)
        and not isinstance(value, (bool, np.bool_))
        and math.isfinite(value)
        and holds(float(value))
    ):
        return float(value)
    raise _unfit(argument, expected, value, example, advice, optional)


def positive_number(
    argument: str,
    value: Any,
    example: float = 0.1,
    advice: str = "",
    optional: bool = False,
) -> Any:
    """A finite number above 0: a rate, a temperature, a margin.

    Args:
        argument: Name of the argument.
        value: What was given.
        example: A good value, for the message.
        advice: Another sentence of the message.
        optional: Whether `None` is allowed, and returned as it is.

    Raises:
        ValueError: If it is none.

    Example:
    >>> positive_number("temperature", 0.07)
    0.07
    """
    expected = "positive and finite"
    return number(argument, value, expected, lambda v: v > 0, example, advice, optional)


def non_negative_number(
    argument: str,
    value: Any,
    example: float = 0.1,
    advice: str = "",
    optional: bool = False,
) -> Any:
    """A finite number of at least 0: a weight, a standard deviation.

    Args:
        argument: Name of the argument.
        value: What was given.
        example: A good value, for the message.
        advice: Another sentence of the message.
        optional: Whether `None` is allowed, and returned as it is.

    Raises:
        ValueError: If it is none.

    Example:
    >>> non_negative_number("weight", 0)
    0
    """
    expected = "a finite number of at least 0"
    return number(
        argument, value, expected, lambda v: v >= 0, example, advice, optional
    )


def probability(
    argument: str, value: Any, ends: str = "[]", example: float = 0.5, advice: str = ""
) -> Any:
    """A number between 0 and 1: a share, a probability, a momentum.

    Args:
        argument: Name of the argument.
        value: What was given.
        ends: Whether the ends belong to the interval: `"[]"`, `"[)"`, `"(]"` or `"()"`.
        example: A good value, for the message.
        advice: Another sentence of the message.

    Raises:
        ValueError: If it is none.

    Example:
    >>> probability("momentum", 0.9, "[)")
    0.9
    """
    left = operator.le if ends[0] == "[" else operator.lt
    right = operator.le if ends[1] == "]" else operator.lt
    return number(
        argument,
        value,
        f"in {ends[0]}0, 1{ends[1]}",
        lambda v: left(0, v) and right(v, 1),
        example,
        advice,
    )


def interval(
    argument: str,
    value: Any,
    least: float = 0,
    most: float = math.inf,
    example: tuple[float, float] = (0.5, 1.0),
) -> tuple[float, float]:
    """Two finite numbers in ascending order, between which something is drawn.

    Args:
        argument: Name of the argument.
        value: Pair of numbers.
        least: What both must be larger than.
        most: What both may at most be.
        example: A good value, for the message.

    Raises:
        ValueError: If it is none.

    Example:
    >>> interval("scale", [0.2, 1], most=1)
    (0.2, 1.0)
    """
    found = _sequence(value)
    if found is not None and len(found) == 2:
        try:
            low, high = (number(argument, v, "", lambda _: True, 1) for v in found)
        except ValueError:
            pass
        else:
            if least < low <= high <= most:
                return (float(low), float(high))
    above = f"{least:g} < low <= high" + (f" <= {most:g}" if most < math.inf else "")
    raise _unfit(argument, f"a pair of numbers (low, high), {above}", value, example)


def one_of(argument: str, value: Any, choices: Sequence[Any]) -> Any:
    """One of a few values, such as `"epoch"` and `"step"`.

    Args:
        argument: Name of the argument.
        value: What was given.
        choices: The values, of one or several types.

    Raises:
        ValueError: If it is none of them.

    Example:
    >>> one_of("axis", np.int64(1), (0, 1))
    1
    """
    for choice in choices:
        # Not `in`: True equals 1, and an array equals many things.
        if isinstance(choice, int) and not isinstance(choice, bool):
            if is_integer(value) and value == choice:
                return choice
        elif type(value) is type(choice) and value == choice:
            return choice
    *rest, last = map(repr, choices)
    listed = f"{', '.join(rest)} or {last}" if rest else last
    word = nearest_word(value, [c for c in choices if isinstance(c, str)]) or choices[0]
    raise refusal(argument, listed, value, f"Write, for example, {argument}={word!r}.")


def text(argument: str, value: Any, example: str, optional: bool = False) -> Any:
    """A string that is not empty.

    Args:
        argument: Name of the argument.
        value: What was given.
        example: A good value, for the message.
        optional: Whether `None` is allowed, and returned as it is.

    Raises:
        ValueError: If it is none.
    """
    if optional and value is None:
        return None
    if isinstance(value, str) and value:
        return str(value)
    raise _unfit(argument, "a string, not empty", value, example, "", optional)


def names(argument: str, values: Any) -> tuple[str, ...]:
    """Names of columns or parts, each not empty.

    Args:
        argument: Name of the argument.
        values: Sequence of strings, or one of them.

    Raises:
        ValueError: If it is none.

    Example:
    >>> names("categorical", ["city", "year"])
    ('city', 'year')
    """
    found = (values,) if isinstance(values, str) else _sequence(values)
    if found is None or not all(isinstance(v, str) and v for v in found):
        raise _unfit(argument, "names, strings that are not empty", values, ("city",))
    return tuple(map(str, found))


def path(argument: str, value: Any, example: str = "runs/first") -> str:
    """A path of the file system, as a string, with the home for `~`.

    Args:
        argument: Name of the argument.
        value: A string, or a path object.
        example: A good value, for the message.

    Raises:
        ValueError: If it is neither, or empty.

    Example:
    >>> path("log_dir", "logs")
    'logs'
    """
    if isinstance(value, (str, os.PathLike)):
        found = os.fspath(value)
        if isinstance(found, str) and found and "\0" not in found:
            return os.path.expanduser(found)
    raise _unfit(argument, "a path, a string or pathlib.Path", value, example, "")


def instance(
    argument: str,
    value: Any,
    kinds: type | tuple[type, ...],
    expected: str,
    advice: str,
    optional: bool = False,
) -> Any:
    """An object of a class.

    Args:
        argument: Name of the argument.
        value: What was given.
        kinds: The class, or several.
        expected: What it must be, for the message.
        advice: A sentence that says what to write.
        optional: Whether `None` is allowed, and returned as it is.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(value, kinds) or (optional and value is None):
        return value
    raise refusal(argument, expected + " or None" * optional, value, advice)


def encoder(argument: str, value: Any, optional: bool = False) -> Any:
    """A Keras model or layer, as encoders are.

    Args:
        argument: Name of the argument.
        value: What was given.
        optional: Whether `None` is allowed, and returned as it is.

    Raises:
        ValueError: If it is none.
    """
    expected = "a Keras model or layer from views to encodings"
    advice = "Take model.encoder_x, or make one with encoders.build."
    return instance(argument, value, keras.Layer, expected, advice, optional)


def function(
    argument: str, value: Any, expected: str, advice: str, optional: bool = False
) -> Any:
    """An object that can be called, and is no class.

    Args:
        argument: Name of the argument.
        value: What was given.
        expected: What it must be, for the message.
        advice: A sentence that says what to write.
        optional: Whether `None` is allowed, and returned as it is.

    Raises:
        ValueError: If it is none.
    """
    if (callable(value) and not isinstance(value, type)) or (
        optional and value is None
    ):
        return value
    raise refusal(argument, expected + " or None" * optional, value, advice)


def mapping(argument: str, value: Any, advice: str) -> Mapping:
    """A dictionary, or whatever has keys and values as one.

    Args:
        argument: Name of the argument.
        value: What was given.
        advice: A sentence that says what to write.

    Raises:
        ValueError: If it is none.
    """
    # A `ConfigDict` is no `Mapping`.
    if isinstance(value, Mapping) or (
        hasattr(value, "items") and hasattr(value, "keys")
    ):
        return value
    raise refusal(argument, "a dictionary", value, advice)


def sizes(
    argument: str,
    values: Any,
    empty: bool = True,
    advice: str = "",
    example: tuple[int, ...] = (300, 100),
    optional: bool = False,
) -> Any:
    """Sizes of layers that follow each other.

    Args:
        argument: Name of the argument.
        values: Sequence of positive integers.
        empty: Whether there may be none.
        advice: Another sentence of the message.
        example: A good value, for the message.
        optional: Whether `None` is allowed, and returned as it is.

    Raises:
        ValueError: If it is none.

    Example:
    >>> sizes("hidden_units", [300, np.int64(300)])
    (300, 300)
    """
    if optional and values is None:
        return None
    found = _sequence(values)
    if found is None or not all(map(_is_size, found)) or not (found or empty):
        raise _unfit(
            argument,
            "positive integers, one for each layer"
            + ("" if empty else ", and at least one"),
            values,
            example,
            advice,
            optional,
        )
    return tuple(map(int, found))


def units(argument: str, value: Any) -> Any:
    """Sizes of the hidden layers of an encoder, or their number, or `None`.

    Args:
        argument: Name of the argument.
        value: What was given; `skip_mlp` takes the number, all others the sizes.

    Raises:
        ValueError: If it is none of these.
    """
    if is_integer(value):
        return integer(argument, value, least=0, example=4)
    return sizes(argument, value, optional=True)


def sides(argument: str, value: Any, count: int) -> tuple[int, ...]:
    """One size for each axis, or one for all of them.

    Args:
        argument: Name of the argument.
        value: Positive integer, or a sequence of `count` of them.
        count: Number of axes.

    Raises:
        ValueError: If it is neither.

    Example:
    >>> sides("size", 14, 2), sides("size", (14, 28), 2)
    ((14, 14), (14, 28))
    """
    found = (value,) * count if _is_size(value) else _sequence(value)
    if found is None or len(found) != count or not all(map(_is_size, found)):
        expected = "a positive integer" + (", or a pair of them" if count == 2 else "")
        raise _unfit(argument, expected, value, 14)
    return tuple(map(int, found))


def view_shape(
    argument: str,
    values: Any,
    rank: int | None = None,
    static: bool = False,
    example: tuple[int, ...] = (14, 28, 1),
    expected: str = "the shape of a view without the rows",
    advice: str = "",
) -> tuple[Any, ...]:
    """Shape of a view without the rows.

    Args:
        argument: Name of the argument.
        values: Sequence of positive integers, or of `None` for a size that may be any.
        rank: Number of sizes, or `None` for any number.
        static: Whether all sizes must be known.
        example: A good value, for the message.
        expected: What it must be, for the message.
        advice: Another sentence of the message.

    Raises:
        ValueError: If it is none.

    Example:
    >>> view_shape("input_shape", [None, 28, 1])
    (None, 28, 1)
    """
    found = _sequence(values)
    if (
        found is None
        or rank not in (None, len(found))
        or not all(_is_size(size) or (size is None and not static) for size in found)
    ):
        raise _unfit(argument, expected, values, example, advice)
    return tuple(None if size is None else int(size) for size in found)


def image_shape(argument: str, values: Any) -> Any:
    """`(height, width, channels)` of an image, all of them known.

    Args:
        argument: Name of the argument.
        values: Sequence of three positive integers.

    Raises:
        ValueError: If it is none.

    Example:
    >>> image_shape("image_shape", (28, 28, 1))
    (28, 28, 1)
    """
    expected = "(height, width, channels), three positive integers"
    return view_shape(argument, values, 3, True, (28, 28, 1), expected)


def tensor(
    argument: str,
    value: Any,
    expected: str,
    advice: str,
    kinds: Sequence[str] = ("int", "float"),
) -> Any:
    """A tensor of numbers.

    Args:
        argument: Name of the argument.
        value: Tensor, symbolic or not, array, or nested lists.
        expected: What it must be, for the message.
        advice: A sentence that says what to write.
        kinds: What the name of its dtype may hold.

    Raises:
        ValueError: If it is none.
    """
    try:
        known = ops.is_tensor(value) or isinstance(value, keras.KerasTensor)
        found = value if known else ops.convert_to_tensor(value)
        dtype = keras.backend.standardize_dtype(found.dtype)
    except (TypeError, ValueError) as error:
        raise refusal(argument, expected, value, advice) from error
    if any(kind in dtype for kind in kinds):
        return found
    raise refusal(argument, expected, found, advice)


def array(argument: str, value: Any, expected: str, advice: str) -> np.ndarray:
    """An array of real numbers.

    Args:
        argument: Name of the argument.
        value: Array, tensor, or nested lists.
        expected: What it must be, for the message.
        advice: A sentence that says what to write.

    Raises:
        ValueError: If it is none, such as lists of unequal lengths, or strings.
    """
    unmasked(argument, value)
    try:
        found = np.asarray(value)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise refusal(argument, expected, value, advice) from error
    if found.dtype.name == "bfloat16":  # No number to NumPy.
        found = found.astype("float32")
    if found.dtype.kind in "biuf":
        return found
    raise refusal(argument, expected, value, advice)


def unmasked(argument: str, value: Any) -> None:
    """Refuses a masked array, of which NumPy would take what is below the mask.

    Args:
        argument: Name of the argument.
        value: Anything.

    Raises:
        ValueError: If some of its values are masked.
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(
            f"{argument} must be an array without a mask; received one with "
            f"{np.ma.count_masked(value)} values masked. Fill them with "
            "array.filled(0), or leave their rows out."
        )


def lookup(
    kind: str, name: Any, table: Mapping[str, Any], example: str | None = None
) -> Any:
    """Returns `table[name]`.

    Args:
        kind: What the table holds, for the message: `"critic"`, `"bound"`, ...
        name: The name to look up.
        table: Known names and what they stand for.
        example: What to write. Defaults to an argument called as the kind.

    Raises:
        ValueError: If `name` is unknown; the message suggests the nearest one.

    Example:
    >>> lookup("critic", "mlp", {"mlp": 1, "bilinear": 2})
    1
    """
    if isinstance(name, str) and name in table:
        return table[name]
    known = sorted(table)
    word = nearest_word(name, known) or known[0]
    raise ValueError(
        f"Unknown {kind} {shown(name)}.{nearest(name, known)} Expected one of: "
        f"{', '.join(map(repr, known))}. Give such an identifier, for example "
        f"{example or f'{kind}={word!r}'}."
    )


def _unfit(argument, expected, value, example, advice="", optional=False):
    """The refusal of a value of which an example can be given."""
    write = f"Write, for example, {argument}={example!r}."
    return refusal(
        argument,
        expected + (", or None" if optional else ""),
        value,
        f"{advice} {write}".strip(),
    )


def _sequence(values: Any) -> tuple | None:
    """The elements of an ordered collection, or `None` if it is none."""
    if isinstance(values, np.ndarray):
        return tuple(values) if values.ndim == 1 else None
    # tf.TensorShape and the lists of a ConfigDict are no `Sequence`.
    ordered = hasattr(values, "__len__") and hasattr(values, "__getitem__")
    if not ordered or isinstance(values, (str, bytes, Mapping)):
        return None
    try:
        return tuple(values)
    except (TypeError, ValueError):  # A shape of unknown rank.
        return None


def is_integer(value: Any) -> bool:
    """Whether it is an integer, of Python or NumPy, and no boolean."""
    # NumPy's integers are Integral, too, and so is bool.
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return is_integer(value) and value >= 1
