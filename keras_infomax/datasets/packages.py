"""Reads signals and tables that are part of Python packages.

A package is not imported if its data are text files, since `aeon` would compile for
seconds.
"""

import csv
import importlib.util
import inspect
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_infomax import checks
from keras_infomax.datasets import data_files, tables

_EXTRAS = {"aeon": "signals", "statsmodels": "tables"}


def read_signals(name: str) -> data_files.Source:
    """Reads signals of the package `aeon`, such as `"JapaneseVowels"`.

    Each channel is scaled to mean 0 and standard deviation 1 of the training split.
    Then shorter signals are padded with zeros at the end.

    Args:
        name: Name of the data set.

    Returns:
        Splits of float32 signals `(rows, steps, channels)` with labels, the names of
        the classes, and `None`.
    """
    folder = _folder("aeon", "datasets", "data")
    known = sorted(
        path.name.removesuffix("_TRAIN.ts") for path in folder.glob("*/*_TRAIN.ts")
    )
    if name not in known:
        raise checks.NotThere(
            f"Unknown signals {'aeon:' + name!r}.{checks.nearest(name, known)} "
            f"Expected one of: {', '.join(known)}."
        )
    (path,) = folder.glob(f"*/{name}_TRAIN.ts")
    splits = [
        _read_ts(path.with_name(f"{name}_{split}.ts")) for split in ("TRAIN", "TEST")
    ]
    labels, names = tables.to_labels(
        f"aeon:{name}", "class", *(np.array(found) for _, found in splits)
    )
    everything = np.concatenate([signal for signal in splits[0][0]], axis=1)
    mean = everything.mean(axis=1)[:, None]
    deviation = np.maximum(everything.std(axis=1)[:, None], 1e-9)
    longest = max(signal.shape[1] for signals, _ in splits for signal in signals)
    arrays = []
    for signals, _ in splits:
        array = np.zeros((len(signals), longest, len(mean)), "float32")
        for row, signal in enumerate(signals):
            array[row, : signal.shape[1]] = ((signal - mean) / deviation).T
        arrays.append(array)
    return (arrays[0], labels[0]), (arrays[1], labels[1]), names, None


def read_table(
    name: str, split_seed: int, label: str | None, categorical: Sequence[str]
) -> data_files.Source:
    """Reads a table of `statsmodels`, such as `"randhie"`.

    Args:
        name: Name of the data set.
        split_seed: Seed of the split.
        label: Column of the labels, or `None`.
        categorical: Numeric columns that are categories.
    """
    folder = _folder("statsmodels", "datasets")
    known = sorted(path.stem for path in folder.glob("*/*.csv"))
    if name not in known:
        raise checks.NotThere(
            f"Unknown table {'statsmodels:' + name!r}.{checks.nearest(name, known)} "
            f"Expected one of: {', '.join(known)}."
        )
    path = folder / name / f"{name}.csv"
    if not path.is_file():
        path = next(folder.glob(f"*/{name}.csv"))
    with open(path, newline="", encoding="utf-8") as opened:
        header, *rows = csv.reader(opened)
    rows = [row for row in rows if len(row) == len(header)]
    columns = {
        key.strip(): tables.column(values)
        for key, values in zip(header, zip(*rows, strict=True), strict=True)
    }
    full = f"statsmodels:{name}"
    return data_files.from_columns(full, [columns], split_seed, label, categorical)


def read_scikit_learn(
    name: str, split_seed: int, categorical: Sequence[str]
) -> data_files.Source:
    """Reads a table of scikit-learn, such as `"breast_cancer"`, with its own classes.

    Args:
        name: Name of the data set, as in `sklearn.datasets.load_NAME`.
        split_seed: Seed of the split.
        categorical: Numeric columns that are categories.
    """
    from sklearn import datasets

    known = {
        key.removeprefix("load_"): value
        for key, value in vars(datasets).items()
        if key.startswith("load_")
        and inspect.isfunction(value)
        and "return_X_y" in inspect.signature(value).parameters
        and key not in ("load_diabetes", "load_linnerud")
    }
    load = checks.lookup("table of scikit-learn", name, known, "'sklearn:wine'")
    bunch = load()
    names = [re.sub(r"[^\w]+", "_", str(key)).strip("_") for key in bunch.feature_names]
    columns: dict[str, Any] = dict(zip(names, bunch.data.T, strict=True))
    columns["class"] = np.array([str(bunch.target_names[t]) for t in bunch.target])
    full = f"sklearn:{name}"
    return data_files.from_columns(full, [columns], split_seed, "class", categorical)


def _folder(package: str, *parts: str) -> pathlib.Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            f"The data sets '{package}:NAME' are part of the package {package}. "
            f'Install it with `pip install "keras_infomax[{_EXTRAS[package]}]"`.'
        )
    return pathlib.Path(spec.submodule_search_locations[0], *parts)


def _read_ts(path: pathlib.Path) -> tuple[list[np.ndarray], list[str]]:
    """Signals `(channels, steps)` and their classes from a file in the format .ts."""
    signals, labels = [], []
    lines = path.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.lower().startswith("@data"))
    for line in filter(None, map(str.strip, lines[start + 1 :])):
        *channels, label = line.split(":")
        signals.append(
            np.array([[float(value) for value in c.split(",")] for c in channels])
        )
        labels.append(label.strip())
    return signals, labels
