"""Runs the grid of an experiment, process by process, into one tidy table.

Every run is a process and a workdir of its own, so a run that fails or is killed
takes nothing with it. A run that finished is appended to the table at once; the
table tells which runs are left, so a sweep can be stopped, and go on elsewhere.
"""

import contextlib
import csv
import dataclasses
import itertools
import multiprocessing
import os
import pathlib
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from keras_infomax import checks, files, runs, training
from keras_infomax.settings import KEY, Settings

MEASURES = {
    "step": "step",
    "loss_train": "loss",
    "loss_test": "val_loss",
    "mi_train": "mi",
    "mi_test": "val_mi",
    "mi_ceiling": "mi_ceiling",
    "true_mi": "true_mi",
    "probe_accuracy": "probe_accuracy",
    "pixel_baseline": "pixel_baseline",
    "stopped_accuracy": "stopped_accuracy",
    "stopped_pixels": "stopped_pixels",
    "test_accuracy": "test_accuracy",
    "log_condition_min": "log_condition_min",
    "log_condition_20": "log_condition_20",
    "log_condition_40": "log_condition_40",
    "log_condition_60": "log_condition_60",
    "log_condition_80": "log_condition_80",
    "log_condition_max": "log_condition_max",
    "singular_examples": "singular_examples",
}
COLUMNS = (*KEY, *MEASURES, "commit")

_MEMORY_PER_PROCESS = 4 * 2**30


@dataclasses.dataclass(frozen=True)
class Sweep:
    """An experiment: settings, and the values that some of them run through.

    Args:
        settings: Settings that all runs share.
        grid: Settings and the values that each runs through.
    """

    settings: Mapping[str, Any]
    grid: Mapping[str, Sequence[Any]]

    @classmethod
    def resolve(cls, config: Mapping[str, Any]) -> "Sweep":
        """The sweep that a config describes; of one point if it has no `grid`.

        Args:
            config: Keys and values of `Settings`, and `grid`.
        """
        settings = dict(config.items())
        grid = settings.pop("grid", None) or {}
        return cls(settings, dict(grid.items()))

    def runs(self, seeds: int) -> list[Settings]:
        """The settings of every run; all of one seed before the next.

        Args:
            seeds: Number of seeds, counted from that of the settings.
        """
        first = self.settings.get("seed", 0)
        points = list(itertools.product(*self.grid.values()))
        return [
            Settings.resolve(
                {
                    **self.settings,
                    **dict(zip(self.grid, point, strict=True)),
                    "seed": first + offset,
                }
            )
            for offset in range(seeds)
            for point in points
        ]

    def name(self, settings: Settings) -> str:
        """Name of a run's folder: the values that vary."""
        values = settings.as_dict()
        varying = [str(values[key]) for key in (*self.grid, "seed")]
        return "-".join([*varying[:-1], f"seed{varying[-1]}"])


def key(settings: Settings) -> tuple[str, ...]:
    """What tells a run from the others in a table, as text.

    Args:
        settings: Settings of the run.
    """
    values = settings.as_dict()
    return tuple(_cell(values[column]) for column in KEY)


def sweep(
    experiment: Sweep,
    workdir: str | os.PathLike,
    seeds: int = 1,
    results: str | os.PathLike | None = None,
    processes: int | None = None,
    train: Callable[..., Any] = training.train,
) -> dict[str, str]:
    """Trains every run of a sweep that its table does not hold yet.

    Args:
        experiment: What to run.
        workdir: Folder that gets a workdir and a log for each run.
        seeds: Number of seeds.
        results: The table, a CSV with `COLUMNS`, one row a run and evaluation.
            Defaults to `results.csv` in the workdir.
        processes: Runs at a time. Defaults to as many as cores and memory allow.
        train: Function that trains one run, of settings, workdir, and the folder
            `baselines`, as `training.train`.

    Returns:
        Names of the runs that failed, each with its reason.

    Raises:
        ValueError: If a number is not positive, or the table has other columns.
    """
    processes = _default_processes() if processes is None else processes
    checks.positive_integer("seeds", seeds, 5)
    checks.positive_integer("processes", processes, 2)
    workdir = pathlib.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    table = Table(results or workdir / "results.csv")
    every = experiment.runs(seeds)
    waiting = [s for s in every if key(s) not in table.keys()]
    progress = _Progress(len(waiting), done_before=len(every) - len(waiting))
    failures: dict[str, str] = {}
    running: dict[str, tuple[Settings, Any]] = {}
    threads = max(1, (os.cpu_count() or 1) // processes)
    context = multiprocessing.get_context("spawn")
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                settings = waiting.pop(0)
                name = experiment.name(settings)
                process = context.Process(
                    target=_run_one,
                    args=(train, settings.as_dict(), workdir, name, threads),
                )
                process.start()
                running[name] = settings, process
            for name, (settings, process) in list(running.items()):
                if process.is_alive():
                    continue
                del running[name]
                if process.exitcode == 0:
                    rows = runs.read_metrics(workdir / name / "metrics.csv")
                    table.append(key(settings), rows)
                else:
                    failures[name] = _reason(workdir / name, process.exitcode)
                progress.show(len(waiting), len(running), len(failures))
            time.sleep(0.2)
    finally:
        for _, process in running.values():
            process.terminate()
    return failures


class Table:
    """A CSV of results that is only ever replaced whole, also by several sweeps.

    Args:
        path: The file; made with the first row.

    Raises:
        ValueError: If the file has other columns.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path)
        self.rows: list[dict[str, str]] = []
        if self.path.exists():
            self.rows = read_table(self.path)

    def keys(self) -> set[tuple[str, ...]]:
        """What tells the runs in the table from each other."""
        return {tuple(row[column] for column in KEY) for row in self.rows}

    def append(self, key: tuple[str, ...], rows: Sequence[runs.Row]) -> None:
        """Adds the evaluations of one run, and writes the table."""
        commit = _commit()
        with self.changing():
            for row in rows:
                measured = {n: _cell(row[column]) for n, column in MEASURES.items()}
                identity = dict(zip(KEY, key, strict=True))
                self.rows.append({**identity, **measured, "commit": commit})

    def last(self, key: tuple[str, ...]) -> dict[str, str] | None:
        """The last evaluation of a run; `None` if the table does not hold it."""
        found = [r for r in self.rows if tuple(r[column] for column in KEY) == key]
        return max(found, key=lambda row: int(row["step"]), default=None)

    def fill(self, key: tuple[str, ...], **cells: float) -> None:
        """Fills in measures of the last evaluation of a run, and writes the table.

        Args:
            key: What tells the run from the others.
            **cells: Columns and their values.

        Raises:
            ValueError: If the table does not hold the run.
        """
        with self.changing():
            row = self.last(key)
            if row is None:
                raise ValueError(f"key must be of a run in {self.path}; got {key}.")
            row.update({column: _cell(value) for column, value in cells.items()})

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Brings `rows` up to date, and writes what the block made of them.

        No other process changes the table meanwhile.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with files.locked(self.path.parent, wait=True):
            if self.path.exists():
                self.rows = read_table(self.path)
            yield
            cells = ([row[column] for column in COLUMNS] for row in self.rows)
            files.write_csv(self.path, COLUMNS, *cells)


def read_table(path: str | os.PathLike) -> list[dict[str, str]]:
    """Reads a table of results as text cells.

    Args:
        path: The file.

    Raises:
        ValueError: If it does not have the columns of `COLUMNS`.
    """
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(
                f"{path} must be a table with the columns {', '.join(COLUMNS)}; "
                f"received {', '.join(reader.fieldnames or ())}."
            )
        return list(reader)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return format(value, ".6g") if isinstance(value, float) else str(value)


def _run_one(
    train: Callable[..., Any],
    settings: dict[str, Any],
    folder: pathlib.Path,
    name: str,
    threads: int,
) -> None:
    """Runs in a process of its own, whose output goes to a log."""
    workdir = folder / name
    workdir.mkdir(parents=True, exist_ok=True)
    with open(workdir / "log.txt", "a", encoding="utf-8") as log:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
            try:
                train(settings, workdir, baselines=folder / "pixel_baselines")
            except BaseException:
                traceback.print_exc()
                sys.exit(1)


def _reason(workdir: pathlib.Path, exit_code: int) -> str:
    lines = (workdir / "log.txt").read_text(encoding="utf-8").strip().splitlines()
    last = lines[-1] if lines else "no output"
    where = workdir / "log.txt"
    return f"{last} (exit code {exit_code}, log in {where})"


def _commit() -> str:
    """The commit that the code is at, marked if it has been changed since."""
    folder = pathlib.Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=10"]
    try:
        described = subprocess.run(
            [*command, "--exclude=*", "--dirty"], capture_output=True, text=True
        )
    except OSError:
        return "unknown"
    return described.stdout.strip() or "unknown"


def _default_processes() -> int:
    by_memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, by_memory // _MEMORY_PER_PROCESS))


class _Progress:
    """One line on a sweep, overwritten on a terminal."""

    def __init__(self, total: int, done_before: int):
        self.total = total
        self.started = time.time()
        print(f"{total} runs to do, {done_before} done before.", flush=True)

    def show(self, waiting: int, running: int, failed: int) -> None:
        ended = self.total - waiting - running
        left = (time.time() - self.started) / ended * (self.total - ended)
        end = time.strftime("%d %b %H:%M", time.localtime(time.time() + left))
        line = (
            f"{ended}/{self.total} runs ended, {failed} failed, {running} running, "
            f"about {left / 60:.0f} min to go, until {end}"
        )
        terminal = sys.stdout.isatty()
        print(line, end="\r" if terminal and ended < self.total else "\n", flush=True)
