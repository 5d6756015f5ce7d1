"""Prints the progress of a run and the remaining time."""

import shutil
import sys
import time
from collections.abc import Callable

import keras

# Seconds between updates of a rewritten line, and between new lines.
_SECONDS_TO_REWRITE = 0.2
_SECONDS_TO_ADD = 15.0
# The first new line comes earlier, with the first estimate of the time.
_SECONDS_TO_THE_FIRST = 2.0


class Progress(keras.callbacks.Callback):
    """Prints progress: one line that is rewritten on a terminal, new lines elsewhere.

    The remaining time is that of the remaining steps and evaluations. The first call,
    which compiles, is not counted, nor is other work that is done once.

    List it last: the time of the other callbacks at the end of an epoch is that of the
    evaluation. Before the first one, the estimate is the time of the evaluation of the
    untrained model by the callbacks between `opening` and `measured`, which compile
    little.

    Args:
        steps: Steps of the whole run.
        eval_every: Steps of an epoch, after which the run is evaluated.
        now: Function that returns the time, in seconds.
    """

    # For `execution.plan`: it does not need to run within an epoch.
    steps_between_looks = None

    def __init__(
        self, steps: int, eval_every: int, now: Callable[[], float] = time.monotonic
    ):
        super().__init__()
        self.steps = steps
        self.eval_every = eval_every
        self.opening = _AtEpochBegin(self._open)
        self.measured = _AtEpochBegin(self._take_first)
        self.per_step: float | None = None
        self.per_evaluation: float | None = None
        self._now = now
        self._step = self._epoch_start = 0
        self._counted = 0
        self._seconds = 0.0
        self._compiled = False
        self._mark = self._started = self._said = now()
        self._moved = False
        self._shown = 0

    def say(self, line: str) -> None:
        """Prints a permanent line.

        Args:
            line: The line.
        """
        self.clear()
        print(line, flush=True)
        self._said = self._now()

    def clear(self) -> None:
        """Removes the rewritten line, if there is one."""
        if self._shown:
            print(f"\r{' ' * self._shown}\r", end="", flush=True)
            self._shown = 0

    @property
    def left(self) -> float | None:
        """Remaining seconds, or `None` while unknown."""
        steps = self.steps - self._step
        if not steps:
            return 0.0
        if self.per_step is None:
            return None
        evaluations = -(-steps // self.eval_every)
        return steps * self.per_step + evaluations * (self.per_evaluation or 0.0)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began or was resumed."""
        return self._now() - self._started

    def on_train_begin(self, logs=None):
        self._started = self._now()

    def on_epoch_begin(self, epoch, logs=None):
        now = self._now()
        self._step = self._epoch_start = epoch * self.eval_every
        self._mark = now
        if not self._compiled and sys.stdout.isatty():
            self._rewrite(f"{self._place()}  compiling", now)

    def on_train_batch_end(self, batch, logs=None):
        now, step = self._now(), self._epoch_start + batch + 1
        if self._compiled:
            self._seconds += now - self._mark
            self._counted += step - self._step
            self.per_step = self._seconds / self._counted
        self._compiled = True
        self._step, self._mark = step, now
        self._move(now)

    def on_epoch_end(self, epoch, logs=None):
        self._step = (epoch + 1) * self.eval_every
        self.per_evaluation = self._now() - self._mark
        left = self.left
        about = "" if left is None else f", about {duration(left)} to go"
        about = about if self._step < self.steps else " in all"
        self.say(f"  {duration(self.elapsed)}{about}")

    def on_train_end(self, logs=None):
        self.clear()

    def _open(self) -> None:
        self._mark = self._now()

    def _take_first(self) -> None:
        if self.per_evaluation is None:
            self.per_evaluation = self._now() - self._mark

    def _move(self, now: float) -> None:
        terminal = sys.stdout.isatty()
        wait = _SECONDS_TO_REWRITE if terminal else _SECONDS_TO_ADD
        if not self._moved and not terminal:
            wait = _SECONDS_TO_THE_FIRST
        evaluates = terminal and self._step % self.eval_every == 0
        if (now - self._said < wait or self.left is None) and not evaluates:
            return
        self._moved = True
        line = self._place()
        if self.per_step:
            line += f"  {1 / self.per_step:,.0f} steps/s"
        if evaluates:
            line += "  evaluating"
        elif self.left is not None:
            line += f"  about {duration(self.left)} to go"
        if terminal:
            self._rewrite(line, now)
        else:
            self.say(line)

    def _place(self) -> str:
        return f"  step {self._step:>{len(str(self.steps))}}/{self.steps}"

    def _rewrite(self, line: str, now: float) -> None:
        line = line[: shutil.get_terminal_size().columns - 1]
        print(f"\r{line:<{self._shown}}", end="", flush=True)
        self._said, self._shown = now, len(line)


class _AtEpochBegin(keras.callbacks.Callback):
    """Calls a function at its place among the callbacks, when an epoch begins."""

    def __init__(self, call):
        super().__init__()
        self.call = call

    def on_epoch_begin(self, epoch, logs=None):
        self.call()


def duration(seconds: float) -> str:
    """A short text for a time.

    Args:
        seconds: The time.

    Example:
    >>> duration(42.3), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
