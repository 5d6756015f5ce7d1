"""Plans how `fit` runs the steps of a model: how many in one call, and compiled how.

Only this module decides. Each step is the model's `train_step`, however many run in a
call and on however many devices. `choose` has the rule.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import keras

from keras_infomax import checks, private
from keras_infomax.execution import fusion
from keras_infomax.lazy_tensorflow import tf

# Enough steps to hide Python's overhead; few enough for a moving progress bar.
_MOST_STEPS = 32
# In a shorter run, tracing several steps in a call costs more than it saves.
_FEWEST_TO_GROUP = 100
# Compilation by XLA takes half a second and saves a millisecond per step.
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
class Run:
    """State of one call of `fit`, `evaluate` and so on, while it lasts.

    Args:
        execution: How its steps run.
        blocks: `fusion.Blocks` that replace the batches, or `None`.
    """

    execution: Execution = Execution()
    blocks: fusion.Blocks | None = None


def as_asked(asked: Mapping[str, Any]) -> Run:
    """A run with the options of `compile`; `"auto"` means one step in a call.

    Args:
        asked: Options of `compile`, by argument.
    """
    steps = asked["steps_per_execution"]
    return Run(Execution(1 if steps == "auto" else steps))


@dataclasses.dataclass(frozen=True)
class Length:
    """Length of a run, as far as it is known before the first step.

    Args:
        epochs: Number of remaining epochs.
        steps: Number of steps in an epoch, or `None` if unknown.
        ends_with_data: Whether an epoch is a whole pass over the data.
        taken: Number of steps that the model has taken before.
    """

    epochs: int
    steps: int | None
    ends_with_data: bool
    taken: int = 0

    @property
    def total(self) -> int:
        """Number of steps that the model will have taken at the end of the run."""
        return self.taken + self.epochs * self.steps if self.steps else 0


def length(
    x: Any,
    batch_size: int | None,
    epochs: int,
    steps_per_epoch: int | None,
    taken: int = 0,
    initial_epoch: int = 0,
) -> Length:
    """Length of the run for these arguments of `fit`.

    Args:
        x: Data.
        batch_size: Rows in a batch of arrays, or `None`.
        epochs: Number of the last epoch, counted from 1.
        steps_per_epoch: Number of steps in each, or `None` for all of the data.
        taken: Number of steps that the model has taken before; see `steps_taken`.
        initial_epoch: Number of epochs that earlier parts of the run have finished.

    Returns:
        The length.
    """
    steps_per_epoch = _capped(steps_per_epoch)
    steps = _steps_of_all(x, batch_size) if steps_per_epoch is None else steps_per_epoch
    return Length(
        epochs - initial_epoch,
        steps,
        ends_with_data=steps_per_epoch is None,
        # Loss scaling does not count the steps that it skips.
        taken=max(taken, initial_epoch * (steps or 0)),
    )


def iterations(optimizer: keras.optimizers.Optimizer) -> keras.Variable:
    """The variable that counts updates.

    In Keras 3.8 an optimizer that scales losses has one of its own, which stays 0.
    """
    return getattr(optimizer, "inner_optimizer", optimizer).iterations


def steps_taken(optimizer: keras.optimizers.Optimizer) -> int:
    """Number of batches that an optimizer has seen, even if it accumulates gradients.

    `iterations` counts updates: a quarter of the batches with
    `gradient_accumulation_steps=4`.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    # The property divides by the accumulated steps; the variable does not.
    iterations = next(v for v in optimizer.variables if v.name == "iteration")
    # Not int(iterations): a strategy's mirrored variable does not convert.
    return int(iterations.numpy())


def _capped(steps):
    """Steps of an epoch or evaluation, limited as Keras limits them."""
    # Since Keras 3.10.
    limit = getattr(keras.config, "max_steps_per_epoch", None)
    most = limit() if limit else None
    return min(steps or most, most) if most else steps


def _steps_of_all(x, batch_size):
    if hasattr(x, "cardinality"):
        # A method; a number if a strategy has distributed the data.
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
    if isinstance(steps, str) and steps == "auto":
        return steps
    advice = "'auto' lets each run choose."
    return checks.positive_integer("steps_per_execution", steps, 8, advice)


def choose(
    model: keras.Model,
    length: Length,
    callbacks: Iterable[keras.callbacks.Callback],
    steps_per_execution: int | str = "auto",
    jit_compile: bool | str = "auto",
) -> Execution:
    """Chooses how a model's steps run, before the first step.

    Several steps run in one call, at most 32, if the run is long and no callback needs
    the model after each step. Their number divides the epoch and the intervals of the
    callbacks, so that these end between two calls. XLA compiles the steps into one
    program if the run is longer, no strategy is used, and all layers of the model gain
    by XLA. The batches of a stream then come stacked; see `fusion.blocks`. The choice
    depends on the total number of steps, not on the first step of the run, so a resumed
    run is executed like an uninterrupted one.

    Args:
        model: Compiled Keras model.
        length: Length of the run.
        callbacks: Callbacks of the run.
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
    # A single step gains nothing from XLA. XLA cannot compile across devices, nor read
    # the variables of a strategy, even with a single replica.
    fused = steps > 1 and not is_distributed(model) and can_fuse(model, jit_compile)
    if jit_compile == "auto" and not model.jit_compile:
        fused = fused and length.total >= _FEWEST_TO_FUSE
    return Execution(steps, fused)


def can_fuse(model: keras.Model, jit_compile: bool | str) -> bool:
    """Whether XLA may compile the steps of a call into one program.

    Args:
        model: Compiled Keras model.
        jit_compile: Option of `compile`, or `"auto"`.
    """
    if jit_compile != "auto" or model.jit_compile:
        return bool(model.jit_compile)
    return fusion.gains(model)


def is_distributed(model: keras.Model) -> bool:
    """Whether a model was made under a strategy, even one with a single replica."""
    with model.distribute_strategy.scope():
        return tf.distribute.has_strategy()


def of_evaluation(
    most: int,
    steps: int | None,
    callbacks: Any,
    steps_per_execution: int | str = "auto",
) -> Execution:
    """Chooses how the steps of an evaluation run.

    Args:
        most: Largest number of steps in a call: that of the surrounding run.
        steps: Number of steps, or `None` for all of the data.
        callbacks: Callbacks of the evaluation.
        steps_per_execution: Number of steps in a call, or `"auto"`.

    Returns:
        The choice: one step in a call if a callback needs each step.
    """
    if steps_per_execution != "auto":
        return Execution(int(steps_per_execution))
    if any(_active_hooks(callback, "test") for callback in _each(callbacks)):
        return Execution()
    return Execution(_largest_divisor(_capped(steps) or 0, most))


def _steps_between_looks(length, callbacks):
    intervals = [n for callback in _each(callbacks) if (n := _interval(callback))]
    if not length.ends_with_data:
        intervals.append(length.steps)
    # Zero without callbacks.
    return _largest_divisor(math.gcd(*intervals), min(_MOST_STEPS, length.steps))


def _largest_divisor(number, most):
    """The largest divisor up to `most`; `most` for zero, which all numbers divide."""
    return next(n for n in range(most, 0, -1) if number % n == 0)


def _each(callbacks):
    """All callbacks in nested lists, and the `CallbackList`s themselves."""
    for callback in keras.tree.flatten(callbacks or ()):
        yield callback
        yield from _each(getattr(callback, "callbacks", ()))


def _interval(callback: keras.callbacks.Callback) -> int | None:
    """Number of steps between two looks of a callback; `None` for each epoch."""
    hooks = _active_hooks(callback, "train")
    told = _place(callback, "steps_between_looks")
    # The claim of a class about its hooks does not hold for the hooks of a subclass.
    if told < math.inf and all(told <= _place(callback, hook) for hook in hooks):
        return callback.steps_between_looks
    return 1 if hooks else None


def _place(callback, name):
    """Where an attribute is defined: 0 for the object, then its classes in order."""
    owners = (callback, *type(callback).__mro__)
    found = (place for place, owner in enumerate(owners) if name in vars(owner))
    return next(found, math.inf)


_HOOKS = {
    "train": (
        "on_batch_begin",
        "on_batch_end",
        "on_train_batch_begin",
        "on_train_batch_end",
    ),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
}


def _active_hooks(callback, kind):
    return [
        hook for hook in _HOOKS[kind] if not private.ignores_batches(callback, hook)
    ]
