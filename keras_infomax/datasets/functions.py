"""Makes data sets from the results of functions of other modules."""

import dataclasses
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_infomax import checks, lazy_tensorflow
from keras_infomax.datasets.dataset import Dataset
from keras_infomax.datasets.examples import from_examples
from keras_infomax.datasets.images import from_arrays
from keras_infomax.lazy_tensorflow import tf


def read(name: str, split_seed: int, prefixes: Sequence[str]) -> Dataset:
    """Makes a data set from the result of a function; see `datasets.load`.

    Args:
        name: `"MODULE:FUNCTION"`, which is also the name of the data set.
        split_seed: Value for an argument of this name, if the function has one.
        prefixes: Other words that may precede a colon, for messages.

    Raises:
        ValueError: If there is no such function, or it does not return data.
    """
    found = _function(name, split_seed, prefixes)()
    if isinstance(found, Dataset):
        return dataclasses.replace(found, name=name)  # type: ignore[type-var]
    if isinstance(found, tuple) and len(found) == 2:
        train, test = map(_collected, found)
        if all(isinstance(split, tuple) and len(split) == 2 for split in (train, test)):
            if _are_images(train[0]):
                return from_arrays(train, test, name)
            return from_examples(train, test, name)
    raise ValueError(
        f"The function {name} must return a data set of datasets.from_arrays or "
        "datasets.from_examples, or a pair (train, test), each of them a pair "
        "(examples, labels) or a tf.data.Dataset of single examples, with labels or "
        f"without; received {checks.shown(found)}."
    )


def _collected(split: Any) -> Any:
    """A split as a pair of examples and labels, if it is a `tf.data.Dataset`."""
    if not lazy_tensorflow.is_dataset(split):
        return split
    rows = [tf.nest.map_structure(np.asarray, row) for row in split.as_numpy_iterator()]
    if not rows:
        raise ValueError(
            "A tf.data.Dataset of a split must hold examples; received an empty one."
        )
    labelled = isinstance(rows[0], tuple) and len(rows[0]) == 2
    if not labelled:
        rows = [(row, None) for row in rows]
    stacked = tf.nest.map_structure(
        lambda *parts: np.stack(parts), *[r[0] for r in rows]
    )
    return stacked, [row[1] for row in rows] if labelled else None


def _are_images(examples: Any) -> bool:
    return isinstance(examples, np.ndarray) and (
        examples.ndim == 4 or examples.dtype == "uint8"
    )


def _function(name: str, split_seed: int, prefixes: Sequence[str]) -> Callable[[], Any]:
    """Finds the function of this name, and binds its argument."""
    module_name, _, function_name = name.partition(":")
    # Programs do not have the working folder in their path.
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        kind = module_name + ":"
        raise ValueError(
            f"Unknown kind of data set {kind!r} in {name!r}."
            f"{checks.nearest(kind, [f'{prefix}:' for prefix in prefixes])} As "
            f"'module:function' it needs a module that can be imported from {folder}: "
            f"{error}."
        ) from error
    finally:
        sys.path.remove(folder)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ValueError(
            f"The module {module_name!r} must have a function {function_name!r}; "
            f"received {name!r}.{checks.nearest(function_name, list(vars(module)))}"
        )
    if "split_seed" in inspect.signature(function).parameters:
        return lambda: function(split_seed=split_seed)
    return function
