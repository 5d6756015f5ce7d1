"""Processes that end in good order when they are told to, or when nobody is left.

What a process leaves on the disk is whole at any moment (see `files`), so all that is
due is to say where it stopped, and to leave no other process behind.
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

# Names the process that must live for a program to go on.
_PARENT = "KERAS_INFOMAX_PARENT"
_SECONDS_BETWEEN_LOOKS = 0.5
# What a process has to end by itself before it is killed.
_PATIENCE_SECONDS = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_DEFAULT = "stopped; repeat the command"


class Stopped(KeyboardInterrupt):
    """A signal asks the process to end.

    Args:
        number: The signal.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def stopping_in_one_line() -> Iterator[None]:
    """Turns Ctrl-C and SIGTERM within the block into one line and an exit code.

    The line is the note that `noted` added, and the code is 128 more than the signal's
    number, as shells have it. A second signal ends the process at once.

    Raises:
        SystemExit: If there was a signal.
    """
    before = {each: signal.signal(each, _stop) for each in _SIGNALS}
    try:
        yield
    except KeyboardInterrupt as error:
        notes = getattr(error, "__notes__", [_DEFAULT])
        print(notes[0], file=sys.stderr, flush=True)
        # The handlers stay off: a second signal ends the process while it exits.
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
    """Adds to an interruption of the block where it happened, as a note.

    `stopping_in_one_line` prints the first note, which is that of the inner block.

    Args:
        where: Function that returns where the block is, such as "at step 3 of 8".
    """
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(f"stopped {where()}; repeat the command to go on")
        raise


def end_with(parent: int | None) -> None:
    """Ends this process, from a thread, as soon as its parent is no longer that one.

    However the parent ended: SIGKILL lets no process tell its children.

    Args:
        parent: Identifier of the process that must live. `None` does nothing.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    # Elsewhere than on POSIX the parent of an orphan stays the same.
    if parent is not None and os.name == "posix":
        threading.Thread(target=watch, daemon=True).start()


def environment_of_child() -> dict[str, str]:
    """Environment in which a program ends with this process; see `end_if_orphaned`."""
    return {**os.environ, _PARENT: str(os.getpid())}


def end_if_orphaned() -> None:
    """Lets this program end with the one that started it, if that asked for it."""
    # Taken out, or programs that this one starts would take it for theirs.
    parent = os.environ.pop(_PARENT, None)
    end_with(None if parent is None else int(parent))


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started in the block do not get Ctrl-C; this one does later.

    A terminal sends it to all processes. It is for the parent to end its children.
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
    """Processes that are started in the block have a file for their standard error.

    What is written there from elsewhere than Python, such as TensorFlow's notes on the
    machine while it is imported, or the reason why a process was aborted.

    Args:
        path: The file, written to at its end.
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
    """Ends processes of `multiprocessing`, and waits until they are gone.

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
    # Runs a script, given with its arguments, that ends with who started it; without
    # the package, which such a script may have to do without.
    end_if_orphaned()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
