"""Compiled steps under a strategy, and what must be refused on several replicas.

Keras 3.15 averages the first batch over replicas to build a model, which fails where it
does not divide evenly; it cannot run several steps an execution on replicas, nor reduce
the results of several workers; and its optimizers clip the gradients of each replica
before they are summed. These functions take the place of those parts.
"""

import contextlib
import threading

import keras
import tensorflow as tf
from keras import ops

from keras_infomax import distribution

# Sums over the values of a layer, which Keras divides by its rows.
_MEAN_REGULARIZERS = (
    keras.regularizers.L1,
    keras.regularizers.L2,
    keras.regularizers.L1L2,
)


_of_thread = threading.local()


def step_function(model, step):
    """Compiles a step for all replicas of a model's strategy.

    Args:
        model: Keras model; reads `distribute_strategy`, `steps_per_execution`,
            `jit_compile`, `run_eagerly`.
        step: Function of one replica's data to a dictionary of results that are equal
            on all replicas.

    Returns:
        Function of a data iterator that runs `steps_per_execution` steps, fewer at the
        end of the data, and returns the results of the last one.
    """
    strategy, steps = model.distribute_strategy, model.steps_per_execution
    # It asks tensors nothing; converting all that it calls would take a second.
    step = tf.autograph.experimental.do_not_convert(step)
    if model.jit_compile:  # On one replica; several refuse it.
        step = tf.function(step, jit_compile=True, reduce_retracing=True)

    def run(data):
        outputs = strategy.run(step, args=(data,))
        return keras.tree.map_structure(
            lambda value: strategy.experimental_local_results(value)[0], outputs
        )

    if steps == 1:
        compiled = run if model.run_eagerly else tf.function(run, reduce_retracing=True)
        return lambda iterator: compiled(next(iterator))

    def several(iterator):
        count = tf.constant(0)
        for _ in tf.range(steps):
            # Guarded, so that no update runs after the end of the data.
            data = iterator.get_next_as_optional()
            if data.has_value():
                run(data.get_value())
                count += 1
        return count

    compiled = several if model.run_eagerly else tf.function(several)

    def function(iterator):
        if not int(compiled(iterator)):
            raise StopIteration
        return model.get_metrics_result()

    return function


def refuse_what_differs(model):
    """Raises where several replicas would train another model than one device.

    Args:
        model: Compiled Keras model.

    Raises:
        ValueError: If the model is compiled by XLA, accumulates gradients, clips
            gradients under a loss scale, or has a batch normalisation that is not
            synchronised.
    """
    if model.distribute_strategy.num_replicas_in_sync == 1:
        return
    if model.jit_compile:
        raise ValueError(
            "jit_compile must be off under a strategy of several replicas; received "
            "jit_compile=True. XLA cannot compile across devices: leave it at its "
            "default."
        )
    optimizer = model.optimizer
    if getattr(optimizer, "gradient_accumulation_steps", None):
        raise ValueError(
            "The optimizer must not accumulate gradients under a strategy of several "
            "replicas; received gradient_accumulation_steps="
            f"{optimizer.gradient_accumulation_steps}. Use a larger batch."
        )
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    if scaled and _clips(optimizer.inner_optimizer):
        raise ValueError(
            "The optimizer must not clip gradients that carry a loss scale under a "
            "strategy of several replicas: they would be clipped before they are "
            "summed. Use the policy mixed_bfloat16, which needs no loss scale, or "
            "remove clipnorm, clipvalue and global_clipnorm."
        )
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization) and not (
            layer.synchronized or not layer.trainable
        ):
            raise ValueError(
                f"Batch normalisation {layer.name!r} must be synchronised under a "
                "strategy of several replicas, or its statistics would be those of a "
                "part of the batch. Make it with synchronized=True."
            )


@contextlib.contextmanager
def collecting_losses(model):
    """Keeps the losses of a model's layers apart by replica; see `layer_losses`.

    Replicas of one process are threads that take turns where they communicate, and a
    layer has one list of losses for all of them. In a scope that is a thread's own each
    finds its own losses there, and updates of variables, which are made at the end.

    Args:
        model: Keras model that is called in the context.
    """
    if distribution.num_replicas() == 1:
        yield
        return
    with keras.StatelessScope(collect_losses=True) as scope:
        _of_thread.losses = scope.losses
        yield
    for variable in model.variables:
        value = scope.get_current_value(variable)
        if value is not None:
            variable.assign(value)


def layer_losses(model, rows):
    """Losses of a model's layers, whose sum over replicas is that of one device.

    A loss of weights is divided by the replicas. A loss of activations must be a mean
    over rows, and counts as much as this replica has rows.

    Args:
        model: Keras model that has just been called in `collecting_losses`.
        rows: Number of this replica's rows.

    Returns:
        List of tensors.

    Raises:
        ValueError: If a layer's loss may be something else than a mean over rows.
    """
    count = distribution.num_replicas()
    if count == 1:
        return model.losses
    found = [
        variable.regularizer(variable) / count
        for variable in model.trainable_weights
        if variable.regularizer is not None
    ]
    if not _of_thread.losses:
        return found
    for layer in model._flatten_layers():
        if layer._loss_ids:
            _check_mean_over_rows(layer)
    share = distribution.share(rows)
    for value in _of_thread.losses:
        # A mean over no rows is not a number.
        value = ops.where(share > 0, value, ops.zeros_like(value))
        found.append(value * ops.cast(share, value.dtype))
    return found


def _check_mean_over_rows(layer):
    # Layers of Keras have such losses by a regulariser alone.
    of_keras = type(layer).__module__.startswith("keras.")
    regularized = type(layer.activity_regularizer) in _MEAN_REGULARIZERS
    if (of_keras and regularized) or getattr(
        layer, "losses_are_means_over_rows", False
    ):
        return
    raise ValueError(
        f"The loss of layer {layer.name!r} must be a mean over rows under a strategy "
        "of several replicas, or it cannot be told from those of parts of the batch; "
        f"received a {type(layer).__name__} that does not say so. If it is one, give "
        "its class the attribute losses_are_means_over_rows = True; otherwise train on "
        "one device."
    )


def loss_of_rows(loss, partners, scores, weights=None):
    """A loss of Keras, or a function, whose sum over replicas is that of one device.

    Args:
        loss: Loss of Keras, or function of partners and scores to losses of rows.
        partners: Integer tensor, this replica's.
        scores: Float tensor `(rows, columns)`, this replica's.
        weights: Float tensor `(rows,)`, what the loss of each row is multiplied by, or
            `None`.

    Returns:
        Scalar tensor.

    Raises:
        ValueError: If there are several replicas, and the loss has another reduction
            than the mean over rows, or if there are several, or weights, and it has no
            value for each row.
    """
    count = distribution.num_replicas()
    by_row = loss
    if isinstance(loss, keras.losses.Loss):
        if count == 1 and weights is None:
            return loss(partners, scores)
        by_row = loss.call
        if count == 1 and loss.reduction not in ("sum_over_batch_size", "mean"):
            return loss(partners, scores, sample_weight=weights)
        if loss.reduction != "sum_over_batch_size":
            raise ValueError(
                f"The loss {loss.name!r} must be a mean over rows under a strategy of "
                f"several replicas; received reduction={loss.reduction!r}. Use "
                "reduction='sum_over_batch_size'."
            )
        partners, scores = (ops.cast(v, loss.dtype) for v in (partners, scores))
    values = by_row(partners, scores)
    if not len(values.shape) and (count > 1 or weights is not None):
        where = "under a strategy of several replicas, which average over all rows"
        raise ValueError(
            "The loss must have a value for each row "
            f"{where if count > 1 else 'where there is a sample_weight'}; received a "
            "function that averages them itself. Return the losses of the rows, or use "
            "a loss of keras_infomax.losses."
        )
    if weights is not None:
        weights = ops.reshape(weights, (-1, *[1] * (len(values.shape) - 1)))
        values = values * ops.cast(weights, values.dtype)
    if count == 1:
        return ops.mean(values)
    return distribution.mean(ops.reshape(values, (-1,))) / count


def summed_and_clipped(gradients, optimizer):
    """Gradients that a strategy's optimizer sums to the clipped whole.

    Clipping is not linear: it must see the sum over replicas, and not its parts.

    Args:
        gradients: This replica's gradients.
        optimizer: Keras optimizer; reads `clipnorm`, `clipvalue`, `global_clipnorm`.

    Returns:
        Gradients whose sum over replicas is clipped; those given, where the optimizer
        does not clip or there is one replica.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas == 1 or not _clips(optimizer):
        return gradients
    context = tf.distribute.get_replica_context()
    present = [g is not None for g in gradients]
    summed = context.all_reduce(
        tf.distribute.ReduceOp.SUM,
        [tf.convert_to_tensor(g) for g in gradients if g is not None],
    )
    if optimizer.clipnorm is not None:
        summed = [tf.clip_by_norm(g, optimizer.clipnorm) for g in summed]
    elif optimizer.global_clipnorm is not None:
        summed, _ = tf.clip_by_global_norm(summed, optimizer.global_clipnorm)
    else:
        limit = optimizer.clipvalue
        summed = [tf.clip_by_value(g, -limit, limit) for g in summed]
    # A part is too small for the optimizer to clip it once more.
    parts = iter(g / replicas for g in summed)
    return [next(parts) if there else None for there in present]


def _clips(optimizer):
    clipping = ("clipnorm", "clipvalue", "global_clipnorm")
    return any(getattr(optimizer, name, None) is not None for name in clipping)
