"""Runs a program's main function so that its user sees an error, not a traceback."""

import sys
from collections.abc import Callable

from absl import app


def run(main: Callable[[], None]) -> None:
    """Parses flags and calls `main`.

    A `ValueError` or `ImportError` is a mistake that its message explains: it goes to
    stderr, with exit code 1. Any other exception is ours and keeps its traceback.

    Args:
        main: The program, without arguments.
    """

    def checked(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"Unexpected arguments: {' '.join(argv[1:])}")
        try:
            main()
        except (ValueError, ImportError) as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)

    app.run(checked)
