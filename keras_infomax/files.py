"""Writes files and folders so that a reader sees the old or the new, never half.

Everything is written beside its destination and renamed, which is atomic within
one file system. What a process that was killed has left there is removed by the next
one that writes to the same destination.
"""

import contextlib
import csv
import ctypes
import io
import os
import pathlib
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

try:
    import fcntl
except ImportError:  # Not on Windows.
    fcntl = None  # type: ignore[assignment]

# Time for a process that was killed to be gone.
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
            elif not _exchange(temporary, path):
                _replace_in_two_steps(temporary, path)
    finally:
        _remove(temporary)


def has_wildcards(path: str | os.PathLike) -> bool:
    """Whether TensorFlow may take a path for a pattern, and find nothing there."""
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
                held = True
            except BlockingIOError:
                raise
            except OSError:
                pass
        yield held
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def sole(folder: str | os.PathLike, doing: str) -> Iterator[None]:
    """Keeps other processes out of a workdir, until the block ends.

    Args:
        folder: The workdir, which exists.
        doing: What whoever comes second is told that the first one is doing.

    Raises:
        ValueError: If another process is in there and stays.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(locked(folder))
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


def _exchange(path: pathlib.Path, other: pathlib.Path) -> bool:
    """Swaps two paths in one step, where the system can; returns whether it did."""
    # Windows has no library of None.
    library = ctypes.CDLL(None) if os.name == "posix" else None
    rename = getattr(library, "renameat2", None)
    if rename is None:
        return False
    working_folder, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux.
    paths = os.fsencode(path), os.fsencode(other)
    return rename(working_folder, paths[0], working_folder, paths[1], exchange) == 0


def _replace_in_two_steps(temporary: pathlib.Path, path: pathlib.Path) -> None:
    retired = _beside(path)
    os.replace(path, retired)
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(retired, path)
        raise
    _remove(retired)
