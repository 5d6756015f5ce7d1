"""What the programs of this folder tell their user when something is wrong."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator

from absl import app
from absl import logging as absl_logging

from keras_infomax.training import processes


def run(main: Callable[[], None]) -> None:
    """Parses flags and calls `main`, whose user sees an error and not a traceback.

    Args:
        main: The program, without arguments.
    """

    def checked(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"Unexpected arguments: {' '.join(argv[1:])}.")
        # TensorFlow tells of every file, by the name it has before it is renamed.
        absl_logging.set_verbosity(absl_logging.WARNING)
        logging.getLogger("tensorflow").setLevel(logging.WARNING)
        with one_line_errors():
            main()

    with processes.stopping_in_one_line():
        app.run(checked)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process with one line for an error that its message explains."""
    try:
        yield
    except (ValueError, ImportError, OSError) as error:
        # Messages of Keras run over several lines.
        sys.exit("error: " + " ".join(str(error).split()))
