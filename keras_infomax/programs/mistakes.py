"""Mistakes in a command, which its user is told in one line, with exit code 2."""

import os
import pathlib

from keras_infomax.spelling import nearest


class UsageError(Exception):
    """A command that cannot be run as it stands.

    Args:
        message: What is wrong with it, and what to write.
    """


def existing(flag: str, path: str | os.PathLike) -> str:
    """Returns the path, if there is something.

    Args:
        flag: What the path was given for, for the message.
        path: Path that a user gave for something to read.

    Raises:
        UsageError: If there is nothing; the message has the nearest name.
    """
    found = pathlib.Path(path)
    if os.fspath(path) and found.exists():
        return str(path)
    above = found.parent
    siblings = [str(above / p.name) for p in above.iterdir()] if above.is_dir() else []
    raise UsageError(
        f"{flag} must name what is there; there is no {str(path)!r}."
        f"{nearest(str(found), siblings)}"
    )
