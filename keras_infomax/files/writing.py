"""Writes files and folders so that a reader sees the old or the new, never half.

Everything is written beside its destination and renamed, which is atomic within
one file system. What a process that was killed has left there is removed by the next
one that writes to the same destination.
"""

import contextlib
import csv
import io
import json
import os
import pathlib
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from keras_infomax import private

try:
    import fcntl
except ImportError:  # Not on Windows.
    fcntl = None  # type: ignore[assignment]

# Seconds that a killed process may take to end.
_PATIENCE_SECONDS = 10.0


@contextlib.contextmanager
def replaced_file(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path that becomes `path` when the block ends well.

    After an exception the temporary file is removed and `path` is as it was.
    """
    path = pathlib.Path(path)
    temporary = _beside(path)
    try:
        temporary.touch()
        with locked(temporary):
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` to `path` atomically."""
    with replaced_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: str | os.PathLike, *rows: Iterable[Any]) -> None:
    """Writes a table to `path` atomically, and makes its folder.

    Args:
        path: The file.
        *rows: The header and the rows; `None` is an empty cell.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())


def read_csv(path: str | os.PathLike) -> tuple[list[str], list[list[str]]]:
    """Reads a table that was written as a whole, and refuses one that was cut.

    Args:
        path: The file.

    Returns:
        The header, and the rows with a cell for each of its columns.

    Raises:
        ValueError: If the file is not text, its last line has no end, or a row has
            more or fewer cells than the header.
        OSError: If it cannot be read.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            text = file.read()
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        if not lines:
            raise ValueError("it is empty.")
        if not text.endswith(("\n", "\r")):
            raise ValueError("its last line is cut off, without an end of line.")
        header, *rows = lines
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise ValueError(
                    f"row {number} has {len(row)} cells, and the header {len(header)}."
                )
    except (ValueError, csv.Error) as error:
        raise _damaged(path, error) from error
    return header, rows


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a JSON file that holds a mapping.

    Args:
        path: The file.

    Raises:
        ValueError: If it holds anything else.
        OSError: If it cannot be read.
    """
    try:
        found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"it holds {json.dumps(found)[:40]}, not a mapping.")
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    return found


def _damaged(path: str | os.PathLike, reason: object) -> ValueError:
    return ValueError(f"{path} cannot be read; it may be damaged: {reason}")


@contextlib.contextmanager
def new_folder(
    path: str | os.PathLike, overwrite: bool = False
) -> Iterator[pathlib.Path]:
    """Yields a temporary folder that becomes `path` when the block ends well.

    Args:
        path: The folder to make.
        overwrite: Whether an existing folder or file at `path` may be replaced.

    Raises:
        ValueError: If `path` exists and `overwrite` is false.
    """
    path = pathlib.Path(path)
    if os.path.lexists(path) and not overwrite:
        raise ValueError(
            f"{path} exists already. Choose another path, or pass overwrite=True "
            "(--overwrite)."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        temporary.mkdir()
        with locked(temporary):
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync(file)
            if not os.path.lexists(path):
                os.replace(temporary, path)
            elif not private.exchange(temporary, path):
                _replace_in_two_steps(temporary, path)
    finally:
        _remove(temporary)


def has_wildcards(path: str | os.PathLike) -> bool:
    """Whether TensorFlow may read a path as a pattern, which then matches nothing."""
    return any(mark in os.fspath(path) for mark in "*?[\\")


def link(source: str | os.PathLike, path: str | os.PathLike) -> None:
    """Makes a folder, if it exists, known by another path, without its content moved.

    Args:
        source: The folder.
        path: Where nothing is yet. Where the system has no links, as Windows may not,
            it becomes a copy.
    """
    source = pathlib.Path(source).resolve()
    if source.is_dir():
        try:
            os.symlink(source, path, target_is_directory=True)
        except (OSError, NotImplementedError):
            shutil.copytree(source, path)


@contextlib.contextmanager
def readable(folder: str | os.PathLike) -> Iterator[str]:
    """Yields a path at which TensorFlow finds the files of a folder.

    Args:
        folder: The folder, whose own path TensorFlow may take for a pattern.
    """
    if not has_wildcards(folder):
        yield os.fspath(folder)
        return
    with tempfile.TemporaryDirectory(prefix="keras_infomax-") as scratch:
        path = os.path.join(scratch, "folder")
        link(folder, path)
        yield path


@contextlib.contextmanager
def locked(path: str | os.PathLike, wait: bool = False) -> Iterator[bool]:
    """Holds a file or folder, until the block ends or the process is killed.

    Yields whether it is held: there are systems and file systems without locks.

    Args:
        path: The file or folder, which exists.
        wait: Whether to wait until nobody else holds it.

    Raises:
        BlockingIOError: If it is held already, by this process or another, and `wait`
            is false.
    """
    held = False
    descriptor = None if fcntl is None else os.open(path, os.O_RDONLY)
    try:
        if descriptor is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                # Who held it before may have removed it, for the next one to make anew.
                if not _is_at(descriptor, path):
                    raise BlockingIOError(f"{path} was replaced.")
                held = True
            except BlockingIOError:
                raise
            except OSError:
                pass
        yield held
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _is_at(descriptor: int, path: str | os.PathLike) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def sole(
    folder: str | os.PathLike, doing: str, lock: str | os.PathLike | None = None
) -> Iterator[None]:
    """Keeps other processes out of a workdir, until the block ends.

    Args:
        folder: The workdir, which exists.
        doing: What the holder does, for the message to the second process.
        lock: File to hold instead of the folder, where that is held in the block for
            other reasons; there as long as the block runs.

    Raises:
        ValueError: If another process is in there and stays.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with contextlib.ExitStack() as held:
        while True:
            try:
                if lock is not None:
                    pathlib.Path(lock).touch()
                held.enter_context(locked(lock or folder))
                if lock is not None:
                    held.callback(pathlib.Path(lock).unlink, missing_ok=True)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise ValueError(
                        f"workdir must be of one process; {folder} is that of another "
                        f"one, which is {doing}. Wait for it, or end it."
                    ) from error
                time.sleep(0.1)
        yield


def _beside(path: pathlib.Path) -> pathlib.Path:
    """A new path next to `path`; those of writers that were killed are removed."""
    # The suffix is kept: Keras and matplotlib choose the format by it.
    start, end = f".{path.stem}-", path.suffix
    name = re.compile(re.escape(start) + "[0-9a-f]{32}" + re.escape(end))
    for sibling in path.parent.iterdir():
        if name.fullmatch(sibling.name):
            with contextlib.suppress(OSError), locked(sibling) as abandoned:
                if abandoned:
                    _remove(sibling)
    return path.with_name(f"{start}{uuid.uuid4().hex}{end}")


def _sync(path: pathlib.Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _replace_in_two_steps(temporary: pathlib.Path, path: pathlib.Path) -> None:
    retired = _beside(path)
    os.replace(path, retired)
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(retired, path)
        raise
    _remove(retired)
