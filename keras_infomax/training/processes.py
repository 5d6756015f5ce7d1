"""Ends processes cleanly on signals, and when their parent has ended.

Files on disk are complete at any moment (see `files`). So a process only has to print
where it stopped, and to leave no other process behind.
"""

import contextlib
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NoReturn

# Environment variable with the process that must be alive for a program to continue.
_PARENT = "KERAS_INFOMAX_PARENT"
_SECONDS_BETWEEN_LOOKS = 0.5
# Seconds that a process has to end before it is killed.
_PATIENCE_SECONDS = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DEFAULT = "stopped; repeat the command"


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end.

    Args:
        number: The signal.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def stopping_in_one_line() -> Iterator[None]:
    """Converts Ctrl-C and SIGTERM within the block into one line and an exit code.

    The line is the note that `noted` added, and the code is 128 plus the signal's
    number, as in shells. A second signal ends the process at once.

    Raises:
        SystemExit: If there was a signal.
    """
    before = {each: signal.signal(each, _stop) for each in _SIGNALS}
    try:
        yield
    except KeyboardInterrupt as error:
        notes = getattr(error, "__notes__", [_DEFAULT])
        print(notes[0], file=sys.stderr, flush=True)
        # The handlers stay off, so that a second signal ends the process during its
        # exit.
        sys.exit(128 + getattr(error, "number", signal.SIGINT))
    except BaseException:
        _put_back(before)
        raise
    _put_back(before)


def _put_back(handlers: dict[signal.Signals, Any]) -> None:
    for each, handler in handlers.items():
        signal.signal(each, handler)


def _stop(number: int, frame: Any) -> NoReturn:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    raise Stopped(number)


@contextlib.contextmanager
def noted(where: Any) -> Iterator[None]:
    """Adds a note to an interruption of the block that says where it happened.

    `stopping_in_one_line` prints the first note, that of the innermost block.

    Args:
        where: Function that returns the position of the block, such as "at step 3 of
            8".
    """
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(f"stopped {where()}; repeat the command to go on")
        raise


def end_with(parent: int | None) -> None:
    """Ends this process, from a thread, as soon as it has another parent.

    This works however the parent ended; after SIGKILL a process cannot signal its
    children.

    Args:
        parent: Identifier of the parent, which must be alive. `None` does nothing.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    # On other systems than POSIX, an orphan keeps the identifier of its parent.
    if parent is not None and os.name == "posix":
        threading.Thread(target=watch, daemon=True).start()


def environment_of_child() -> dict[str, str]:
    """Environment that makes a program end with this process; see `end_if_orphaned`."""
    return {**os.environ, _PARENT: str(os.getpid())}


def end_if_orphaned() -> None:
    """Makes this program end with its parent, if the parent asked for it."""
    # Removed, since programs started by this one would use it.
    parent = os.environ.pop(_PARENT, None)
    end_with(None if parent is None else int(parent))


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Keeps Ctrl-C from processes that the block starts; this one gets it later.

    A terminal sends it to all processes, but the parent should end its children.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def native_errors_to(path: str | os.PathLike) -> Iterator[None]:
    """Redirects the standard error of processes that the block starts to a file.

    The file gets output that does not come from Python, such as TensorFlow's notes on
    the machine during its import, or the reason for an abort.

    Args:
        path: The file, to which the output is appended.
    """
    sys.stderr.flush()
    before = os.dup(2)
    try:
        with open(path, "ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def end(children: list[Any]) -> None:
    """Ends processes of `multiprocessing`, and waits for their end.

    Args:
        children: The processes.
    """
    for child in children:
        child.terminate()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for child in children:
        child.join(max(0.0, deadline - time.monotonic()))
        if child.is_alive():
            child.kill()
            child.join()


if __name__ == "__main__":
    # Runs a given script with its arguments, and ends with the parent. It does not
    # import the package, which such a script may lack.
    end_if_orphaned()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
