"""Remembers raw baselines, which all runs on the same views share.

A linear probe on raw color images takes minutes, more than many a run: a sweep fits
it once.
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
    """Gives probes their raw baselines, fitted only if no others have been.

    While one process fits, others that need a baseline of the same folder wait.

    Args:
        measuring: Callbacks, of which the `Probes` get theirs. They are told by the
            names of their probes, as those of `experiments.make_probes` are.
        folder: Where the baselines lie, a JSON file for each set of views; made if it
            does not exist.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for callback in measuring:
        if isinstance(callback, callbacks.Probes):
            _remember(callback, folder)


def _remember(probes: callbacks.Probes, folder: pathlib.Path) -> None:
    path = folder / f"{_digest(probes)}.json"
    with files.locked(folder, wait=True):
        # Those that fine-tune have no baseline.
        frozen = [n for n, p in probes.probes.items() if getattr(p, "frozen", True)]
        found = _read(path, frozen)
        if found is None:
            found = probes.judge_raw()
            cells = {name: dataclasses.asdict(j) for name, j in found.items()}
            files.write_text(path, json.dumps(cells, indent=2) + "\n")
    probes.take_raw(found)


def _read(path: pathlib.Path, names: Iterable[str]) -> dict[str, Judgement] | None:
    """The baselines of a file, `None` if there is none or it has to be written anew."""
    if not path.exists():
        return None
    try:
        cells = files.read_json(path)
        found = {name: Judgement(**cells[name]) for name in names}
        for judgement in found.values():
            _check(judgement)
    except (ValueError, TypeError, KeyError) as error:
        print(f"{path} is damaged, and fitted anew: {error}")
        return None
    return found


def _check(judgement: Judgement) -> None:
    for name, value in dataclasses.asdict(judgement).items():
        missing = value is None and name != "accuracy"
        known = isinstance(value, int | float) and math.isfinite(value)
        if not (missing or known):
            raise ValueError(f"{name} must be a number; it is {value!r}.")


def _digest(probes: callbacks.Probes) -> str:
    """Tells probes, views and labels from others."""
    digest = hashlib.sha256(",".join(probes.probes).encode())
    for array in keras.tree.flatten((probes.train, probes.test)):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
