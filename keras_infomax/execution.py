"""How `fit` runs the steps of a model: how many in one call, and compiled by what.

This is the one place that decides. Each step is the model's `train_step`, however many
run in a call, on one device or on several; see `choose` for the rule.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from keras_infomax import fusion

# Python's share of a step is small by then, and a progress bar still moves.
_MOST_STEPS = 32
# A shorter training ends before several steps in a call have paid for their tracing,
_FEWEST_TO_GROUP = 100
# and before XLA has paid for compiling: half a second, for a millisecond a step.
_FEWEST_TO_FUSE = 500


@dataclasses.dataclass(frozen=True)
class Execution:
    """How training steps run.

    Args:
        steps: Steps in one call.
        fused: Whether XLA compiles them into one program.
    """

    steps: int = 1
    fused: bool = False


@dataclasses.dataclass(frozen=True)
class Length:
    """How long a run is, as far as that is known before its first step.

    Args:
        epochs: Number of epochs that are left.
        steps: Number of steps in an epoch, or `None` if nobody knows.
        ends_with_data: Whether an epoch is all of the data, and not a part of it.
        taken: Number of steps that the model has taken before.
    """

    epochs: int
    steps: int | None
    ends_with_data: bool
    taken: int = 0

    @property
    def total(self) -> int:
        """Steps that the model will have taken in the end."""
        return self.taken + self.epochs * self.steps if self.steps else 0


def length(
    x: Any,
    batch_size: int | None,
    epochs: int,
    steps_per_epoch: int | None,
    taken: int = 0,
) -> Length:
    """The length of the run that `fit` makes of these arguments.

    Args:
        x: Data.
        batch_size: Rows in a batch of arrays, or `None`.
        epochs: Number of epochs that are left.
        steps_per_epoch: Number of steps in each, or `None` for all of the data.
        taken: Number of steps that the model has taken before.

    Returns:
        The length.
    """
    return Length(
        epochs,
        _steps_of_all(x, batch_size) if steps_per_epoch is None else steps_per_epoch,
        ends_with_data=steps_per_epoch is None,
        taken=taken,
    )


def _steps_of_all(x, batch_size):
    if hasattr(x, "cardinality"):
        # A method, but a number where a strategy has distributed the data.
        known = int(x.cardinality() if callable(x.cardinality) else x.cardinality)
        return known if known > 0 else None
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches
    sized = [part for part in keras.tree.flatten(x) if hasattr(part, "shape")]
    return -(-sized[0].shape[0] // (batch_size or 32)) if sized else None


def checked_steps(steps: int | str) -> int | str:
    """A number of steps in a call, or `"auto"`.

    Raises:
        ValueError: If it is neither.
    """
    if steps != "auto" and (
        isinstance(steps, bool) or not isinstance(steps, int) or steps < 1
    ):
        raise ValueError(
            "steps_per_execution must be a positive number of steps, or 'auto'; "
            f"received {steps!r}."
        )
    return steps


def choose(
    model: keras.Model,
    length: Length,
    callbacks: Iterable[keras.callbacks.Callback],
    steps_per_execution: int | str = "auto",
    jit_compile: bool | str = "auto",
) -> Execution:
    """Chooses how a model's steps run, from all that is known before the first.

    Several steps run in one call where the run is long, and nothing looks at the model
    after each: at most 32, and so many that an epoch, and whatever a callback does
    every so many steps, begins between two calls. XLA compiles them into one program
    where the run is longer, under no strategy, and the model has only layers that gain
    by it; the batches of a stream then come stacked, see `fusion.blocks`. The choice
    depends on the steps that the model will have taken in the end, not on where the run
    starts, so a resumed run is executed as an uninterrupted one.

    Args:
        model: Compiled Keras model.
        length: Length of the run.
        callbacks: Those of the run.
        steps_per_execution: Number of steps in a call, or `"auto"`.
        jit_compile: Whether XLA compiles, or `"auto"`.

    Returns:
        The choice.
    """
    if steps_per_execution != "auto":
        steps = int(steps_per_execution)
    elif length.total < _FEWEST_TO_GROUP or model.run_eagerly:
        steps = 1
    else:
        steps = _steps_between_looks(length, callbacks)
    # Compiled one by one, steps gain nothing; and XLA cannot compile across devices,
    # nor read the variables of a strategy, even of one with a single replica.
    several = steps > 1 and not is_distributed(model)
    fused = (
        model.jit_compile
        if jit_compile != "auto" or model.jit_compile
        else length.total >= _FEWEST_TO_FUSE and fusion.gains(model)
    )
    return Execution(steps, several and fused)


def is_distributed(model: keras.Model) -> bool:
    """Whether a model was made under a strategy, be it of a single replica."""
    with model.distribute_strategy.scope():
        return tf.distribute.has_strategy()


def _steps_between_looks(length, callbacks):
    callbacks = getattr(callbacks, "callbacks", callbacks)
    intervals = [interval for c in callbacks if (interval := _interval(c))]
    if not length.ends_with_data:
        intervals.append(length.steps)
    most = min(_MOST_STEPS, length.steps)
    between = math.gcd(*intervals)  # Zero if there are none, which all numbers divide.
    return next(n for n in range(most, 0, -1) if between % n == 0)


def _interval(callback: keras.callbacks.Callback) -> int | None:
    """Steps after which a callback looks at a run, `None` if it waits for an epoch."""
    if hasattr(callback, "steps_between_looks"):
        return callback.steps_between_looks
    if getattr(callback, "save_freq", None) == "epoch":
        return None  # `keras.callbacks.ModelCheckpoint`, which then skips batches.
    if isinstance(callback, keras.callbacks.ProgbarLogger):
        return None
    base = keras.callbacks.Callback
    kinds = ("batch_begin", "batch_end", "train_batch_begin", "train_batch_end")
    watches = any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(base, hook)
        for hook in (f"on_{kind}" for kind in kinds)
    )
    return 1 if watches else None
