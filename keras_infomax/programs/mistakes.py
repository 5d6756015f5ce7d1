"""Mistakes in a command, which its user is told in one line, with exit code 2."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from keras_infomax.spelling import nearest

# What a path of `READS` or `WRITES` is; or it is a folder with a file of this name.
FILE, FOLDER = "", "."
# What makes the file that a folder must have.
_MAKES = {
    "model.keras": "Let the training finish first.",
    "results.csv": "A sweep writes it.",
    "manifest.json": "keras-infomax export writes it.",
    "saved_model.pb": "keras-infomax export writes it.",
}


class UsageError(Exception):
    """A command that cannot be run as it stands.

    Args:
        message: What is wrong with it, and what to write.
    """


def existing(flag: str, path: str | os.PathLike, inside: str = FILE) -> str:
    """Returns the path, if what is to be read is there and may be read.

    Args:
        flag: What the path was given for, for the message.
        path: Path that a user gave for something to read.
        inside: `FILE`, `FOLDER`, or the name of a file that must lie in the folder.

    Raises:
        UsageError: If it is not there, with the nearest name, if it is of another
            kind, or if it may not be read.
    """
    found = os.path.expanduser(path)
    if not found:
        kind = "folder" if inside else "file"
        raise UsageError(f"{flag} must name a {kind}; received {path!r}.")
    if not os.path.lexists(found):
        _refuse_locked(flag, _nearest_above(found))
        raise UsageError(
            f"{flag} must name what is there; there is no {str(path)!r}."
            f"{nearest(found, _siblings(found))}"
        )
    if not inside and os.path.isdir(found):
        raise UsageError(f"{flag} must name a file; {str(path)!r} is a folder.")
    if inside and not os.path.isdir(found):
        raise UsageError(f"{flag} must name a folder; {str(path)!r} is a file.")
    _refuse_locked(flag, found)
    if inside not in (FILE, FOLDER):
        if not os.path.isfile(os.path.join(found, inside)):
            raise UsageError(
                f"{flag} must name a folder with a file {inside}; {str(path)!r} has "
                f"none. {_MAKES.get(inside, '')}"
            )
        _refuse_locked(flag, os.path.join(found, inside))
    return str(path)


def writable(flag: str, path: str | os.PathLike, inside: str = FILE) -> str:
    """Returns the path, if something may be written there; writes nothing.

    Args:
        flag: What the path was given for, for the message.
        path: Path that a user gave for something to write.
        inside: `FILE`, or `FOLDER`.

    Raises:
        UsageError: If it is empty, of another kind, or below what is no folder or may
            not be written.
    """
    found = os.path.expanduser(path)
    if not found:
        kind = "folder" if inside else "file"
        raise UsageError(f"{flag} must name a {kind} to write; received {path!r}.")
    if not inside and os.path.isdir(found):
        raise UsageError(f"{flag} must name a file; {str(path)!r} is a folder.")
    above = _nearest_above(found if inside else os.path.dirname(found))
    if not os.path.isdir(above):
        raise UsageError(
            f"{flag} must name a folder, or what is to be made in one; {above!r} is a "
            "file."
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"{flag}: there is no permission to write in {above!r}.")
    return str(path)


@contextlib.contextmanager
def of_the_command() -> Iterator[None]:
    """Tells a `ValueError` of the block as what it is there: a mistake in the command.

    Raises:
        UsageError: For a `ValueError`.
    """
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


def _nearest_above(path: str) -> str:
    """The path, or the nearest folder above it that is there."""
    path = path or "."
    while not os.path.lexists(path):
        path = os.path.dirname(path) or "."
    return path


def _refuse_locked(flag: str, path: str) -> None:
    needed = os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK
    if not os.access(path, needed):
        raise UsageError(f"{flag}: there is no permission to read {path!r}.")


def _siblings(path: str) -> list[str]:
    above = pathlib.Path(path).parent
    return [str(above / p.name) for p in above.iterdir()] if above.is_dir() else []
