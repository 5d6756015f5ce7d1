"""What lies in a workdir, and how a run finds its place in it again.

    config.json             the resolved settings
    checkpoints/step-N/     weights, optimizer state and all metrics up to step N; see
                            `checkpoints`
    metrics.csv             one row an evaluation
    tensorboard/            the same as scalars, and what `callbacks.TensorBoard` shows
    curves.png              the same as a picture
    model.keras             the trained model; there only when the run has finished

A checkpoint is whole or absent, and everything else is derived from it: a run that was
killed goes on from its last checkpoint, and writes the rest anew.
"""

import contextlib
import csv
import errno
import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from keras_infomax import checkpoints, files, plots, scalars
from keras_infomax.settings import differences

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

# What tells that a disk is full, over a quota or a limit, read-only or broken.
_OF_DISKS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EROFS, errno.EACCES, errno.EIO),
}


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
        self._checkpoints = checkpoints.Checkpoints(
            self.workdir / "checkpoints", settings
        )
        self._lock = contextlib.ExitStack()
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
            found = json.loads(path.read_text(encoding="utf-8"))
        if differing := differences(found, self._settings):
            raise ValueError(
                f"workdir {self.workdir} holds a run with another config "
                f"({differing}). Choose another workdir, or repeat that run."
            )

    def restore(self, model: Any) -> int:
        """Takes the workdir, and loads its newest checkpoint that is whole and ours.

        Args:
            model: The model, built and compiled.

        Returns:
            The step that the model is at; 0 if there is no checkpoint.

        Raises:
            ValueError: If another process trains there, or if there are checkpoints
                and none can be used.
            OSError: If the workdir cannot be written to.
        """
        if self.writes:
            self._lock.enter_context(files.sole(self.workdir, "training"))
            self._write_settings()
        passed_over = 0
        for folder in self._checkpoints.newest_first():
            try:
                self._checkpoints.load(folder, model)
                rows = read_metrics(folder / "metrics.csv")
            except (OSError, ValueError, KeyError) as error:
                print(f"{folder} cannot be used and is passed over: {error}")
                passed_over += 1
                continue
            self.rows = rows
            break
        else:
            if passed_over:
                raise ValueError(
                    f"No checkpoint in {self.workdir} can be used. Remove the workdir "
                    "to start the run anew."
                )
        if self.writes:
            self._write_metrics()
            self._scalars = scalars.ScalarWriter(self.log_dir, self.rows)
        return self._step

    def record(self, model: Any, row: Mapping[str, Any]) -> None:
        """Adds a row of metrics, and makes model and rows the newest checkpoint.

        Args:
            model: The model, built and compiled.
            row: Values for the columns of `COLUMNS`; what is missing stays empty.

        Raises:
            OSError: If the workdir cannot be written to.
        """
        values = ((column, row.get(column)) for column in COLUMNS)
        self.rows.append({k: None if v is None else float(v) for k, v in values})
        self.rows[-1]["step"] = int(row["step"])
        if not self.writes:
            return
        self._checkpoints.write(
            self._step,
            model,
            lambda folder: write_metrics(folder / "metrics.csv", self.rows),
        )
        self._write_metrics()
        if self._scalars is not None:
            self._scalars.write(self.rows[-1])

    def finish(self, model: Any) -> None:
        """Writes the curves and the trained model, the mark of a finished run.

        Args:
            model: The trained model.

        Raises:
            OSError: If the workdir cannot be written to.
        """
        if self.writes:
            plots.plot_curves(self.rows, self.curves_path)
            with files.replaced_file(self.model_path) as temporary:
                model.save(temporary)
        self.close()

    def close(self) -> None:
        """Ends the event files, and leaves the workdir to others."""
        if self._scalars is not None:
            self._scalars.close()
        self._lock.close()

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Says, where the block cannot write to the workdir, what is kept there.

        Raises:
            OSError: Instead of the one that the system or TensorFlow raised.
        """
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            number = getattr(error, "errno", None)
            # TensorFlow knows no numbers, and may have failed to compute.
            if number not in _OF_DISKS and str(self.workdir) not in str(error):
                raise
            last = next(self._checkpoints.newest_first(), None)
            kept = "there is none yet" if last is None else f"the last one is {last}"
            reason = os.strerror(number) if number else " ".join(str(error).split())
            raise OSError(
                f"The run cannot be written to {self.workdir}: {reason}. Its "
                f"checkpoints are kept; {kept}. Free disk space, or make the folder "
                "writable, and repeat the command: it goes on from there."
            ) from error

    @property
    def _step(self) -> int:
        return int(self.rows[-1]["step"] or 0) if self.rows else 0

    def _write_settings(self) -> None:
        with _writable(self.workdir):
            text = json.dumps(self._settings, indent=2) + "\n"
            files.write_text(self.workdir / "config.json", text)

    def _write_metrics(self) -> None:
        with files.replaced_file(self.metrics_path) as temporary:
            write_metrics(temporary, self.rows)


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
