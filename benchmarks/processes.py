"""Programs in processes that can be asked what they are doing, and killed."""

import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A dump of its stack on SIGUSR1 tells what a process is doing when it is killed. The
# stacks of other threads are left out, since these go on while they are read.
_LAUNCH = """
import faulthandler, runpy, signal, sys
trace = open(sys.argv.pop(1), "w")
faulthandler.register(signal.SIGUSR1, file=trace, all_threads=False)
print("ready", file=trace, flush=True)
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
# What a process is doing, by the functions on its stack: the first that is found.
ACTIVITIES = {
    "writing a checkpoint": ("checkpoints.py", "write"),
    "writing the scalars": ("scalars.py", "write"),
    "writing metrics.csv": ("runs.py", "_write_metrics"),
    "drawing the curves": ("plots.py", "plot_curves"),
    "saving the model": ("runs.py", "finish"),
    "restoring": ("runs.py", "restore"),
    "probing": ("probes.py", "_judge"),
    "evaluating": ("trainer.py", "evaluate"),
    "training": ("trainer.py", "fit"),
    "building the model": ("training.py", "train"),
    "exporting": ("saved_model.py", "export_workdir"),
}


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to kill a process.

    Args:
        activity: What it must be doing: one of `ACTIVITIES`, or `"starting"`.
        delay: Seconds to wait after that.
    """

    activity: str = "starting"
    delay: float = 0.0


@dataclasses.dataclass(frozen=True)
class Kill:
    """One kill: which it was, how it was chosen, and what it hit.

    Args:
        number: Its place among the kills of the program, from 1.
        program: The program that was killed.
        awaited: Activity that was waited for.
        delay: Seconds that were waited after that.
        seconds: Time since the process started.
        activity: What the process was doing.
        step: Step of the last checkpoint that it left.
    """

    number: int
    program: str
    awaited: str
    delay: float
    seconds: float
    activity: str
    step: int | None


class Process:
    """A program in a process group of its own.

    Args:
        module: Module of the program, run as by `python -m`.
        arguments: Its arguments.
        log: File that its output is appended to.
    """

    def __init__(self, module: str, arguments: Sequence[str], log: pathlib.Path):
        self._trace = log.with_suffix(".trace")
        self._trace.write_text("", encoding="utf-8")
        self.started = time.monotonic()
        with open(log, "a", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCH, str(self._trace), module, *arguments],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        """Whether it ended by itself."""
        return self._process.poll() is not None

    def wait(self, timeout: float = 600) -> int:
        """Exit code, once it has ended by itself."""
        return self._process.wait(timeout)

    def kill(self) -> None:
        """Kills its group, and waits until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def activity(self) -> str:
        """What it is doing, one of `ACTIVITIES` or `"starting"`."""
        before = self._trace.stat().st_size
        # Before it is ready, the signal would end it.
        if before == 0 or self.ended:
            return "starting"
        os.kill(self._process.pid, signal.SIGUSR1)
        deadline, text = time.monotonic() + 0.1, ""
        # The outermost frame is that of the launcher.
        while '"<string>"' not in text and time.monotonic() < deadline:
            text = self._trace.read_bytes()[before:].decode("utf-8", "replace")
        stack = re.findall(r'([\w.]+)", line \d+ in (\w+)', text)
        found = (name for name, at in ACTIVITIES.items() if at in stack)
        return next(found, "starting")


def kill_and_repeat(
    module: str,
    arguments: Sequence[str],
    moments: Iterable[Moment],
    log: pathlib.Path,
    reached: Callable[[], int | None] = lambda: None,
) -> list[Kill]:
    """Starts a program again and again, and kills it, until it ends by itself.

    Args:
        module: The program.
        arguments: Its arguments.
        moments: When to kill it. It is left alone when there are no more.
        log: File that its output is appended to.
        reached: Function that tells the step of the last checkpoint.

    Returns:
        The kills. A moment that does not come before the program ends is none.

    Raises:
        RuntimeError: If the program ends with an error.
    """
    kills: list[Kill] = []
    waiting = iter(moments)
    while True:
        process = Process(module, arguments, log)
        moment = next(waiting, None)
        activity = None if moment is None else _await(process, moment)
        if activity is not None:
            seconds = round(time.monotonic() - process.started, 2)
            process.kill()
            kills.append(
                Kill(
                    len(kills) + 1,
                    module,
                    moment.activity,
                    round(moment.delay, 2),
                    seconds,
                    activity,
                    reached(),
                )
            )
        elif code := process.wait():
            raise RuntimeError(
                f"{module} ended with {code}:\n{log.read_text()[-2000:]}"
            )
        else:
            return kills


def _await(process: Process, moment: Moment) -> str | None:
    """What a process is doing at a moment; `None` if it ended before."""
    while (activity := process.activity()) != moment.activity:
        if process.ended:
            return None
        time.sleep(0.002)
    deadline = time.monotonic() + moment.delay
    while time.monotonic() < deadline and not process.ended:
        time.sleep(0.01)
    if process.ended:
        return None
    return process.activity() if moment.delay else activity
