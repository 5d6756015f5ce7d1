"""Stores raw baselines, which all runs on the same views share.

A linear probe on raw color images takes minutes, longer than many runs, so a sweep fits
it only once.
"""

import dataclasses
import hashlib
import json
import math
import os
import pathlib
from collections.abc import Iterable

import keras
import numpy as np

from keras_infomax import callbacks, files
from keras_infomax.probes import Judgement


def remember(
    measuring: Iterable[keras.callbacks.Callback], folder: str | os.PathLike
) -> None:
    """Sets the raw baselines of probes, and fits only those that are not stored.

    While one process fits, others that need a baseline in the same folder wait.

    Args:
        measuring: Callbacks; those of type `Probes` get baselines. The names of their
            probes identify them, as in `experiments.make_probes`.
        folder: Folder of the baselines, with a JSON file for each set of views; created
            if it does not exist.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for callback in measuring:
        if isinstance(callback, callbacks.Probes):
            _remember(callback, folder)


def _remember(probes: callbacks.Probes, folder: pathlib.Path) -> None:
    path = folder / f"{_digest(probes)}.json"
    with files.locked(folder, wait=True):
        # Probes that fine-tune have no baseline.
        frozen = [n for n, p in probes.probes.items() if getattr(p, "frozen", True)]
        found = _read(path, frozen)
        if found is None:
            found = probes.judge_raw()
            cells = {name: dataclasses.asdict(j) for name, j in found.items()}
            files.write_text(path, json.dumps(cells, indent=2) + "\n")
    probes.take_raw(found)


def _read(path: pathlib.Path, names: Iterable[str]) -> dict[str, Judgement] | None:
    """The baselines of a file; `None` if it is missing or must be rewritten."""
    if not path.exists():
        return None
    try:
        cells = files.read_json(path)
        found = {name: Judgement(**cells[name]) for name in names}
        for judgement in found.values():
            _check(judgement)
    except (ValueError, TypeError, KeyError) as error:
        print(f"{path} is damaged, and is fitted again: {error}")
        return None
    return found


def _check(judgement: Judgement) -> None:
    for name, value in dataclasses.asdict(judgement).items():
        missing = value is None and name != "accuracy"
        known = isinstance(value, int | float) and math.isfinite(value)
        if not (missing or known):
            raise ValueError(f"{name} must be a number; received {value!r}.")


def _digest(probes: callbacks.Probes) -> str:
    """Digest of probes, views and labels."""
    digest = hashlib.sha256(",".join(probes.probes).encode())
    for array in keras.tree.flatten((probes.train, probes.test)):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
