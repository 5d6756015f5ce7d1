"""The files of a workdir, and how a run resumes from them.

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

A checkpoint is complete or absent, and all other files are derived from it. A killed
run resumes from its last checkpoint, and rewrites the other files.
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

# Errors of a disk that is full, over a quota or a limit, read-only or broken.
_OF_DISKS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EROFS, errno.EACCES, errno.EIO),
}

# Errors of a file in the place of a folder, or the reverse.
_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST}


class Run:
    """One training run in its workdir.

    Args:
        workdir: Folder of the run; made if it does not exist.
        settings: Resolved settings, JSON values only.
        writes: Whether this process writes files. Workers other than the chief only
            read.

    Raises:
        ValueError: If the workdir is not writable, or belongs to a run with other
            settings, which the message names. Only `restore` writes the settings, so
            that invalid ones are not stored.
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
        """Path of the trained model of a finished run."""
        return self.workdir / "model.keras"

    @property
    def metrics_path(self) -> pathlib.Path:
        """Path of the table of all evaluations."""
        return self.workdir / "metrics.csv"

    @property
    def log_dir(self) -> pathlib.Path:
        """Log directory for TensorBoard."""
        return self.workdir / "tensorboard"

    @property
    def curves_path(self) -> pathlib.Path:
        """Path of the picture of the curves."""
        return self.workdir / "curves.png"

    @property
    def finished(self) -> bool:
        """Whether the run has finished."""
        return self.model_path.exists()

    @property
    def result(self) -> Row:
        """The evaluation whose weights the run ends with; see `selected`."""
        return selected(self.rows, self._settings.get("select"))

    @property
    def kept_step(self) -> int:
        """The step of the newest checkpoint, from which the run would resume."""
        return self._checkpoints.last_step

    def take_finished(self) -> None:
        """Checks the files of a finished run, and reads its metrics.

        If the table or the config is damaged or missing, it is restored from the last
        checkpoint.

        Raises:
            ValueError: If a file is damaged and cannot be restored.
        """
        if not _is_whole(self.model_path):
            raise ValueError(
                f"{self.model_path} cannot be read; it may be damaged. Remove it, and "
                "repeat the command: the last checkpoint restores it."
            )
        steps = self._settings.get("steps")
        kept, folder = self._last_rows(steps)
        fault: OSError | ValueError
        try:
            self.rows = self._read_rows(self.metrics_path, steps)
            # Compared as text, in which NaN equals itself.
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
                f"{str(fault).rstrip('.')}. There is no checkpoint of the last step to "
                "restore it from. Copy it back, or choose another workdir."
            ) from fault
        self.rows = kept
        print(f"{str(fault).rstrip('.')}; it is restored from {folder}.")
        if self.writes:
            self._write_settings()
            self._write_metrics()

    def _last_rows(self, steps: int | None) -> tuple[list[Row], pathlib.Path | None]:
        """The rows of a complete checkpoint of the last step, and its folder."""
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
        """Locks the workdir, and loads its newest complete checkpoint of this run.

        Args:
            model: The model, built and compiled.
            data: Digest of the training data; `None` if there are none.

        Returns:
            The step of the model; 0 if there is no checkpoint.

        Raises:
            ValueError: If another process trains there, if none of the checkpoints can
                be used, or if they are of other data.
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
                print(f"{folder} cannot be used and is skipped: {error}")
                passed_over += 1
                continue
            self.rows = rows
            break
        else:
            if passed_over:
                raise ValueError(
                    f"No checkpoint in {self.workdir} can be used. Remove the workdir "
                    "to start again."
                )
        if self.writes:
            self._write_versions(history)
            self._write_metrics()
            self._scalars = scalars.ScalarWriter(self.log_dir, self.rows)
        return self._step

    def record(self, model: Any, row: Mapping[str, Any]) -> None:
        """Adds a row of metrics, and writes a checkpoint.

        Args:
            model: The model, built and compiled.
            row: Values of measures by name. Missing values of `measures.MEASURES` are
                empty; other measures get their own columns.

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

        # Written first, since a run resumes only from checkpoints whose best one
        # exists.
        if self._selects_best and self.result is self.rows[-1]:
            self._best.write(self._step, model, write_rows)
        self._checkpoints.write(self._step, model, write_rows)
        self._write_metrics()
        if self._scalars is not None:
            self._scalars.write(self.rows[-1])

    def finish(self, model: Any) -> None:
        """Writes the curves and the trained model, which marks the run as finished.

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
        """Removes the workdir if it is new and empty."""
        if self._is_new and self.writes:
            with contextlib.suppress(OSError):
                self.workdir.rmdir()

    def close(self) -> None:
        """Closes the event files and unlocks the workdir."""
        if self._scalars is not None:
            self._scalars.close()
        self._lock.close()

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Replaces errors of writing to the workdir by one that says what is kept.

        Raises:
            OSError: In place of the error of the system or TensorFlow.
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
                    "command: the run resumes from its last checkpoint."
                ) from error
            # Errors of TensorFlow have no number, and may be errors of a computation.
            if number not in _OF_DISKS and str(self.workdir) not in str(error):
                raise
            last = next(self._checkpoints.newest_first(), None)
            kept = "there is none yet" if last is None else f"the last one is {last}"
            reason = os.strerror(number) if number else " ".join(str(error).split())
            raise OSError(
                f"The run cannot be written to {self.workdir}: {reason}. Its "
                f"checkpoints are kept; {kept}. Free disk space, or make the folder "
                "writable, and repeat the command: the run resumes from there."
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
        """The rows of a table that must end at a step."""
        rows = read_metrics(path)
        last = rows[-1]["step"] if rows else None
        if last != step:
            raise ValueError(f"{path} must end at step {step}; received {last}")
        return rows

    def _read_versions(self) -> dict[int, dict[str, str]]:
        """Versions by their first step; prints a note if the present ones differ."""
        path = self.workdir / "versions.json"
        if not path.exists():
            return {}
        try:
            found = files.read_json(path)
            history = {int(step): dict(found[step]) for step in found}
        except (ValueError, TypeError) as error:
            print(f"{error} ({path}); it is rewritten.")
            return {}
        last, now = history[max(history)] if history else {}, _versions()
        differing = [
            f"{name} {now[name]} (before: {last[name]})"
            for name in now
            if name in last and last[name] != now[name]
        ]
        if differing and self.kept_step:
            print(
                f"{self.workdir} resumes under {', '.join(differing)}. The result may "
                "differ from that of one version."
            )
        return history

    def _write_versions(self, history: Mapping[int, Mapping[str, str]]) -> None:
        """Adds the versions of this process, from the present step."""
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
            f"workdir must be a writable folder; received {workdir} "
            f"({_reason(error, workdir)}). Choose another one."
        ) from error


def _reason(error: OSError, workdir: pathlib.Path) -> str:
    """The system's message, and the file of the workdir that it concerns."""
    where = str(error.filename2 or error.filename or workdir)
    place = "" if where == str(workdir) else f"{where}: "
    return f"{place}{error.strerror}"


def _is_whole(path: pathlib.Path) -> bool:
    """Whether a `.keras` file has all of its parts, undamaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {"config.json", "model.weights.h5"} <= {*archive.namelist()}
            return parts and archive.testzip() is None
    except Exception:  # Damaged headers raise errors of many types.
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
    # max returns the first of rows with equal accuracy.
    return max(rows, key=lambda row: row.get("selection_accuracy") or 0.0)


def read_metrics(path: str | os.PathLike) -> list[Row]:
    """Reads a `metrics.csv`; empty cells are `None`, steps are integers.

    Args:
        path: The file.

    Raises:
        ValueError: If the columns are not in the order of `measures.ordered`, the file
            was cut off, a cell is not a number, or steps do not increase.
    """
    header, lines = files.read_csv(path)
    # Earlier versions had fewer columns, and other names; missing cells are empty.
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
            raise ValueError(f"its steps do not increase: {steps}.")
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
        rows: Values of measures by name; `None` and missing values are empty cells.
    """
    columns = measures.ordered(name for row in rows for name in row)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        # repr keeps every digit, so that reading gives the same numbers.
        writer.writerows(
            {k: "" if v is None else repr(v) for k, v in row.items()} for row in rows
        )
