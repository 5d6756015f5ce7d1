"""Runs a program's main function so that its user sees an error, not a traceback."""

import logging
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import app, flags
from absl import logging as absl_logging

from keras_infomax.training import processes


def run(main: Callable[[], None]) -> None:
    """Parses flags and calls `main`.

    A `ValueError`, `ImportError` or `OSError` is a mistake, or a fault of the machine,
    that its message explains: it goes to stderr, with exit code 1. Any other exception
    is ours and keeps its traceback. Ctrl-C and SIGTERM end the program with one line,
    too, and exit code 130 or 143.

    Args:
        main: The program, without arguments.
    """

    def checked(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"Unexpected arguments: {' '.join(argv[1:])}")
        # TensorFlow tells of every file that it writes.
        absl_logging.set_verbosity(absl_logging.WARNING)
        logging.getLogger("tensorflow").setLevel(logging.WARNING)
        try:
            main()
        except (ValueError, ImportError, OSError) as error:
            _end(error)

    processes.end_if_orphaned()
    with processes.stopping_in_one_line():
        app.run(checked, flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        # Where a config raises, ml_collections gives all of its traceback.
        _end(str(error).strip().splitlines()[-1].strip())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Raised by ml_collections, for a key that a config does not have (it names
        # the nearest one) or a value of another type.
        reason: object = error
        while isinstance(reason, Exception):
            reason = reason.args[0]
        _end(f"a flag does not fit the config: {' '.join(str(reason).split())}")


def _end(message: object) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)
