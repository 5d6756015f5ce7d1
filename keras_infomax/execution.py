"""How `fit` runs the steps of a model: how many in one call, and compiled by what.

This is the one place that decides. Each step is the model's `train_step`, however many
run in a call, on one device or on several; see `choose` for the rule.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from keras_infomax import critics, terms

# Python's share of a step is small by then, and a progress bar still moves.
_MOST_STEPS = 32
# A shorter training ends before several steps in a call have paid for their tracing,
_FEWEST_TO_GROUP = 100
# and before XLA has paid for compiling: half a second, for a millisecond a step.
_FEWEST_TO_FUSE = 500
# Batches of one call are in memory together, twice; so many bytes of them, and no more.
_MOST_BYTES = 2**27

# Layers that XLA compiles for processors into code faster than TensorFlow's own.
# Convolutions and recurrences are not among them, nobody knows a user's layers, and
# dropout would draw other numbers than it does without XLA.
_FUSED_LAYERS = (
    keras.layers.InputLayer,
    keras.layers.Dense,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Rescaling,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.Identity,
    keras.layers.LayerNormalization,
    keras.layers.BatchNormalization,
)
_FUSED_CRITICS = (
    critics.InnerProductCritic,
    critics.BilinearCritic,
    critics.CosineCritic,
    critics.DistanceCritic,
    critics.SeparableCritic,
    critics.MLPCritic,
)


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
    by it. The choice depends on the steps that the model will have taken in the end,
    not on where the run starts, so a resumed run is executed as an uninterrupted one.

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
        else length.total >= _FEWEST_TO_FUSE and _gains_by_fusion(model)
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


def _gains_by_fusion(model: keras.Model) -> bool:
    """Whether all parts of a model are known to run faster when XLA compiles them."""
    if model.run_eagerly:
        return False
    if has_chunks(model, model.loss):
        return False
    layers = list(model._flatten_layers(include_self=False))
    known = (*_FUSED_LAYERS, *_FUSED_CRITICS, terms.Term)
    if not all(type(layer) in known or _is_graph_of_keras(layer) for layer in layers):
        return False
    return all(_is_ours_or_of_keras(part) for part in _functions_of(model, layers))


def _is_graph_of_keras(layer):
    # A chain or graph of layers, and no more than these.
    return isinstance(layer, keras.Model) and type(layer).__module__.startswith(
        "keras."
    )


def _functions_of(model, layers):
    """What a step calls besides layers: where it is a user's, XLA may not know it."""
    metrics = model._compile_metrics
    yield from (model.optimizer, model.loss)
    if metrics is not None:
        yield from keras.tree.flatten(metrics._user_metrics)
        yield from keras.tree.flatten(metrics._user_weighted_metrics)
    for layer in layers:
        for role in ("activation", "kernel_regularizer", "bias_regularizer"):
            yield getattr(layer, role, None)


def _is_ours_or_of_keras(part):
    if part is None or isinstance(part, str):
        return True
    where = getattr(part, "__module__", None) or type(part).__module__
    return where.startswith(("keras.", "keras_infomax."))


def has_chunks(model: keras.Model, loss: Any) -> bool:
    """Whether a part of a model, or its loss, loops over chunks of rows.

    XLA, which wants fixed shapes, cannot compile such loops.
    """
    parts = (*model._flatten_layers(include_self=False), loss)
    # A loss that holds an estimate of another one is chunked as that one is.
    parts = (*parts, getattr(loss, "bound", None))
    sizes = [getattr(part, "chunk_size", None) for part in parts]
    sizes.append(getattr(model, "encoder_chunk_size", None))
    return any(size is not None for size in sizes)


def fused_function(model: keras.Model, step: Callable[[Any], Any]) -> Any:
    """Compiles the steps of one call into one XLA program.

    Args:
        model: Compiled Keras model; reads `steps_per_execution`.
        step: Function of a batch.

    Returns:
        Function of a data iterator that runs `steps_per_execution` steps, fewer at the
        end of the data, and returns the results of the last one. Where batches differ
        in shape, as the last one of an epoch may, each is run by itself, and so it is
        where all of a call would need much memory.
    """
    steps = model.steps_per_execution

    @tf.function(jit_compile=True, reduce_retracing=True, autograph=False)
    def run(batches):
        def body(index):
            step(tf.nest.map_structure(lambda of: of[index], batches))
            return (index + 1,)

        tf.while_loop(
            lambda index: index < tf.shape(tf.nest.flatten(batches)[0])[0], body, (0,)
        )

    # Apart from the steps, lest what seldom runs is compiled with them.
    @tf.function(autograph=False)
    def fetch(first, iterator):
        found = [first, *(iterator.get_next_as_optional() for _ in range(steps - 1))]
        return found, _together(found)

    def one_by_one(optionals):
        for optional in optionals:
            if optional.has_value():
                run(tf.nest.map_structure(lambda of: of[None], optional.get_value()))

    def function(iterator):
        first = iterator.get_next_as_optional()
        if not first.has_value():
            raise StopIteration
        if steps * _bytes(first.get_value()) > _MOST_BYTES:
            one_by_one([first])
            one_by_one(iterator.get_next_as_optional() for _ in range(steps - 1))
        else:
            found, together = fetch(first, iterator)
            if together.has_value():
                run(together.get_value())
            else:
                one_by_one(found)
        return model.get_metrics_result()

    return function


def _together(found):
    """Optional with all batches stacked; empty if one is missing or unlike the rest."""

    def batches():
        return [optional.get_value() for optional in found]

    def are_alike():
        shapes = [
            tf.concat([tf.shape(part) for part in tf.nest.flatten(batch)], axis=0)
            for batch in batches()
        ]
        return tf.reduce_all(tf.equal(shapes, shapes[0]))

    def stacked():
        return tf.experimental.Optional.from_value(
            tf.nest.map_structure(lambda *of: tf.stack(of), *batches())
        )

    def nothing():
        return tf.experimental.Optional.empty(
            tf.nest.map_structure(
                lambda of: tf.TensorSpec([len(found), *of.shape], of.dtype),
                found[0].element_spec,
            )
        )

    # Each is there only if those before it are.
    alike = tf.cond(found[-1].has_value(), are_alike, lambda: False)
    return tf.cond(alike, stacked, nothing)


def _bytes(batch):
    return sum(
        part.dtype.size * part.shape.num_elements() for part in tf.nest.flatten(batch)
    )
