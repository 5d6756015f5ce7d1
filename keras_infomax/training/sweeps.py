"""Runs the grid of an experiment in processes, and collects one tidy table.

Every run has its own process and workdir, so a run that fails or is killed does not
affect others. A finished run is appended to the table at once. The table shows which
runs are left, so a sweep can be stopped and continued elsewhere.

All settings together identify a run: those with their own column in the table, and the
others as JSON in one column. Tables of earlier versions lack that column. Their rows
have an empty cell there, and match the one run of a sweep that fits the other columns.
"""

import collections
import contextlib
import dataclasses
import hashlib
import itertools
import json
import multiprocessing
import os
import pathlib
import re
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from typing import Any

from keras_infomax import backends, checks, files, measures, version
from keras_infomax.training import processes, recipe, runs
from keras_infomax.training.progress import duration
from keras_infomax.training.settings import IDENTITY, KEY, OTHERS, Settings, identity

# The backend and its version, and the commit of the code.
_MADE_BY = ("backend", "commit")
# Columns of every table; other measures come before the last ones.
COLUMNS = (*KEY, *measures.NAMES, *_MADE_BY, OTHERS)
Key = tuple[str, ...]

# Columns of whole numbers.
_INTEGERS = ("split_seed", "batch_size", "seed", "steps", "step")
# Text that appears unchanged in names of folders.
_SAFE = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)
_LONGEST_NAME = 100
# Files in the workdir of a run: its output, and messages of TensorFlow's own code.
_LOG, _NATIVE_ERRORS = "log.txt", "stderr.txt"

_MEMORY_PER_PROCESS = 4 * 2**30


@dataclasses.dataclass(frozen=True)
class Sweep:
    """An experiment: shared settings, and a grid of values of other settings.

    Args:
        settings: Settings that all runs share.
        grid: Lists of values by setting.
    """

    settings: Mapping[str, Any]
    grid: Mapping[str, Sequence[Any]]

    def __post_init__(self):
        for name in ("settings", "grid"):
            checks.mapping(
                name, getattr(self, name), f"Write, for example, {name}={{}}."
            )

    @classmethod
    def resolve(cls, config: Mapping[str, Any]) -> "Sweep":
        """The sweep of a config; it has one point if there is no `grid`.

        Args:
            config: Keys and values of `Settings`, and `grid`.
        """
        checks.mapping("config", config, "Write, for example, config={'steps': 3000}.")
        settings = dict(config.items())
        grid = settings.pop("grid", None)
        grid = {} if grid is None else grid
        checks.mapping("grid", grid, "Write, for example, grid={'bound': ['nwj']}.")
        return cls(settings, dict(grid.items()))

    def runs(self, seeds: int) -> list[Settings]:
        """The settings of every run, seed by seed.

        Args:
            seeds: Number of seeds, starting from that of the settings.

        Raises:
            ValueError: If a value is invalid, the grid has no points, or two points are
                the same run.
        """
        checks.positive_integer("seeds", seeds, 5)
        for name, values in self.grid.items():
            if name == "seed":
                raise ValueError(
                    "grid must leave out the seed, since every sweep varies it; "
                    f"received seed={values!r}. Give their number (--seeds), and the "
                    "first one as config.seed."
                )
            several = isinstance(values, Collection) and not isinstance(values, str)
            if not several or not len(values):
                raise ValueError(
                    f"grid.{name} must be a tuple of at least one value; received "
                    f"{values!r}."
                )
        first = self.settings.get("seed", 0)
        checks.seed("config.seed", first)
        points = list(itertools.product(*self.grid.values()))
        found = [
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
        by_key: dict[Key, Settings] = {}
        for settings in found:
            other = by_key.setdefault(key(settings), settings)
            if other is not settings:
                raise ValueError(
                    "The points of grid must be different runs; received "
                    f"{self.name(settings)!r} twice, or with only another path of the "
                    "data. Remove one of them."
                )
        return found

    def name(self, settings: Settings) -> str:
        """Name of a run's folder, made of the values that vary.

        In values other than plain words and numbers, characters with a meaning in
        paths, shells or patterns are replaced, and a short digest of the run's key
        makes the name unique.
        """
        values = settings.as_dict()
        varying = [values[name] for name in self.grid]
        words = [re.sub(r"[^\w.+-]+", "_", str(v), flags=re.ASCII) for v in varying]
        name = "-".join([*words, f"seed{settings.seed}"])
        plain = all(_is_plain(value) for value in varying)
        if plain and len(name) <= _LONGEST_NAME:
            return name
        digest = hashlib.sha256(json.dumps(key(settings)).encode()).hexdigest()[:10]
        return f"{name[:_LONGEST_NAME].strip('_.-')}-{digest}"


def _is_plain(value: Any) -> bool:
    """Whether the text of a value is unique between hyphens.

    Words begin with a letter, so they differ from parts of numbers.
    """
    return isinstance(value, int | float) or _SAFE.fullmatch(str(value)) is not None


def key(settings: Settings) -> Key:
    """Identifies a run in a table, by the text of `settings.IDENTITY`.

    Args:
        settings: Settings of the run.
    """
    return identity(settings)


def sweep(
    experiment: Sweep,
    workdir: str | os.PathLike,
    seeds: int = 1,
    results: str | os.PathLike | None = None,
    processes: int | None = None,
    train: Callable[..., Any] = recipe.train,
) -> dict[str, str]:
    """Trains every run of a sweep that is not in its table.

    Args:
        experiment: The sweep.
        workdir: Folder with a workdir and a log for each run.
        seeds: Number of seeds.
        results: The table, a CSV with `COLUMNS`, one row for each evaluation of a run.
            Defaults to `results.csv` in the workdir.
        processes: Number of runs at a time. Defaults to the number that cores and
            memory allow.
        train: Function of settings, workdir and the folder `baselines` that trains one
            run, such as `training.train`.

    Returns:
        Reasons of failed runs, by name.

    Raises:
        ValueError: If a number or the grid is invalid, the table is damaged or has
            other columns, or another process sweeps in the workdir.
    """
    processes_wanted = _default_processes() if processes is None else processes
    checks.instance(
        "experiment",
        experiment,
        Sweep,
        "a Sweep",
        "Write, for example, experiment=Sweep({'steps': 3000}, {'critic': ['mlp']}).",
    )
    workdir = pathlib.Path(checks.path("workdir", workdir, "runs/sweep"))
    checks.positive_integer("processes", processes_wanted, 2)
    every = experiment.runs(seeds)
    if results is not None:
        results = checks.path("results", results, "runs/sweep/results.csv")
    workdir.mkdir(parents=True, exist_ok=True)
    # Not the workdir itself, which is locked whenever a table in it is changed.
    with files.sole(workdir, "sweeping", lock=workdir / ".lock"):
        table = Table(results or workdir / "results.csv")
        return _Sweeping(experiment, every, workdir, table, train).run(processes_wanted)


class _Sweeping:
    """The runs of an active sweep: waiting, running, failed.

    Args:
        experiment: The sweep.
        every: Settings of all of its runs.
        workdir: Folder of their workdirs.
        table: The table that gets their rows.
        train: As for `sweep`.
    """

    def __init__(
        self,
        experiment: Sweep,
        every: Sequence[Settings],
        workdir: pathlib.Path,
        table: "Table",
        train: Callable[..., Any],
    ):
        self.experiment = experiment
        self.workdir = workdir
        self.table = table
        self.train = train
        held = table.match([key(settings) for settings in every])
        self.waiting = [s for s in every if key(s) not in held]
        self.running: dict[str, tuple[Settings, Any]] = {}
        self.failures: dict[str, str] = {}
        self.total, self.done_before = len(every), len(held)
        self.untold = sum(not found[-1] for found in held.values())

    def run(self, number: int) -> dict[str, str]:
        """Trains `number` runs at a time until none is left; returns failed runs."""
        threads = max(1, (os.cpu_count() or 1) // number)
        progress = _Progress(len(self.waiting), self.done_before)
        if self.untold:
            print(
                f"{self.untold} of these are rows of an earlier version in "
                f"{self.table.path}, which lack some settings. If these differed "
                "from the present ones, give another table (--results)."
            )
        try:
            with processes.noted(self._where):
                while self.waiting or self.running:
                    while self.waiting and len(self.running) < number:
                        self._start(self.waiting.pop(0), threads)
                    for name in self._ended():
                        self._take(name)
                        progress.show(*self._counts())
                    progress.tick(*self._counts())
                    time.sleep(0.2)
        finally:
            processes.end([process for _, process in self.running.values()])
        return self.failures

    def _counts(self) -> tuple[int, int, int]:
        return len(self.waiting), len(self.running), len(self.failures)

    def _where(self) -> str:
        left = len(self.waiting) + len(self.running) + len(self.failures)
        return f"with {self.total - left} of {self.total} runs done"

    def _start(self, settings: Settings, threads: int) -> None:
        name = self.experiment.name(settings)
        self.table.read()
        if key(settings) in self.table.keys():
            print(f"{name} was added to {self.table.path} by another sweep.")
            return
        context = multiprocessing.get_context("spawn")
        process = context.Process(
            target=_run_one,
            args=(
                *(self.train, settings.as_dict(), self.workdir, name, threads),
                os.getpid(),
            ),
        )
        # Otherwise it would start with the first process, and unblock signals again.
        resource_tracker.ensure_running()
        errors = self.workdir / name / _NATIVE_ERRORS
        errors.parent.mkdir(parents=True, exist_ok=True)
        with processes.deaf_to_interrupts(), processes.native_errors_to(errors):
            process.start()
            self.running[name] = settings, process

    def _ended(self) -> list[str]:
        return [n for n, (_, process) in self.running.items() if not process.is_alive()]

    def _take(self, name: str) -> None:
        """Adds a run that ended to the table, or notes why it failed."""
        settings, process = self.running.pop(name)
        if process.exitcode != 0:
            self.failures[name] = _reason(self.workdir / name, process.exitcode)
            return
        try:
            rows = runs.read_metrics(self.workdir / name / "metrics.csv")
        except (OSError, ValueError) as error:
            self.failures[name] = str(error)
            return
        if not self.table.append(key(settings), rows):
            print(f"{name} is in {self.table.path} already, by another sweep.")


class Table:
    """A CSV of results that one or several sweeps replace as a whole.

    Args:
        path: The file, which is created with the first row.

    Raises:
        ValueError: If the file is damaged or has other columns.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(checks.path("path", path, "runs/sweep/results.csv"))
        self.rows: list[dict[str, str]] = []
        self.read()

    def read(self) -> None:
        """Updates `rows` from the file, which other processes may have changed."""
        if self.path.exists():
            self.rows = read_table(self.path)

    def keys(self) -> set[Key]:
        """Keys of the runs in the table.

        The last part is empty for rows of an earlier version.
        """
        return {_key_of(row) for row in self.rows}

    def match(self, keys: Sequence[Key]) -> dict[Key, Key]:
        """Maps the keys of runs that are in the table to their keys there.

        Rows of an earlier version lack some settings. They match a run whose other
        settings fit, if there is only one.

        Args:
            keys: Keys of the runs.
        """
        held, fitting = self.keys(), collections.Counter(k[:-1] for k in keys)
        found = {}
        for each in keys:
            earlier = (*each[:-1], "")
            if each in held:
                found[each] = each
            elif earlier in held and fitting[each[:-1]] == 1:
                found[each] = earlier
        return found

    def append(self, key: Key, rows: Sequence[runs.Row]) -> bool:
        """Adds the evaluations of one run to the file, unless they are there already.

        Returns:
            Whether they were added.
        """
        made_by = dict(zip(_MADE_BY, (_backend(), version.commit()), strict=True))
        with self.changing():
            if key in self.keys():
                return False
            for row in rows:
                measured = {name: _cell(value) for name, value in row.items()}
                identified = dict(zip(IDENTITY, key, strict=True))
                self.rows.append({**identified, **measured, **made_by})
        return True

    def last(self, key: Key) -> dict[str, str] | None:
        """The last evaluation of a run; `None` if it is not in the table."""
        found = [row for row in self.rows if _key_of(row) == key]
        return max(found, key=lambda row: int(row["step"]), default=None)

    def fill(self, key: Key, **cells: float) -> None:
        """Sets measures of the last evaluation of a run, and writes the table.

        Args:
            key: Key of the run.
            **cells: Values by column.

        Raises:
            ValueError: If the run is not in the table.
        """
        with self.changing():
            row = self.last(key)
            if row is None:
                raise ValueError(
                    f"key must be of a run in {self.path}; received {key}."
                )
            row.update({column: _cell(value) for column, value in cells.items()})

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Updates `rows` from the file, and writes the changes of the block.

        Meanwhile no other process can change the table.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with files.locked(self.path.parent, wait=True):
            self.read()
            yield
            columns = _columns(name for row in self.rows for name in row)
            cells = ([row.get(column, "") for column in columns] for row in self.rows)
            files.write_csv(self.path, columns, *cells)


def read_table(path: str | os.PathLike) -> list[dict[str, str]]:
    """Reads a table of results as text cells, after checking all of it.

    Args:
        path: The file. Tables of earlier versions are supported: they have other names
            for some measures, fewer measures, and no column `settings.OTHERS`. Cells of
            missing columns are empty.

    Raises:
        ValueError: If it has other columns, was cut off, holds a run twice or only a
            part of it, or a cell has the wrong type.
    """
    header, lines = files.read_csv(path)
    named = [measures.EARLIER.get(column, column) for column in header]
    if not {*KEY, "step", "commit"} <= {*named} or len({*named}) < len(named):
        raise ValueError(
            f"{path} must be a table with the columns {', '.join(COLUMNS)}, where "
            f"measures may be missing; received {', '.join(header)}."
        )
    empty = dict.fromkeys(COLUMNS, "")
    rows = [{**empty, **dict(zip(named, line, strict=True))} for line in lines]
    steps: dict[Key, list[int]] = {}
    for number, row in enumerate(rows, start=2):
        try:
            _check_row(row)
            steps.setdefault(_key_of(row), []).append(int(row["step"]))
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{path} cannot be read; it may be damaged: row {number}, {error}"
            ) from error
    for found, of_run in steps.items():
        name = ", ".join(f"{c} {v}" for c, v in zip(IDENTITY, found, strict=True) if v)
        if len(set(of_run)) < len(of_run):
            raise ValueError(f"{path} holds a run twice. Remove one of them: {name}.")
        wanted = int(dict(zip(IDENTITY, found, strict=True))["steps"])
        if max(of_run) != wanted:
            raise ValueError(
                f"{path} holds a run only up to step {max(of_run)} of {wanted}. Remove "
                f"its rows, and repeat its sweep: {name}."
            )
    return rows


def _columns(names: Iterable[str]) -> list[str]:
    """The columns of a table: those of all tables, and these."""
    around = {*KEY, *_MADE_BY, OTHERS}
    measured = measures.ordered({*names, *measures.NAMES} - around)
    return [*KEY, *measured, *_MADE_BY, OTHERS]


def _key_of(row: Mapping[str, str]) -> Key:
    return tuple(row[column] for column in IDENTITY)


def _check_row(row: Mapping[str, str]) -> None:
    measured = [name for name in row if name not in (*KEY, *_MADE_BY, OTHERS)]
    for column in (*_INTEGERS, *measured):
        text = row[column]
        if column not in _INTEGERS and not text:
            continue
        try:
            (int if column in _INTEGERS else float)(text)
        except ValueError:
            kind = "an integer" if column in _INTEGERS else "a number"
            raise ValueError(f"{column} must be {kind}; received {text!r}.") from None
    if row[OTHERS] and not isinstance(json.loads(row[OTHERS]), dict):
        raise ValueError(f"{OTHERS} must be a mapping in JSON; received {row[OTHERS]}.")


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
    parent: int,
) -> None:
    """Trains one run in its own process, and writes its output to a log."""
    processes.end_with(parent)
    workdir = folder / name
    with open(workdir / _LOG, "a", encoding="utf-8") as log:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
            try:
                train(settings, workdir, baselines=folder / "raw_baselines")
            except BaseException:
                traceback.print_exc()
                sys.exit(1)


def _reason(workdir: pathlib.Path, exit_code: int) -> str:
    last, where = "no output", workdir / _LOG
    for path in (where, workdir / _NATIVE_ERRORS):
        text = path.read_text("utf-8", errors="replace") if path.exists() else ""
        if lines := text.strip().splitlines():
            last, where = lines[-1], path
            break
    return f"{last} (exit code {exit_code}, log in {where})"


def _backend() -> str:
    return f"{backends.name()} {backends.version()}"


def _default_processes() -> int:
    by_memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(os.cpu_count() or 1, by_memory // _MEMORY_PER_PROCESS))


class _Progress:
    """One line about a sweep, which is rewritten on a terminal."""

    def __init__(self, total: int, done_before: int):
        self.total = total
        self.started = self.shown = time.time()
        self.width = 0
        print(f"{total} runs to do, {done_before} done before.", flush=True)

    def show(self, waiting: int, running: int, failed: int) -> None:
        """Shows that a run has ended."""
        ended = self.total - waiting - running
        terminal = sys.stdout.isatty()
        line = self._line(ended, running, failed)
        print(line, end="\r" if terminal and ended < self.total else "\n", flush=True)
        self.shown = time.time()

    def tick(self, waiting: int, running: int, failed: int) -> None:
        """Updates the elapsed time on a terminal."""
        if sys.stdout.isatty() and time.time() - self.shown >= 1.0:
            line = self._line(self.total - waiting - running, running, failed)
            print(line, end="\r", flush=True)
            self.shown = time.time()

    def _line(self, ended: int, running: int, failed: int) -> str:
        passed = time.time() - self.started
        line = f"{ended}/{self.total} runs ended, {failed} failed, {running} running, "
        if ended:
            left = passed / ended * (self.total - ended)
            end = time.strftime("%d %b %H:%M", time.localtime(time.time() + left))
            line += f"about {left / 60:.0f} min to go, until {end}"
        else:
            line += duration(passed)
        # Spaces overwrite the rest of a longer line.
        self.width, line = len(line), line.ljust(self.width)
        return line
