"""What a program does before TensorFlow is imported."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from typing import NoReturn

# Notes of TensorFlow, and errors of a search for GPUs where there is no driver.
_NOISE = re.compile(
    rb"I\d{4} \d\d:\d\d:"
    rb"|WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|To enable the following instructions:"
    rb"|E\d{4} .*failed call to cuInit: .*UNKNOWN ERROR \(303\)"
)
_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_SECONDS_FOR_THE_REST = 2.0


def begin() -> None:
    """Lets a program end with one line while it is still importing.

    Until it runs, there is nothing to tidy up, and a traceback of imports would tell
    its user nothing.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def _stop(number, frame) -> NoReturn:
    os.write(2, b"stopped; repeat the command\n")
    os._exit(128 + number)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TensorFlow's notes on the machine off the screen while it starts.

    TensorFlow 2.21 writes them straight to file descriptor 2, before it reads its log
    level. Everything else passes, also what is written as the process aborts. Of what
    comes later, notes are silenced by the level, and warnings are not. The environment
    variable `TF_CPP_MIN_LOG_LEVEL=0` shows all.
    """
    if os.environ.setdefault(_LEVEL, "1") == "0" or not hasattr(os, "fork"):
        yield
        return
    screen = os.dup(2)
    reader, writer = os.pipe()
    # A process of its own: what a thread has not written yet is lost in a crash.
    child = os.fork()
    if child == 0:
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            os.close(writer)
            _pass_on(reader, screen)
        finally:
            os._exit(0)
    os.close(reader)
    os.dup2(writer, 2)
    os.close(writer)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        _wait(child)


def _pass_on(reader: int, screen: int) -> None:
    """Copies all lines but notes, until the last writer has closed."""
    rest = b""
    while block := os.read(reader, 2**16):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            _write(screen, line + b"\n")
    _write(screen, rest)


def _write(screen: int, line: bytes) -> None:
    if not _NOISE.match(line):
        while line:
            line = line[os.write(screen, line) :]


def _wait(child: int) -> None:
    # Not for ever: another process may have inherited what the child reads from.
    deadline = time.monotonic() + _SECONDS_FOR_THE_REST
    while os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.005)
