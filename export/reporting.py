"""What the programs of this folder tell their user when something is wrong."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process with one line for an error that its message explains."""
    try:
        yield
    except (ValueError, ImportError, OSError) as error:
        # Messages of Keras run over several lines.
        sys.exit("error: " + " ".join(str(error).split()))
