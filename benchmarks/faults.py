"""Kills a training run again and again, and compares it with one left in peace.

python -m benchmarks.faults --workdir=runs/faults --output=docs/faults.csv

Real processes of `trainers.train` and `export.saved_model` get SIGKILL at random
moments, and at moments that are named: while a checkpoint is written, in the probe,
while the model is saved or exported. Each is repeated until it ends. Then weights,
optimizer state, metrics, TensorBoard scalars and the export must be those of a run
that nobody touched, to the last bit. The table has one row a kill.
"""

import contextlib
import csv
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence

import h5py
import numpy as np
import tensorflow as tf
from absl import app, flags
from tensorboard.backend.event_processing import event_file_loader

from keras_infomax import files

_WORKDIR = flags.DEFINE_string("workdir", "runs/faults", "Folder of both runs.")
_OUTPUT = flags.DEFINE_string("output", "docs/faults.csv", "Table to write.")
_KILLS = flags.DEFINE_integer("kills", 50, "Number of kills.")
_EVALUATIONS = flags.DEFINE_integer("evaluations", 120, "Evaluations of the run.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the moments.")

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A dump of all stacks on SIGUSR1 tells what a process is doing when it is killed.
_LAUNCH = """
import faulthandler, runpy, signal, sys
trace = open(sys.argv.pop(1), "w")
faulthandler.register(signal.SIGUSR1, file=trace)
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
class Kill:
    """One kill: which it was, how it was chosen, and what it hit.

    Args:
        number: Its place among the kills of the run, from 1.
        program: The program that was killed.
        moment: How the moment was chosen.
        seconds: Time since the process started.
        activity: What the process was doing.
        step: Step of the last checkpoint that it left.
    """

    number: int
    program: str
    moment: str
    seconds: float
    activity: str
    step: int | None


class Process:
    """A program in a process group of its own, which can be asked and killed.

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
        if before == 0 or self.ended:
            return "starting"
        os.kill(self._process.pid, signal.SIGUSR1)
        deadline = time.monotonic() + 0.05
        while time.monotonic() < deadline:
            if self._trace.stat().st_size > before:
                break
        text = self._trace.read_bytes()[before:].decode("utf-8", "replace")
        stack = re.findall(r'([\w.]+)", line \d+ in (\w+)', text)
        found = (name for name, at in ACTIVITIES.items() if at in stack)
        return next(found, "starting")
