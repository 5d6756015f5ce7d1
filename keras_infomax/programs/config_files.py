"""Configs by name, which come with the package, or by the path of a file."""

import importlib.util
import pathlib
from typing import Any

from keras_infomax.programs.mistakes import UsageError, existing
from keras_infomax.spelling import nearest

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]


def folder() -> pathlib.Path:
    """Where the configs of the package lie: in it, or beside it in a checkout."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def names() -> dict[str, pathlib.Path]:
    """The configs of the package: their names, such as `paper/figure3`, and files."""
    files = sorted(folder().rglob("*.py"))
    return {p.relative_to(folder()).with_suffix("").as_posix(): p for p in files}


def resolve(given: str) -> str:
    """What a user calls a config, with the path of its file for its name.

    Args:
        given: Name or path, and behind a colon the variant, if any.

    Raises:
        UsageError: If there is no such config; the message has the nearest one.
    """
    called, colon, variant = given.partition(":")
    known = names()
    if pathlib.Path(called).is_file():
        existing("--config", called)
        return given
    if called in known:
        return f"{known[called]}{colon}{variant}"
    word = called.removeprefix("configs/").removesuffix(".py")
    beside = [str(path) for path in pathlib.Path(called).parent.glob("*.py")]
    hint = nearest(called, beside) if called.endswith(".py") else ""
    hint = hint or nearest(word, known)
    raise UsageError(
        f"--config must be the name of a config or the path of a file; received "
        f"{called!r}.{hint} Names: {', '.join(known)}."
    )


def load(name: str, variant: str = "") -> Any:
    """The config of a name, as a program gets it that is given no other keys.

    Args:
        name: Name of a config of the package.
        variant: Its variant.
    """
    specification = importlib.util.spec_from_file_location("config", names()[name])
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.get_config(variant)
