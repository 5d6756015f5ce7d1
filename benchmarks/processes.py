"""Programs in processes that can be asked what they are doing, and killed."""

import contextlib
import dataclasses
import gc
import os
import pathlib
import resource
import runpy
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What a process is doing, by the functions on its stack: the first that is found.
ACTIVITIES = {
    "writing a checkpoint": ("checkpoints.py", "write"),
    "writing the scalars": ("scalars.py", "write"),
    "writing metrics.csv": ("runs.py", "_write_metrics"),
    "drawing the curves": ("curves.py", "plot_curves"),
    "saving the model": ("runs.py", "finish"),
    "restoring": ("runs.py", "restore"),
    "probing": ("probes.py", "_judge"),
    "evaluating": ("trainer.py", "evaluate"),
    "training": ("trainer.py", "fit"),
    "building the model": ("recipe.py", "train"),
    "exporting": ("workdirs.py", "export_workdir"),
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
        watched: Whether it must be able to tell its `activity`.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        log: pathlib.Path,
        watched: bool = False,
    ):
        self._trace = log.with_suffix(".trace")
        self._trace.write_text("", encoding="utf-8")
        watcher = ["benchmarks.processes", str(self._trace)] if watched else []
        self.started = time.monotonic()
        with open(log, "a", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *watcher, module, *arguments],
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
        """Exit code, once it has ended by itself; it is killed if it does not."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def limit(self, limited: int, value: int) -> None:
        """Sets a limit of `resource`, as one that the process starts to feel now."""
        resource.prlimit(self._process.pid, limited, (value, value))

    def kill(self) -> None:
        """Kills its group, and waits until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def activity(self) -> str:
        """What it is doing, one of `ACTIVITIES` or `"starting"`."""
        return self._trace.read_text(encoding="utf-8").strip() or "starting"


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
        moment = next(waiting, None)
        process = Process(module, arguments, log, watched=moment is not None)
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


def _launch(trace: str, module: str, *arguments: str) -> None:
    """Runs a program as `python -m` does, with a thread that tells what it is doing."""
    descriptor = os.open(trace, os.O_WRONLY)
    main_thread = threading.get_ident()

    def watch() -> None:
        while True:
            # Garbage collected within the call would stop all threads for ever.
            gc.disable()
            frame = sys._current_frames().get(main_thread)
            gc.enable()
            doing, frame = _activity(frame), None
            # In one piece, lest a reader sees half of it.
            os.pwrite(descriptor, f"{doing:<40}".encode(), 0)
            time.sleep(0.005)

    threading.Thread(target=watch, daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _activity(frame: types.FrameType | None) -> str:
    stack = set()
    while frame is not None:
        code = frame.f_code
        stack.add((os.path.basename(code.co_filename), code.co_name))
        frame = frame.f_back
    return next((name for name, at in ACTIVITIES.items() if at in stack), "starting")


if __name__ == "__main__":
    _launch(*sys.argv[1:])
