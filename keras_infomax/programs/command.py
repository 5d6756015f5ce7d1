"""The command `keras-infomax`, which runs the programs by their names."""

import importlib
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from keras_infomax.programs import documentation, starting
from keras_infomax.spelling import nearest
from keras_infomax.version import __version__

# The commands, and their modules beside this one.
COMMANDS = {
    "train": "train",
    "sweep": "sweep",
    "search": "search",
    "report": "report",
    "probe": "probe",
    "reprobe": "reprobe",
    "export": "export",
    "verify": "verify",
    "push": "push",
    "pull": "pull",
    "mi": "mi",
    "mi-benchmark": "mi_benchmark",
    "demo": "demo",
    "classify": "classify",
    "fine-tune": "fine_tune",
    "find-similar": "find_similar",
    "probe-export": "probe_export",
}
_HELP = ("--help", "-h", "-help", "--helpshort", "--helpfull", "help")


def main() -> None:
    """Runs what the arguments of the process say."""
    starting.begin()
    name, *arguments = sys.argv[1:] or [""]
    if name in _HELP:
        # Here, since a program that runs does without.
        from keras_infomax.programs import help_pages

        _show(help_pages.overview(summaries()))
    elif name == "--version":
        print(f"keras_infomax {__version__}")
    elif name in COMMANDS:
        run(name, arguments)
    else:
        told = f"there is no command {name!r}." if name else "name a command."
        known = ", ".join(COMMANDS)
        _end(f"{told}{nearest(name, COMMANDS)} Commands: {known}; or --help.")


def run(name: str, arguments: Sequence[str] | None = None) -> None:
    """Runs one program, or prints its help.

    Args:
        name: Its name, as in `COMMANDS`.
        arguments: Its arguments. Defaults to those of the process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        module = importlib.import_module(f"keras_infomax.programs.{COMMANDS[name]}")
    except ModuleNotFoundError as error:
        if error.name not in ("absl", "ml_collections"):
            raise
        _end(
            f"keras-infomax {name} needs {error.name}; "
            'pip install "keras_infomax[programs]" brings it.'
        )
    if any(argument in _HELP[:-1] for argument in arguments):
        from keras_infomax.programs import help_pages

        _show(help_pages.of_command(name, module))
        return
    from keras_infomax.programs import running

    running.run(
        module.main,
        module.FLAGS,
        arguments,
        positional=getattr(module, "POSITIONAL", ()),
        reads=getattr(module, "READS", None),
        writes=getattr(module, "WRITES", None),
        keys=getattr(module, "KEYS", ()),
        called=f"keras-infomax {name}",
    )


def summaries() -> dict[str, str]:
    """What each command does, in a line."""
    folder = pathlib.Path(__file__).parent
    return {
        name: documentation.summary(folder / f"{module}.py")
        for name, module in COMMANDS.items()
    }


def _show(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # Of `keras-infomax --help | head`.
        os._exit(0)


def _end(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
