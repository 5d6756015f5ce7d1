"""What lies in a workdir, and how a run finds its place in it again.

    config.json             the resolved settings
    checkpoints/step-N/     weights, optimizer state and all metrics up to step N
    metrics.csv             one row an evaluation
    tensorboard/            the same as scalars, and what `callbacks.TensorBoard` shows
    curves.png              the same as a picture
    model.keras             the trained model; there only when the run has finished

A checkpoint is a folder renamed into place, so it is whole or absent. Everything else
is derived from it: a run that was killed goes on from its last checkpoint, and writes
the rest anew.
"""

import contextlib
import csv
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_infomax import files, plots, scalars
from keras_infomax.settings import Settings

COLUMNS = (
    "step",
    "loss",
    "mi",
    "val_loss",
    "val_mi",
    "mi_ceiling",
    "true_mi",
    "probe_accuracy",
    "pixel_baseline",
    "stopped_accuracy",
    "stopped_pixels",
    "test_accuracy",
    "log_condition_min",
    "log_condition_20",
    "log_condition_40",
    "log_condition_60",
    "log_condition_80",
    "log_condition_max",
    "singular_examples",
)
Row = dict[str, float | int | None]

_KEPT_CHECKPOINTS = 2


class Run:
    """One training run in its workdir.

    Args:
        workdir: Folder of the run; made if it does not exist.
        settings: Resolved settings, JSON values only.
        writes: Whether this process writes there, or only reads and keeps count, as
            the workers do that are not the chief.

    Raises:
        ValueError: If the workdir cannot be written to, or belongs to a run with
            other settings; the message names those that differ. The settings are
            written down only by `restore`, so that a mistake in them is not.
    """

    def __init__(
        self,
        workdir: str | os.PathLike,
        settings: Mapping[str, Any],
        writes: bool = True,
    ):
        self.workdir = pathlib.Path(workdir)
        self.writes = writes
        self.rows: list[Row] = []
        self._scalars: scalars.ScalarWriter | None = None
        self._settings = dict(settings)
        self._check()

    @property
    def model_path(self) -> pathlib.Path:
        """Where the trained model lies once the run has finished."""
        return self.workdir / "model.keras"

    @property
    def metrics_path(self) -> pathlib.Path:
        """Where the table of all evaluations lies."""
        return self.workdir / "metrics.csv"

    @property
    def log_dir(self) -> pathlib.Path:
        """Log directory for TensorBoard."""
        return self.workdir / "tensorboard"

    @property
    def curves_path(self) -> pathlib.Path:
        """Where the picture of the curves lies."""
        return self.workdir / "curves.png"

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.model_path.exists()

    def _check(self) -> None:
        path = self.workdir / "config.json"
        with _writable(self.workdir):
            self.workdir.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                return
            # A key that came later was at its default then.
            defaults = Settings().as_dict()
            found = {**defaults, **json.loads(path.read_text(encoding="utf-8"))}
        wanted = json.loads(json.dumps(self._settings))
        differing = [
            f"{key}: {found.get(key)!r} there, {wanted.get(key)!r} here"
            for key in sorted({*found, *wanted})
            if found.get(key) != wanted.get(key)
        ]
        if differing:
            raise ValueError(
                f"workdir {self.workdir} holds a run with another config "
                f"({'; '.join(differing)}). Choose another workdir, or repeat that run."
            )

    def restore(self, model: Any) -> int:
        """Takes the workdir, and loads its newest checkpoint that can be read.

        Args:
            model: The model, built and compiled.

        Returns:
            The step that the model is at; 0 if there is no checkpoint.

        Raises:
            ValueError: If there are checkpoints and none can be read.
        """
        if self.writes:
            self._write_settings()
        checkpoints = list(self._checkpoints())
        for folder in checkpoints:
            try:
                rows = read_metrics(folder / "metrics.csv")
                model.load_weights(folder / "state.weights.h5")
            except (OSError, ValueError, KeyError) as error:
                print(f"{folder} cannot be read and is passed over: {error}")
                continue
            self.rows = rows
            break
        else:
            if checkpoints:
                raise ValueError(
                    f"No checkpoint in {self.workdir} can be read. Remove the workdir "
                    "to start the run anew."
                )
        if self.writes:
            self._write_metrics()
            self._scalars = scalars.ScalarWriter(self.log_dir, self.rows)
        return int(self.rows[-1]["step"] or 0) if self.rows else 0

    def record(self, model: Any, row: Mapping[str, Any]) -> None:
        """Adds a row of metrics, and makes model and rows the newest checkpoint.

        Args:
            model: The model, built and compiled.
            row: Values for the columns of `COLUMNS`; what is missing stays empty.
        """
        values = ((column, row.get(column)) for column in COLUMNS)
        self.rows.append({k: None if v is None else float(v) for k, v in values})
        self.rows[-1]["step"] = int(row["step"])
        if not self.writes:
            return
        folder = self.workdir / "checkpoints" / f"step-{self.rows[-1]['step']:09d}"
        with files.new_folder(folder, overwrite=True) as temporary:
            model.save_weights(temporary / "state.weights.h5")
            write_metrics(temporary / "metrics.csv", self.rows)
        self._write_metrics()
        if self._scalars is not None:
            self._scalars.write(self.rows[-1])
        for outdated in list(self._checkpoints())[_KEPT_CHECKPOINTS:]:
            shutil.rmtree(outdated, ignore_errors=True)

    def finish(self, model: Any) -> None:
        """Writes the curves and the trained model, the mark of a finished run."""
        if self.writes:
            plots.plot_curves(self.rows, self.curves_path)
            with files.replaced_file(self.model_path) as temporary:
                model.save(temporary)
        self.close()

    def close(self) -> None:
        """Ends the event files."""
        if self._scalars is not None:
            self._scalars.close()

    def _write_settings(self) -> None:
        with _writable(self.workdir):
            text = json.dumps(self._settings, indent=2) + "\n"
            files.write_text(self.workdir / "config.json", text)

    def _write_metrics(self) -> None:
        with files.replaced_file(self.metrics_path) as temporary:
            write_metrics(temporary, self.rows)

    def _checkpoints(self) -> Iterator[pathlib.Path]:
        """Newest first."""
        yield from sorted((self.workdir / "checkpoints").glob("step-*"), reverse=True)


@contextlib.contextmanager
def _writable(workdir: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"workdir must be a folder that can be written to; received {workdir} "
            f"({error.strerror}). Choose another one."
        ) from error


def read_metrics(path: str | os.PathLike) -> list[Row]:
    """Reads a `metrics.csv`; empty cells are `None`, steps are integers.

    Args:
        path: The file.

    Raises:
        ValueError: If the file has columns that `COLUMNS` does not.
    """
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        found = reader.fieldnames or ()
        # An earlier version knew fewer columns: they are empty.
        if "step" not in found or not set(found) <= set(COLUMNS):
            raise ValueError(
                f"{path} must have the columns {', '.join(COLUMNS)}, or some of them; "
                f"received {', '.join(found)}."
            )
        return [_parsed(cells) for cells in reader]


def _parsed(cells: Mapping[str, str]) -> Row:
    row: Row = {k: float(cells[k]) if cells.get(k) else None for k in COLUMNS}
    row["step"] = int(cells["step"])
    return row


def write_metrics(path: str | os.PathLike, rows: Sequence[Row]) -> None:
    """Writes rows to a new `metrics.csv`, with every digit.

    Args:
        path: The file.
        rows: Values for each of `COLUMNS`; `None` is an empty cell.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        # repr keeps every digit: what is read back is what was written.
        writer.writerows(
            {k: "" if v is None else repr(v) for k, v in row.items()} for row in rows
        )
