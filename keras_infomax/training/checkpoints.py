"""The checkpoints of a run, which are checked before they are loaded.

    checkpoints/step-N/
        state.keras         weights, optimizer state, states of random layers
        metrics.csv         all metrics up to step N
        run.json            settings, shapes of the variables, and digest of the data
        manifest.json       checksums of the others

A checkpoint is a folder that is renamed into place. A disk can still lose a part of it,
and a user can replace it by another one; both are detected before anything is loaded.
"""

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from keras_infomax import files
from keras_infomax.files import manifest
from keras_infomax.training.settings import differences

_KEPT = 2
_FILES = ("state.keras", "metrics.csv", "run.json")


class Checkpoints:
    """The checkpoints in a folder, by their steps.

    Args:
        folder: The folder, which need not exist.
        settings: Settings of their run, JSON values only.
    """

    def __init__(self, folder: str | os.PathLike, settings: Mapping[str, Any]):
        self.folder = pathlib.Path(folder)
        self._settings = dict(settings)
        self._data: str | None = None

    def newest_first(self) -> Iterator[pathlib.Path]:
        """Their folders, with any content."""
        yield from sorted(self.folder.glob("step-*"), reverse=True)

    @property
    def last_step(self) -> int:
        """Step of the newest checkpoint, with any content; 0 if there is none."""
        return max([0, *map(step_of, self.newest_first())])

    def folder_of(self, step: int) -> pathlib.Path:
        """Folder of the checkpoint of a step, which need not exist.

        Args:
            step: The step.
        """
        return self.folder / f"step-{step:09d}"

    def take_data(self, digest: str | None) -> None:
        """Sets the data of the run, and compares them with the newest checkpoint.

        Args:
            digest: Digest of the data; `None` if there are none. Checkpoints of earlier
                versions, which have no digest, are not compared.

        Raises:
            ValueError: If the newest readable checkpoint is of other data.
        """
        self._data = digest
        for folder in self.newest_first():
            with contextlib.suppress(OSError, ValueError):
                found = files.read_json(folder / "run.json").get("data")
                break
        else:
            return
        if None not in (found, digest) and found != digest:
            raise ValueError(
                f"The data are not those of {self.folder.parent}: images or labels "
                "were added, removed or changed since, so the run may have trained on "
                "examples of the present test split. Put them back, or choose another "
                "workdir."
            )

    def write(
        self, step: int, model: Any, write_more: Callable[[pathlib.Path], None]
    ) -> None:
        """Writes a checkpoint, and removes old ones: two are kept.

        Args:
            step: The step of the model.
            model: The model, built and compiled.
            write_more: Function that writes other files into a folder.

        Raises:
            OSError: If it cannot be written; the others do not change.
        """
        folder = self.folder_of(step)
        with files.new_folder(folder, overwrite=True) as temporary:
            # Python writes this file. In save_weights HDF5 writes, which crashes the
            # process on a full disk.
            model.save(temporary / "state.keras")
            write_more(temporary)
            run = {
                "settings": self._settings,
                "variables": _variables(model),
                "data": self._data,
            }
            (temporary / "run.json").write_text(json.dumps(run), encoding="utf-8")
            manifest.write(temporary)
        # Later checkpoints were skipped when the run was resumed.
        ours = [path for path in self.newest_first() if path.name <= folder.name]
        for outdated in ours[_KEPT:]:
            shutil.rmtree(outdated, ignore_errors=True)

    def check(self, folder: pathlib.Path) -> dict[str, Any]:
        """Checks that a checkpoint is complete and belongs to this run.

        Args:
            folder: One of `newest_first`.

        Returns:
            Content of its `run.json`.

        Raises:
            ValueError: If it is damaged, or of another run.
            OSError: If it cannot be read.
        """
        manifest.check(folder, required=_FILES)
        run = files.read_json(folder / "run.json")
        if not isinstance(run.get("settings"), dict) or "variables" not in run:
            raise ValueError("its run.json lacks settings or variables.")
        if differing := differences(run["settings"], self._settings):
            raise ValueError(f"it is of a run with another config ({differing}).")
        return run

    def load(self, folder: pathlib.Path, model: Any) -> None:
        """Loads the checkpoint of a folder into a model.

        Args:
            folder: One of `newest_first`.
            model: The model, built and compiled.

        Raises:
            ValueError: If it is damaged, or of another run or model.
            OSError: If it cannot be read.
        """
        run = self.check(folder)
        if run["variables"] != _variables(model):
            raise ValueError(
                f"it is of another model, with {len(run['variables'])} variables of "
                f"weights and optimizer where this one has {len(_variables(model))}, "
                "or with other shapes."
            )
        try:
            model.load_weights(folder / "state.keras")
        except Exception as error:  # Layers raise errors of many types.
            raise ValueError(f"its state cannot be loaded: {error}") from error


def step_of(folder: pathlib.Path) -> int:
    """The step of a checkpoint, from the name of its folder; -1 for other names.

    Args:
        folder: Folder of the checkpoint.
    """
    digits = folder.name.removeprefix("step-")
    return int(digits) if digits.isdecimal() else -1


def _variables(model: Any) -> list[list[Any]]:
    """Shape and type of every weight and of every variable of the optimizer."""
    variables = [*model.weights, *model.optimizer.variables]
    return [[list(v.shape), str(v.dtype)] for v in variables]
