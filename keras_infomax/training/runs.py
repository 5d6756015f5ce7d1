"""What lies in a workdir, and how a run finds its place in it again.

    config.json             the resolved settings
    versions.json           backend, and versions of it, Keras and this package, by the
                            step from which they trained
    checkpoints/step-N/     weights, optimizer state and all metrics up to step N; see
                            `checkpoints`
    metrics.csv             one row an evaluation
    tensorboard/            the same as scalars, and what `callbacks.TensorBoard` shows
    curves.png              the same as a picture
    best/step-N/            as a checkpoint, of the best evaluation; only where the
                            settings select it
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
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from keras_infomax import backends, checks, files, measures, plots
from keras_infomax.callbacks.tensorboard import scalars
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.training import checkpoints
from keras_infomax.training.settings import differences
from keras_infomax.version import __version__

Row = measures.Row

# What tells that a disk is full, over a quota or a limit, read-only or broken.
_OF_DISKS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EROFS, errno.EACCES, errno.EIO),
}

# Of a file where a folder belongs, or the reverse.
_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST}


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
        self.workdir = pathlib.Path(checks.path("workdir", workdir))
        self.writes = writes
        self.rows: list[Row] = []
        self._scalars: scalars.ScalarWriter | None = None
        self._settings = dict(settings)
        self._checkpoints = checkpoints.Checkpoints(
            self.workdir / "checkpoints", settings
        )
        self._selects_best = self._settings.get("select") == "best"
        self._best = checkpoints.Checkpoints(self.workdir / "best", settings)
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

    @property
    def result(self) -> Row:
        """The evaluation whose weights the run ends with; see `selected`."""
        return selected(self.rows, self._settings.get("select"))

    @property
    def kept_step(self) -> int:
        """The step of the newest checkpoint, from which the run would go on."""
        return self._checkpoints.last_step

    def take_finished(self) -> None:
        """Takes the metrics of a finished run, after checking what it left.

        Where the table, or the config, is damaged or lost, it is written anew from the
        last checkpoint.

        Raises:
            ValueError: If what the run left is damaged, and cannot be written anew.
        """
        if not _is_whole(self.model_path):
            raise ValueError(
                f"{self.model_path} cannot be read; it may be damaged. Remove it, and "
                "repeat the command: it is written anew from the last checkpoint."
            )
        steps = self._settings.get("steps")
        kept, folder = self._last_rows(steps)
        fault: OSError | ValueError
        try:
            self.rows = self._read_rows(self.metrics_path, steps)
            # As text, in which a value that is not finite equals itself.
            if folder is not None and repr(self.rows) != repr(kept):
                raise ValueError(
                    f"{self.metrics_path} has other values than the last checkpoint"
                )
            if self._config_path.exists():
                return
            fault = ValueError(f"{self._config_path} is missing")
        except (OSError, ValueError) as error:
            fault = error
        if folder is None:
            raise ValueError(
                f"{str(fault).rstrip('.')}. No checkpoint of the last step is left to "
                "write it anew from. Copy it back, or choose another workdir."
            ) from fault
        self.rows = kept
        print(f"{str(fault).rstrip('.')}; it is written anew from {folder}.")
        if self.writes:
            self._write_settings()
            self._write_metrics()

    def _last_rows(self, steps: int | None) -> tuple[list[Row], pathlib.Path | None]:
        """What a checkpoint of the last step that is whole has measured, and where."""
        for folder in self._checkpoints.newest_first():
            with contextlib.suppress(OSError, ValueError):
                self._checkpoints.check(folder)
                return self._read_rows(folder / "metrics.csv", steps), folder
        return [], None

    @property
    def _config_path(self) -> pathlib.Path:
        return self.workdir / "config.json"

    def _check(self) -> None:
        with _writable(self.workdir):
            self._is_new = not self.workdir.exists()
            self.workdir.mkdir(parents=True, exist_ok=True)
            if not self._config_path.exists():
                return
            try:
                found = files.read_json(self._config_path)
            except ValueError as error:
                raise ValueError(
                    f"{error} Remove the file, and repeat the command: the checkpoints "
                    "hold the settings, too."
                ) from error
        if differing := differences(found, self._settings):
            raise ValueError(
                f"workdir {self.workdir} holds a run with another config "
                f"({differing}). Choose another workdir, or repeat that run."
            )

    def restore(self, model: Any, data: str | None = None) -> int:
        """Takes the workdir, and loads its newest checkpoint that is whole and ours.

        Args:
            model: The model, built and compiled.
            data: Digest of the data that it is trained on; `None` if there are none.

        Returns:
            The step that the model is at; 0 if there is no checkpoint.

        Raises:
            ValueError: If another process trains there, if there are checkpoints and
                none can be used, or if they are of other data.
            OSError: If the workdir cannot be written to.
        """
        if self.writes:
            self._lock.enter_context(files.sole(self.workdir, "training"))
            self._write_settings()
        self._checkpoints.take_data(data)
        self._best.take_data(data)
        history = self._read_versions()
        passed_over = 0
        for folder in self._checkpoints.newest_first():
            try:
                step = checkpoints.step_of(folder)
                rows = self._read_rows(folder / "metrics.csv", step)
                if self._selects_best and rows:
                    self._best.check(self._best_folder(rows))
                self._checkpoints.load(folder, model)
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
            self._write_versions(history)
            self._write_metrics()
            self._scalars = scalars.ScalarWriter(self.log_dir, self.rows)
        return self._step

    def record(self, model: Any, row: Mapping[str, Any]) -> None:
        """Adds a row of metrics, and makes model and rows the newest checkpoint.

        Args:
            model: The model, built and compiled.
            row: Values of measures by name. Of those in `measures.MEASURES` what is
                missing stays empty; others get columns of their own.

        Raises:
            OSError: If the workdir cannot be written to.
        """
        values = {**dict.fromkeys(measures.NAMES), **row}
        self.rows.append(
            Row({k: None if v is None else float(v) for k, v in values.items()})
        )
        self.rows[-1]["step"] = int(row["step"])
        if not self.writes:
            return

        def write_rows(folder):
            write_metrics(folder / "metrics.csv", self.rows)

        # First, as a run goes on only from checkpoints whose best one is there.
        if self._selects_best and self.result is self.rows[-1]:
            self._best.write(self._step, model, write_rows)
        self._checkpoints.write(self._step, model, write_rows)
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
        if self._selects_best:
            self._best.load(self._best_folder(self.rows), model)
        if self.writes:
            plots.plot_curves(self.rows, self.curves_path)
            with files.replaced_file(self.model_path) as temporary:
                model.save(temporary)
        self.close()

    def leave(self) -> None:
        """Removes the workdir if it was made for nothing: it is new and empty."""
        if self._is_new and self.writes:
            with contextlib.suppress(OSError):
                self.workdir.rmdir()

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
            if number in _IN_THE_WAY and isinstance(error, OSError):
                raise OSError(
                    f"The run cannot be written to {self.workdir}: "
                    f"{error.filename2 or error.filename} is in the way "
                    f"({os.strerror(number)}). Move it elsewhere, and repeat the "
                    "command: the run goes on from its last checkpoint."
                ) from error
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

    def _best_folder(self, rows: Sequence[Row]) -> pathlib.Path:
        return self._best.folder_of(int(selected(rows, "best")["step"] or 0))

    @property
    def _step(self) -> int:
        return int(self.rows[-1]["step"] or 0) if self.rows else 0

    def _write_settings(self) -> None:
        with _writable(self.workdir):
            text = json.dumps(self._settings, indent=2) + "\n"
            files.write_text(self._config_path, text)

    def _read_rows(self, path: pathlib.Path, step: int | None) -> list[Row]:
        """The rows of a table that ends at a step."""
        rows = read_metrics(path)
        last = rows[-1]["step"] if rows else None
        if last != step:
            raise ValueError(f"{path} must end at step {step}; its last one is {last}")
        return rows

    def _read_versions(self) -> dict[int, dict[str, str]]:
        """Versions by the step from which they trained; says if these are others."""
        path = self.workdir / "versions.json"
        if not path.exists():
            return {}
        try:
            found = files.read_json(path)
            history = {int(step): dict(found[step]) for step in found}
        except (ValueError, TypeError) as error:
            print(f"{error} ({path}); it is written anew.")
            return {}
        last, now = history[max(history)] if history else {}, _versions()
        differing = [
            f"{name} {now[name]} (before: {last[name]})"
            for name in now
            if name in last and last[name] != now[name]
        ]
        if differing and self.kept_step:
            print(
                f"{self.workdir} goes on under {', '.join(differing)}. It may not end "
                "as a run of one version."
            )
        return history

    def _write_versions(self, history: Mapping[int, Mapping[str, str]]) -> None:
        """Adds those of this process, from the step that the run is at."""
        earlier = {step: each for step, each in history.items() if step < self._step}
        if not earlier or earlier[max(earlier)] != _versions():
            earlier[self._step] = _versions()
        text = json.dumps(earlier, indent=2) + "\n"
        files.write_text(self.workdir / "versions.json", text)

    def _write_metrics(self) -> None:
        with files.replaced_file(self.metrics_path) as temporary:
            write_metrics(temporary, self.rows)


def _versions() -> dict[str, str]:
    return {
        "keras_infomax": __version__,
        "keras": keras.__version__,
        "backend": backends.name(),
        backends.name(): backends.version(),
    }


@contextlib.contextmanager
def _writable(workdir: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"workdir must be a folder that can be written to; received {workdir} "
            f"({_reason(error, workdir)}). Choose another one."
        ) from error


def _reason(error: OSError, workdir: pathlib.Path) -> str:
    """What the system says, and of which file of a workdir."""
    where = str(error.filename2 or error.filename or workdir)
    place = "" if where == str(workdir) else f"{where}: "
    return f"{place}{error.strerror}"


def _is_whole(path: pathlib.Path) -> bool:
    """Whether a `.keras` file has its parts, and all of them as they were written."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {"config.json", "model.weights.h5"} <= {*archive.namelist()}
            return parts and archive.testzip() is None
    except Exception:  # Damaged headers raise errors of many kinds.
        return False


def selected(rows: Sequence[Row], select: str | None) -> Row:
    """The evaluation whose weights a run ends with.

    Args:
        rows: Rows of metrics, at least one.
        select: `"best"` for the first row with the highest `selection_accuracy`;
            otherwise the last row.
    """
    if select != "best":
        return rows[-1]
    # Rows of equal accuracy: the first, as max has it.
    return max(rows, key=lambda row: row.get("selection_accuracy") or 0.0)


def read_metrics(path: str | os.PathLike) -> list[Row]:
    """Reads a `metrics.csv`; empty cells are `None`, steps are integers.

    Args:
        path: The file.

    Raises:
        ValueError: If the columns are not in the order of `measures.ordered`, the file
            was cut, or holds what is no number, or steps that do not rise.
    """
    header, lines = files.read_csv(path)
    # An earlier version knew fewer columns, which are empty, and had other names.
    header = [measures.EARLIER.get(column, column) for column in header]
    if "step" not in header or header != measures.ordered(header):
        raise ValueError(
            f"{path} must have the columns {', '.join(measures.NAMES)} in this order, "
            "or some of them, and others after these in the order of their names; "
            f"received {', '.join(header)}."
        )
    try:
        rows = [_parsed(dict(zip(header, cells, strict=True))) for cells in lines]
        steps = [row["step"] or 0 for row in rows]
        if steps != sorted(set(steps)):
            raise ValueError(f"its steps do not rise: {steps}.")
    except ValueError as error:
        raise ValueError(
            f"{path} cannot be read; it may be damaged: {error}"
        ) from error
    return rows


def _parsed(cells: Mapping[str, str]) -> Row:
    row = Row(dict.fromkeys(measures.NAMES))
    row.update({k: float(v) if v else None for k, v in cells.items()})
    row["step"] = int(cells["step"])
    return row


def write_metrics(path: str | os.PathLike, rows: Sequence[Row]) -> None:
    """Writes rows to a new `metrics.csv`, with every digit.

    Args:
        path: The file.
        rows: Values of measures by name; `None` is an empty cell, as is what a row
            does not have.
    """
    columns = measures.ordered(name for row in rows for name in row)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        # repr keeps every digit: what is read back is what was written.
        writer.writerows(
            {k: "" if v is None else repr(v) for k, v in row.items()} for row in rows
        )
