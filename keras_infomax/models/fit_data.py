"""Brings the data of `fit`, `evaluate` and `predict` into one form.

The data of a model of pairs are views and, optionally, weights of the pairs. There are
no targets and no classes. Keras drops the weights of arrays that have no targets, so
weights are passed together with the views, as `(views, (), weights)`.
"""

import inspect
import math
import numbers
import types
import warnings
from typing import Any

import keras
import numpy as np

from keras_infomax import backends, checks, lazy_tensorflow, structures
from keras_infomax.lazy_tensorflow import tf

# Packages whose calls a warning passes over, up to who called `fit`.
_ON_THE_WAY = {"keras", "keras_infomax", "tensorflow"}

_FORMS = (
    "Pass arrays as {method}((x, y)), or a dataset whose elements are ((x, y),), or "
    "((x, y), None, weights) where pairs have weights."
)


def texts_as_tensors(data):
    """Converts arrays of texts to tensors, since Keras cannot iterate over the arrays.

    Args:
        data: Data of `fit`: any structure of arrays, or a dataset.
    """

    def tensor(part):
        if not _is_array_of_texts(part):
            return part
        backends.needs("A view of texts", backends.TENSORFLOW)
        return tf.constant(part)

    return keras.tree.map_structure(tensor, data)


def _is_array_of_texts(part):
    return isinstance(part, np.ndarray) and structures.dtype_of(part) == "string"


def check_no_targets(method: str, y: Any, class_weight: Any = None) -> None:
    """Refuses targets and weights of classes, which only labeled data have.

    Args:
        method: Name of the method that was called.
        y: Targets.
        class_weight: Weights of classes.

    Raises:
        ValueError: If either is not `None`.
    """
    if y is not None:
        raise ValueError(
            "y must be None, since pairs of views have no targets; received "
            f"{_describe(y)}. {_FORMS.format(method=method)}"
        )
    if class_weight is not None:
        raise ValueError(
            "class_weight must be None, since pairs of views have no classes; received "
            f"{class_weight!r}. Use sample_weight, a number for each pair."
        )


def split(x: Any, sample_weight: Any, part: float) -> tuple[Any, Any]:
    """Splits arrays as Keras does: the last rows are for validation.

    Args:
        x: Views, arrays of equally many rows.
        sample_weight: Array of weights, or `None`.
        part: Fraction of the rows for validation, at least 0 and less than 1.

    Returns:
        Two pairs of views and weights, for training and for validation.

    Raises:
        ValueError: If the fraction is out of range, the data are not arrays, or a part
            would have fewer than 2 rows.
    """
    if not _is_arrays(x):
        raise ValueError(
            "validation_split needs arrays; received "
            f"{_describe(x)}. Give validation_data instead."
        )
    rows = _rows(x)
    if sample_weight is not None:
        sample_weight = checked_weights(sample_weight, rows)
    first = math.floor(rows * (1.0 - part))
    if min(first, rows - first) < 2:
        raise ValueError(
            f"validation_split={part!r} must leave at least 2 rows of {rows} to train "
            "on and 2 to validate on. Use another part, or give validation_data."
        )

    def cut(start, end):
        return keras.tree.map_structure(
            lambda array: None if array is None else array[start:end],
            (x, sample_weight),
        )

    return cut(0, first), cut(first, rows)


def checked_data(
    method: str,
    x: Any,
    sample_weight: Any = None,
    batch_size: int | None = None,
    steps: int | None = None,
    least: int = 2,
    prefix: str = "",
) -> Any:
    """Brings views and their weights into the form that a model unpacks.

    A batch of one row has no negatives and is left out with a warning: the last row of
    arrays, the last batch of a `PyDataset`, or a batch of a generator.

    Args:
        method: Name of the method that was called.
        x: Arrays, dataset, `PyDataset` or generator.
        sample_weight: Weights `(rows,)` of arrays, or `None`.
        batch_size: Rows in a batch of arrays, or `None`.
        steps: Number of batches of arrays if there is no batch size, or `None`.
        least: Smallest number of rows in a batch.
        prefix: Prefix of the names of arguments in messages, such as `"validation_"`.

    Returns:
        Argument `x` for Keras, without targets and weights.

    Raises:
        ValueError: If the data have targets, too few rows, or invalid weights.
    """
    if x is None:
        raise ValueError(f"x must be given. {_FORMS.format(method=method)}")
    if _is_arrays(x):
        return _checked_arrays(x, sample_weight, batch_size, steps, least, prefix)
    if sample_weight is not None:
        raise ValueError(
            f"sample_weight needs arrays; received {_describe(x)}. Make its elements "
            "((x, y), None, weights)."
        )
    if batch_size is not None and _is_batched(x):
        raise ValueError(
            f"{prefix}batch_size must be None if the data come in batches; received "
            f"{batch_size} with {_describe(x)}. Leave it out"
            + (", or give validation_batch_size." if method == "fit" else ".")
        )
    if lazy_tensorflow.is_dataset(x):
        return _checked_dataset(method, x)
    if isinstance(x, keras.utils.PyDataset):
        return _checked_py_dataset(x, least)
    if isinstance(x, types.GeneratorType):
        return _checked_generator(x, least)
    if isinstance(x, (tuple, list, dict)):
        raise _no_arrays(f"{prefix}data" if prefix else "x", x)
    return x


def checked_views(method: str, x: Any) -> Any:
    """Checks views for `predict`; other data of Keras are passed on.

    Args:
        method: Name of the method that was called.
        x: Structure of arrays, dataset, `PyDataset` or generator.

    Raises:
        ValueError: If it is not a structure of arrays, or has no rows.
    """
    empty = _is_arrays(x) and 0 in (part.shape[0] for part in keras.tree.flatten(x))
    if x is None or empty:
        raise ValueError(
            "x must be views of at least one row; received "
            f"{structures.described(x) if empty else None}. Call {method} with at "
            "least one row."
        )
    if not _is_arrays(x) and isinstance(x, (tuple, list, dict)):
        raise _no_arrays("x", x)
    return x


def checked_batch(method: str, x: Any, sample_weight: Any, least: int) -> tuple:
    """Checks one batch of views and its weights.

    Args:
        method: Name of the method that was called.
        x: Structure of arrays.
        sample_weight: Array of weights, or `None`.
        least: Smallest number of rows.

    Returns:
        Pair of views and weights.

    Raises:
        ValueError: If the views are not arrays or have too few rows, or the weights are
            invalid.
    """
    if not _is_arrays(x):
        raise _no_arrays("x", x)
    rows = {part.shape[0] for part in keras.tree.flatten(x)}
    if len(rows) > 1 or None in rows:
        return x, sample_weight  # The step checks the rest.
    if min(rows) < least:
        raise ValueError(
            f"A batch must have at least {least} rows, since the other rows are the "
            f"negatives; received {min(rows)}. Give {method} more rows."
        )
    if sample_weight is not None:
        sample_weight = checked_weights(sample_weight, min(rows))
    return x, sample_weight


def checked_validation(
    data: Any,
    batch_size: int | None,
    batch_size_of_fit: int | None,
    steps: int | None,
    least: int,
) -> tuple:
    """Brings `validation_data` into the form that Keras and a model unpack.

    Args:
        data: `(views,)`, `(views, None, weights)`, dataset, or views alone.
        batch_size: Rows in a batch of arrays, or `None` for that of `fit`.
        batch_size_of_fit: The same in training.
        steps: Number of batches of arrays if there is no batch size, or `None`.
        least: Smallest number of rows in a batch.

    Returns:
        Tuple of x alone.

    Raises:
        ValueError: If the data have targets or are not valid data.
    """
    weights = None
    if isinstance(data, (tuple, list)):
        if not 1 <= len(data) <= 3 or (len(data) > 1 and not _is_nothing(data[1])):
            raise ValueError(
                "validation_data must be ((x, y),), a tuple that holds one pair of "
                f"views; received {_describe(data)}, whose second element Keras takes "
                "as targets. Pass arrays as validation_data=((x, y),), or as ((x, y), "
                "None, weights) where pairs have weights."
            )
        data, weights = data[0], (data[2] if len(data) == 3 else None)
    if batch_size is None and not _is_batched(data):
        batch_size = batch_size_of_fit
    return (
        checked_data(
            "evaluate", data, weights, batch_size, steps, least, "validation_"
        ),
    )


def checked_weights(sample_weight: Any, rows: int) -> np.ndarray:
    """Checks weights of pairs.

    Args:
        sample_weight: Array `(rows,)` or `(rows, 1)`.
        rows: Number of pairs.

    Returns:
        Array `(rows,)` of Keras's default float type.

    Raises:
        ValueError: If they are not one finite number of at least 0 for each pair.
    """
    checks.unmasked("sample_weight", sample_weight)
    shape: Any = None
    try:
        weights = np.asarray(sample_weight, keras.config.floatx())
        shape = weights.shape
    except (TypeError, ValueError):
        pass
    if shape not in ((rows,), (rows, 1)):
        raise ValueError(
            f"sample_weight must hold one number for each of the {rows} pairs; "
            f"received {_describe(sample_weight)}."
        )
    if not np.all(np.isfinite(weights)) or np.any(weights < 0):
        raise ValueError(
            "sample_weight must be finite numbers of at least 0; received numbers from "
            f"{weights.min()} to {weights.max()}."
        )
    return weights.reshape(-1)


class _Batches(keras.utils.PyDataset):
    """Batches of another `PyDataset` without its last ones, in the form of a model."""

    def __init__(self, batches, count):
        super().__init__(
            batches.workers, batches.use_multiprocessing, batches.max_queue_size
        )
        self._batches = batches
        self._count = count

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        return _in_form(self._batches[index])

    def on_epoch_begin(self):
        self._batches.on_epoch_begin()

    def on_epoch_end(self):
        self._batches.on_epoch_end()


def _checked_arrays(x, sample_weight, batch_size, steps, least, prefix):
    rows = _rows(x)
    if sample_weight is not None:
        x = (x, (), checked_weights(sample_weight, rows))
    # As Keras chooses the default.
    size = batch_size or (math.ceil(rows / steps) if steps else 32)
    if min(rows, size) < least:
        few = f"rows={rows}" if rows < least else f"{prefix}batch_size={size}"
        raise _too_few(few)
    if 0 < rows % size < least:
        _warn_of_remainder(f"the last of {rows} rows, in batches of {size}")
        x = keras.tree.map_structure(lambda array: array[:-1], x)
    return x


def _too_few(received):
    return ValueError(
        "A batch must have at least 2 rows, since the other rows are the negatives; "
        f"received {received}. Use more rows, or a larger batch size."
    )


def _checked_dataset(method, dataset):
    element = dataset.element_spec
    if not isinstance(element, tuple) or len(element) < 2:
        return dataset
    if len(element) > 3 or not _is_nothing(element[1]):
        raise ValueError(
            "Dataset elements must be ((x, y),), a tuple that holds one pair of views; "
            f"received a tuple of {len(element)}, which Keras takes as inputs, targets "
            "and weights. Map the dataset with lambda x, y: ((x, y),), or with lambda "
            "x, y, weights: ((x, y), None, weights) where pairs have weights."
        )
    in_form = tf.autograph.experimental.do_not_convert(_in_form)
    return dataset.map(lambda *element: in_form(element))


def _checked_py_dataset(batches, least):
    count = batches.num_batches
    if not count:
        return batches
    last = batches[count - 1]
    if _few_rows(last, least):
        if count == 1:
            raise _too_few(f"rows={least - 1}")
        _warn_of_remainder(f"the last batch of a {type(batches).__name__}")
        count -= 1
    elif last is _in_form(last):
        return batches
    return _Batches(batches, count)


def _checked_generator(batches, least):
    warned = False
    for batch in batches:
        if _few_rows(batch, least):
            if not warned:
                _warn_of_remainder("a batch of a generator")
            warned = True
        else:
            yield _in_form(batch)


def _in_form(element):
    """An element without `None`, which some ways to run a step do not support."""
    if isinstance(element, (tuple, list)) and 1 < len(element) <= 3:
        views, targets, *weights = element
        if _is_nothing(targets):
            return (views, (), *weights) if weights else (views,)
    return element


def _few_rows(element, least):
    arrays = [part for part in keras.tree.flatten(element) if part is not None]
    return bool(arrays) and 0 < np.shape(arrays[0])[0] < least


def _warn_of_remainder(what):
    warnings.warn(
        f"One row is left out, {what}: a batch of one row has no negatives. Use "
        "another batch size to keep it.",
        stacklevel=_levels_to_caller(),
    )


def _levels_to_caller():
    # By how many calls Keras hands data over differs by the method and the release.
    frame, level = inspect.currentframe(), 0
    while frame and frame.f_globals.get("__name__", "").split(".")[0] in _ON_THE_WAY:
        frame, level = frame.f_back, level + 1
    # A thread that reads a generator has no caller.
    return level if frame else 1


def _no_arrays(argument, given):
    return ValueError(
        f"{argument} must be arrays or tensors, or a tuple or dictionary of them, or a "
        f"dataset; received {_describe(given)} that holds something else. Convert "
        "lists of numbers with np.asarray(x)."
    )


def _rows(arrays):
    rows = {int(part.shape[0]) for part in keras.tree.flatten(arrays)}
    if len(rows) != 1:
        raise ValueError(
            "The views x and y must have the same number of rows, since row i of both "
            f"are views of example i; received {' and '.join(map(str, sorted(rows)))}."
        )
    return rows.pop()


def _is_arrays(x):
    leaves = keras.tree.flatten(x)
    return bool(leaves) and all(
        hasattr(leaf, "shape") and len(leaf.shape) > 0 for leaf in leaves
    )


def _is_batched(x):
    return hasattr(x, "element_spec") or isinstance(
        x, (keras.utils.PyDataset, types.GeneratorType)
    )


def _is_nothing(part):
    """Whether there is no tensor in a structure, of a dataset or of arrays."""
    if part is None:
        return True
    if isinstance(part, (tuple, list, dict)):
        return all(map(_is_nothing, keras.tree.flatten(part)))
    # A dataset has this in place of None.
    return hasattr(part, "value_type") and not hasattr(part, "dtype")


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None and not callable(shape):
        return f"an array of shape {tuple(shape)}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, dict):
        return f"a dictionary with the keys {sorted(map(str, value))}"
    if isinstance(value, (str, numbers.Number)):
        return repr(value)
    return f"a {type(value).__name__}"
