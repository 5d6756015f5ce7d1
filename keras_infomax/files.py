"""Writes files and folders so that a reader sees the old or the new, never half.

Everything is written beside its destination and renamed, which is atomic within
one file system.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import uuid
from collections.abc import Iterator


def _beside(path: pathlib.Path) -> pathlib.Path:
    # The suffix is kept: Keras and matplotlib choose the format by it.
    return path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")


@contextlib.contextmanager
def replaced_file(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path that becomes `path` when the block ends well.

    After an exception the temporary file is removed and `path` is as it was.
    """
    path = pathlib.Path(path)
    temporary = _beside(path)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes `text` to `path` atomically."""
    with replaced_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def locked_folder(path: str | os.PathLike) -> Iterator[None]:
    """Lets one process at a time into the block, of those that name this folder.

    The lock ends with the process that holds it, however it ends.

    Args:
        path: An existing folder; the lock leaves no file in it.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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
            f"{path} exists already. Choose another path, or ask to overwrite it."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, retired = _beside(path), _beside(path)
    try:
        temporary.mkdir()
        yield temporary
        if os.path.lexists(path):
            os.replace(path, retired)
        try:
            os.replace(temporary, path)
        except OSError:
            if os.path.lexists(retired):
                os.replace(retired, path)
            raise
    finally:
        for leftover in (temporary, retired):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
