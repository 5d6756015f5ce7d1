"""Compiles the steps of one call into one XLA program, for models that gain by it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras

from keras_infomax import private, protocols
from keras_infomax.lazy_tensorflow import tf

# Steps in one program. More are no faster, and take longer to trace.
_MOST_STEPS = 32
# Largest size in bytes of the batches of one program, which are in memory together.
_MOST_BYTES = 2**25

# Layers that run faster on CPUs when XLA compiles them. Convolutions and recurrent
# layers do not. User layers are unknown, and dropout draws other numbers under XLA.
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


def gains(model: keras.Model) -> bool:
    """Whether all parts of a model are known to run faster when XLA compiles them.

    The list above holds such layers of Keras. Any other layer sets `gains_by_xla =
    True` in the body of its own class. Subclasses do not inherit the claim.

    Args:
        model: Compiled Keras model; reads `compiled_metrics_given`, the metrics that
            `compile` was given.
    """
    if model.run_eagerly or has_chunks(model, model.loss, model.compiled_metrics_given):
        return False
    layers = private.layers(model, include_self=False)
    if not all(_gains(layer) or _is_graph_of_keras(layer) for layer in layers):
        return False
    return all(_is_ours_or_of_keras(part) for part in _functions_of(model, layers))


def _gains(layer):
    # Read from the class itself: a subclass may compute something else.
    own = vars(type(layer)).get("gains_by_xla", False)
    return own is True or type(layer) in _FUSED_LAYERS


def _is_graph_of_keras(layer):
    # Only plain sequential and functional models.
    return isinstance(layer, keras.Model) and type(layer).__module__.startswith(
        "keras."
    )


def _functions_of(model, layers):
    """Functions that a step calls besides layers; XLA may be slow with a user's own.

    These are the optimizer, the loss, the metrics, and the functions that they and the
    layers hold: activations, regularizers, constraints, masks, learning rates.
    """
    parts = [
        model.optimizer,
        getattr(model.optimizer, "inner_optimizer", None),
        model.loss,
        *_metrics(model),
    ]
    yield from parts
    for owner in (*parts, *layers):
        for name, held in getattr(owner, "__dict__", {}).items():
            # Keras wraps methods, such as build, and stores the wrappers on the object.
            is_method = hasattr(type(owner), name)
            if callable(held) and not (is_method or isinstance(held, keras.Layer)):
                yield held


def _metrics(model):
    """Metrics that a model was compiled with; for those that wrap a loss, the loss."""
    return _losses_of(model.compiled_metrics_given)


def _losses_of(metrics):
    return [getattr(metric, "loss", metric) for metric in keras.tree.flatten(metrics)]


def _is_ours_or_of_keras(part):
    if part is None or isinstance(part, str):
        return True
    where = getattr(part, "__module__", None) or type(part).__module__
    return where.startswith(("keras.", "keras_infomax."))


def has_chunks(model: keras.Model, loss: Any, metrics: Any) -> bool:
    """Whether a part of a model, its loss or a metric loops over chunks of rows.

    XLA needs fixed shapes. It cannot compile such loops, or computes a smaller last
    chunk from the wrong rows.

    Args:
        model: Keras model.
        loss: Loss that it is compiled with.
        metrics: Structure of the metrics that it is compiled with.
    """
    losses = [loss, *_losses_of(metrics)]
    # A loss that wraps another one is chunked if that one is.
    losses += [getattr(each, "bound", None) for each in losses]
    parts = (*private.layers(model, include_self=False), *losses)
    sizes = [getattr(part, "chunk_size", None) for part in parts]
    sizes.append(getattr(model, "encoder_chunk_size", None))
    return any(size is not None for size in sizes)


class Stacked:
    """Stacked batches of a stream, for one call.

    Args:
        blocks: Iterator over blocks.
        size: Number of batches in each but the last.
        count: Number of blocks.
    """

    def __init__(self, blocks: Iterator[Any], size: int, count: int):
        self._blocks, self._size, self._count = blocks, size, count

    def __iter__(self) -> Iterator[Any]:
        """Stacked batches: a full block at once, or one batch at a time."""
        for block in itertools.islice(self._blocks, self._count):
            rows = tf.nest.flatten(block)[0].shape[0]
            # XLA would compile a smaller block once more for its size.
            step = self._size if rows == self._size else 1
            for index in range(0, rows, step):
                yield tf.nest.map_structure(
                    lambda of, i=index, n=step: of[i : i + n], block
                )

    def batches(self) -> Iterator[Any]:
        """One batch after another."""
        for block in self:
            for index in range(tf.nest.flatten(block)[0].shape[0]):
                yield tf.nest.map_structure(lambda of, i=index: of[i], block)


class Blocks:
    """Batches of a stream that come stacked, so that no step waits for data.

    They replace the batches that Keras iterates over one by one, and start again when
    Keras does.

    Args:
        dataset: Dataset of blocks; see `datasets.BatchStream`.
        size: Number of batches in each but the last.
        count: Number of blocks in one call.
    """

    def __init__(self, dataset: tf.data.Dataset, size: int, count: int):
        self._dataset, self._size, self._count = dataset, size, count
        self._batches: Any = None
        self._blocks: Any = None

    def of_call(self, batches: Any) -> Stacked:
        """Stacked batches for the next call.

        Args:
            batches: Keras's iterator over the batches. Only its identity is used.
        """
        if batches is not self._batches:
            self._batches, self._blocks = batches, iter(self._dataset)
        return Stacked(self._blocks, self._size, self._count)


def blocks(dataset: Any, steps: int) -> Blocks | None:
    """Blocks of a dataset's batches, for calls of `steps` steps.

    Args:
        dataset: Data that `fit` received.
        steps: Steps in a call.

    Returns:
        Blocks; `None` if the dataset cannot make them, or if its batches are so large
        that a block would hold only one.
    """
    gives_blocks = isinstance(dataset, protocols.ComesInBlocks)
    if not gives_blocks:
        return None
    most = min(_MOST_STEPS, _MOST_BYTES // max(1, _bytes(dataset.element_spec)))
    size = next(n for n in range(max(1, most), 0, -1) if steps % n == 0)
    if size == 1:
        return None
    return Blocks(dataset.in_blocks(size), size, steps // size)


def fused_function(model: keras.Model, step: Callable[[Any], Any]) -> Any:
    """Compiles the steps of one call into one XLA program.

    Args:
        model: Compiled Keras model; reads `steps_per_execution`.
        step: Function of a batch.

    Returns:
        Function of a data iterator or of `Stacked` batches. It runs
        `steps_per_execution` steps, fewer at the end of the data, and returns the
        results of the last one. The program runs several times if there are many steps
        or the batches are large. Batches of different shapes, such as a smaller last
        batch, run one by one.
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

    # Separate from the steps, so that rarely used code is not compiled with them.
    @tf.function(autograph=False)
    def fetch(first, iterator, count):
        found = [first, *(iterator.get_next_as_optional() for _ in range(count - 1))]
        return found, _together(found)

    def fetched(iterator):
        left = steps
        while left and (first := iterator.get_next_as_optional()).has_value():
            fitting = _MOST_BYTES // max(1, _bytes(first.get_value()))
            count = min(left, _MOST_STEPS, max(1, fitting))
            found, together = fetch(first, iterator, count)
            if together.has_value():
                yield together.get_value()
            else:
                for optional in found:
                    if optional.has_value():
                        batch = optional.get_value()
                        yield tf.nest.map_structure(lambda of: of[None], batch)
            left -= count

    def function(data):
        found = False
        for batches in data if isinstance(data, Stacked) else fetched(data):
            run(batches)
            found = True
        if not found:
            raise StopIteration
        return model.get_metrics_result()

    return function


def waiting_for_data(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A step that runs nothing before its data have arrived.

    When data of unknown length end, TensorFlow would still run all operations that need
    no data. The optimizer would count one step too many, and a mean one batch too many.
    """

    def after_data(data):
        parts = tf.nest.flatten(data, expand_composites=True)
        with tf.control_dependencies([part for part in parts if tf.is_tensor(part)]):
            return step(data)

    return after_data


def keras_function(model: keras.Model, kind: str, step: Callable[[Any], Any]) -> Any:
    """Compiles a step as Keras's own `fit` and `evaluate` do.

    Args:
        model: Compiled Keras model.
        kind: `"train"` or `"test"`, the method of Keras that takes the step.
        step: Function of a batch, which replaces the model's own step.

    Returns:
        Function of a data iterator that runs `steps_per_execution` steps.
    """
    step_name, function_name = f"{kind}_step", f"{kind}_function"
    outer = getattr(model, function_name)
    # A user may have assigned a step here. Keras would track the result of setattr.
    own = {k: v for k, v in vars(model).items() if k == step_name}
    vars(model)[step_name] = step
    try:
        getattr(keras.Model, f"make_{function_name}")(model, force=True)
        return getattr(model, function_name)
    finally:
        del vars(model)[step_name]
        vars(model).update(own)
        setattr(model, function_name, outer)


def unfused_function(model: keras.Model, step: Callable[[Any], Any]) -> Any:
    """As `fused_function`, but compiled by Keras, which takes one batch at a time."""
    of_iterator = keras_function(model, "train", waiting_for_data(step))

    def function(data):
        if not isinstance(data, Stacked):
            return of_iterator(data)
        batches = data.batches()
        first = next(batches, None)
        if first is None:
            raise StopIteration
        return of_iterator(itertools.chain([first], batches))

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
