"""Examples of any kind in memory: signals, tables, tokens, or several of these.

An example is a row of an array `(rows, ...)`, or of a tuple or dictionary of arrays
with the same number of rows. Data sets of only images have their own class, in
`images`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_infomax import checks, lazy_tensorflow, structures
from keras_infomax.datasets import images as image_arrays
from keras_infomax.datasets.dataset import Dataset
from keras_infomax.lazy_tensorflow import tf

_HOW = (
    "an array (rows, ...), or a tuple or dictionary of such arrays: floats, integers "
    "from 0 up, uint8 images, or texts"
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ExampleDataset(Dataset):
    """Examples and labels of one data set, split into train and test.

    Use `load` or `from_examples`, which check the data, to make one.

    Args:
        name: Name of the data set, for messages and reports.
        train_examples: Array `(rows, ...)`, or a tuple or dictionary of arrays.
        train_labels: int64 array `(rows,)`, or `None` for unlabeled examples.
        test_examples: As `train_examples`, with the same dtypes and shapes.
        test_labels: As `train_labels`.
        num_classes: Number of classes, or `None` without labels.
        class_names: A name for each class, or `None`.
        categories: For a table, the number of values of each column of the part
            `"categories"`; `None` for data without this part.
        prompts: For examples of two parts, second parts that describe each class, an
            array `(classes, prompts, ...)`, or `None`; see `callbacks.ZeroShot`.
    """

    name: str
    train_examples: Any
    train_labels: np.ndarray | None
    test_examples: Any
    test_labels: np.ndarray | None
    num_classes: int | None = None
    class_names: tuple[str, ...] | None = None
    categories: tuple[int, ...] | None = None
    prompts: np.ndarray | None = None


def from_examples(
    train: tuple[Any, Any],
    test: tuple[Any, Any],
    name: str = "examples",
    class_names: tuple[str, ...] | None = None,
    categories: tuple[int, ...] | None = None,
    prompts: Any = None,
) -> ExampleDataset:
    """Makes an `ExampleDataset` of arrays, after checking them.

    Args:
        train: `(examples, labels)`. Examples are an array `(rows, ...)`, or a tuple or
            dictionary of arrays with the same number of rows. Arrays have floats,
            integers from 0 up (such as tokens), texts, or uint8 images
            `(rows, height, width, channels)`. Labels are integers `(rows,)` from 0 up,
            or `None`.
        test: As `train`, with the same dtypes and shapes of an example.
        name: Name of the data set, for messages and reports.
        class_names: A name for each class. Without names, the largest label determines
            the number of classes.
        categories: Number of values of each column of the part `"categories"`.
        prompts: Second parts that describe each class, an array
            `(classes, prompts, ...)`.

    Returns:
        The `ExampleDataset`.

    Raises:
        ValueError: If the arrays are not as described.

    Example:
    >>> signals = np.zeros((6, 100, 3), "float32")
    >>> data = from_examples((signals, None), (signals, [0, 1, 2, 0, 1, 2]))
    >>> data.example_shape, data.num_classes
    ((100, 3), 3)
    """
    checks.text("name", name, "examples")
    parts = []
    for split, given in (("train", train), ("test", test)):
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise checks.refusal(
                f"{split} of {name!r}",
                "a pair (examples, labels)",
                given,
                "Write (examples, None) for unlabeled ones.",
            )
        what = f"of the {split} split of {name!r}"
        examples = as_examples(f"The examples {what}", given[0])
        labels = given[1]
        if labels is not None:
            labels = image_arrays.as_array(f"The labels {what}", labels)
            rows = structures.rows_of(examples)
            image_arrays.check_labels(f"The labels {what}", labels, rows, "examples")
            labels = labels.astype("int64")
        parts.append((examples, labels))
    layouts = [_layout(examples) for examples, _ in parts]
    if layouts[0] != layouts[1]:
        raise ValueError(
            f"The train and test examples of {name!r} must have one layout: the same "
            f"parts, dtypes and shapes; received {layouts[0]} and {layouts[1]}. "
            "Prepare both in the same way."
        )
    num_classes, class_names = image_arrays.checked_classes(
        name, [labels for _, labels in parts if labels is not None], class_names
    )
    (train_examples, train_labels), (test_examples, test_labels) = parts
    return ExampleDataset(
        name=name,
        train_examples=train_examples,
        train_labels=train_labels,
        test_examples=test_examples,
        test_labels=test_labels,
        num_classes=num_classes,
        class_names=class_names,
        categories=_checked_categories(categories, train_examples, test_examples),
        prompts=_checked_prompts(prompts, train_examples, num_classes),
    )


def as_examples(what: str, values: Any) -> Any:
    """Checks values, and returns them as an array or a structure of arrays.

    Args:
        what: Name of the values, for messages.
        values: Array, tensor or nested lists of numbers; or a tuple or dictionary of
            these. Float arrays become float32.

    Raises:
        ValueError: If they are something else, have different numbers of rows, or hold
            values that are not finite.
    """
    if isinstance(values, Mapping):
        if not values or not all(isinstance(key, str) for key in values):
            raise checks.refusal(what, _HOW, values, "Give each part a name.")
        found: Any = {
            key: _as_part(f"{what}, part {key!r},", values[key])
            for key in sorted(values)
        }
    elif isinstance(values, tuple):
        if not values:
            raise checks.refusal(what, _HOW, values, "Give at least one part.")
        found = tuple(
            _as_part(f"{what}, part {number},", part)
            for number, part in enumerate(values)
        )
    else:
        found = _as_array(what, values)
        is_matrix = found.dtype.kind in "fi" and found.ndim in (2, 3)
        if not (is_matrix or (found.dtype.kind == "U" and found.ndim)):
            # uint8 means images; anything else is a mistake.
            image_arrays.check_images(what, found)
        else:
            found = _as_part(what, found)
    counts = {len(part) for part in keras.tree.flatten(found)}
    if len(counts) > 1 or not min(counts):
        raise ValueError(
            f"{what} must have at least one row, and the same number in all parts; "
            f"received {_layout(found)} with {sorted(counts)} rows. Take all parts "
            "from the same rows."
        )
    return found


def noun_of(examples: Any) -> str:
    """Word for examples in messages: `"images"` or `"examples"`.

    Args:
        examples: Array, or structure of arrays.
    """
    return "images" if getattr(examples, "ndim", 0) == 4 else "examples"


def prepared(examples: Any) -> Any:
    """Converts examples for views: images become float32 in [0, 1].

    Other floats become float32; integers and texts do not change.

    Args:
        examples: Array or tensor, or a structure of these.

    Returns:
        Structure of arrays or tensors.
    """
    return keras.tree.map_structure(_prepared, examples)


def _prepared(part):
    dtype = str(structures.dtype_of(part))
    if dtype == "uint8":
        return image_arrays.to_float(part)
    if "float" not in dtype or dtype == "float32":
        return part
    return (
        tf.cast(part, "float32")
        if lazy_tensorflow.is_tensor(part)
        else part.astype("float32")
    )


def _as_array(what: str, values: Any) -> np.ndarray:
    """Converts values to one array; strings become an array of texts."""
    array = image_arrays.as_array(what, values)
    if array.dtype.kind == "O" and all(isinstance(v, str) for v in array.ravel()):
        return array.astype("U")
    return array


def _as_part(what: str, values: Any) -> np.ndarray:
    array = _as_array(what, values)
    if array.ndim == 0:
        raise checks.refusal(what, _HOW, values, "Stack the rows with np.stack.")
    if array.dtype.kind == "b":
        array = array.astype("float32")
    if array.dtype.name == "uint8" and array.ndim != 4:
        raise ValueError(
            f"{what} of dtype uint8 must be images of shape (rows, height, width, "
            f"channels); received the shape {array.shape}. Convert other numbers with "
            "values.astype('float32'), and tokens with values.astype('int32')."
        )
    if array.dtype.kind == "f":
        broken = ~np.isfinite(array)
        if broken.any():
            first = int(np.argmax(broken.reshape(len(array), -1).any(axis=1)))
            raise ValueError(
                f"{what} must be finite; received {broken.sum()} values that are NaN "
                f"or infinite, the first of them in row {first}. Repair or remove the "
                "rows."
            )
        return array.astype("float32", copy=False)
    if array.dtype.kind in "iu":
        if array.size and (array.min() < 0 or array.max() >= 2**31):
            raise ValueError(
                f"{what}: integers must lie in [0, 2^31), as tokens and categories "
                f"do; received values from {array.min()} to {array.max()}. Convert "
                "quantities with values.astype('float32')."
            )
        return array if array.dtype.name == "uint8" else array.astype("int32")
    if array.dtype.kind == "U":
        return array
    raise checks.refusal(what, _HOW, array, "Make numbers of them.")


def _layout(examples: Any) -> str:
    def told(part):
        kind = "texts" if part.dtype.kind == "U" else part.dtype.name
        return f"{kind} {('rows', *part.shape[1:])}"

    if isinstance(examples, dict):
        return str({key: told(part) for key, part in examples.items()})
    if isinstance(examples, tuple):
        return str(tuple(map(told, examples)))
    return told(examples)


def _checked_categories(categories, *splits) -> tuple[int, ...] | None:
    if categories is None:
        return None
    found = checks.sizes("categories", categories, empty=False, example=(3, 7))
    for examples in splits:
        part = examples.get("categories") if isinstance(examples, dict) else None
        if part is None or part.shape[1:] != (len(found),):
            raise checks.refusal(
                "categories",
                "one number for each column of the part 'categories' of a table",
                categories,
                "Leave it out for other data.",
            )
        if (part.max(axis=0) >= found).any():
            raise ValueError(
                "categories must be larger than the values of each column; received "
                f"{found}, and the largest values {tuple(part.max(axis=0).tolist())}."
                " Count those of train and test together."
            )
    return found


def _checked_prompts(prompts, examples, num_classes) -> np.ndarray | None:
    if prompts is None:
        return None
    found = _as_part("prompts", prompts)
    parts = keras.tree.flatten(examples)
    if len(parts) != 2 or found.shape[2:] != parts[1].shape[1:]:
        raise checks.refusal(
            "prompts",
            "an array (classes, prompts, ...) of what the second of two parts may be",
            prompts,
            f"An example has the parts {_layout(examples)}.",
        )
    if len(found) != num_classes:
        raise ValueError(
            f"prompts must have an entry for each of {num_classes} classes; received "
            f"{len(found)}. Give them in the order of the labels."
        )
    return found
