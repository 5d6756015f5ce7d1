"""Compiled steps under a strategy, and what must be refused on several replicas.

Keras 3.15 averages the first batch over replicas to build a model, which fails where it
does not divide evenly; it cannot run several steps an execution on replicas, nor reduce
the results of several workers; and its optimizers clip the gradients of each replica
before they are summed. Layers see the rows of one replica alone. These functions take
the place of those parts.
"""

import contextlib
import itertools
import threading
import types

import keras
from keras import ops

from keras_infomax import private
from keras_infomax.execution import distribution, random_layers
from keras_infomax.lazy_tensorflow import tf

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
    # It has no Python control flow on tensors; converting it would take a second.
    step = tf.autograph.experimental.do_not_convert(step)
    if model.jit_compile:  # On one replica; several refuse it.
        step = tf.function(step, jit_compile=True, reduce_retracing=True)

    several_replicas = strategy.num_replicas_in_sync > 1

    def run(data):
        networks = _networks(model) if several_replicas else ()
        with random_layers.called_with_all_rows(networks):
            outputs = strategy.run(step, args=(data,))
        return keras.tree.map_structure(
            lambda value: strategy.experimental_local_results(value)[0], outputs
        )

    one = run if model.run_eagerly else tf.function(run, reduce_retracing=True)

    def one_step(iterator):
        results = one(_batch_of_all(iterator, strategy))
        # The model's own are those of the whole batch; compiled metrics, of a part.
        of_parts = bool(keras.tree.flatten(model.compiled_metrics_given))
        single = isinstance(iterator, types.GeneratorType)
        if several_replicas and (of_parts or single):
            return model.get_metrics_result()
        return results

    if steps == 1:
        return one_step

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

    def one_by_one(iterator):
        count = 0
        for batch in itertools.islice(iterator, steps):
            one(batch)
            count += 1
        return count

    def function(iterator):
        # In one call a collective takes what has the shape of its first time alone.
        varies = several_replicas and not _is_static(iterator.element_spec)
        call = one_by_one if varies else compiled
        if not int(call(iterator)):
            raise StopIteration
        return model.get_metrics_result()

    return function


def _batch_of_all(iterator, strategy):
    """The next batch: a part for each replica, also of one that Keras never splits."""
    data = next(iterator)
    # What datasets yield is distributed; `*_on_batch` makes a generator of a batch.
    if not isinstance(iterator, types.GeneratorType):
        return data
    while data[-1] is None:
        data = data[:-1]
    return split(tuple(() if part is None else part for part in data), strategy)


def split(batch, strategy):
    """The parts of a batch for the replicas, as those of datasets are.

    Args:
        batch: Structure of arrays or tensors, the same in all workers.
        strategy: The strategy of a model.

    Returns:
        Structure of distributed values; the batch itself, if there is one replica.
    """
    count = strategy.num_replicas_in_sync
    if count == 1:
        return batch
    batch = keras.tree.map_structure(tf.convert_to_tensor, batch)

    def part(context):
        def of(tensor):
            size = -(-int(tensor.shape[0]) // count)
            start = size * context.replica_id_in_sync_group
            return tensor[start : start + size]

        return keras.tree.map_structure(of, batch)

    return strategy.experimental_distribute_values_from_function(part)


def _is_static(specs):
    parts = tf.nest.flatten(specs, expand_composites=True)
    return all(part.shape.is_fully_defined() for part in parts)


def refuse_what_differs(model):
    """Raises where several replicas would train another model than one device.

    What layers do while they are called is known by then, see `collecting_losses`.

    Args:
        model: Compiled Keras model.

    Raises:
        ValueError: If the model is compiled by XLA, has an optimizer whose options
            replicas cannot follow, a batch normalization that is not synchronized,
            or random numbers in a critic or in chunks.
    """
    if model.distribute_strategy.num_replicas_in_sync == 1:
        return
    if model.jit_compile:
        raise ValueError(
            "jit_compile must be off under a strategy of several replicas; received "
            "jit_compile=True. XLA cannot compile across devices: leave it at its "
            "default."
        )
    for optimizer in _optimizers(model.optimizer):
        _check_optimizer(optimizer)
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    if scaled and any(map(_clips, _optimizers(model.optimizer))):
        raise ValueError(
            "The optimizer must not clip gradients that carry a loss scale under a "
            "strategy of several replicas: they would be clipped before they are "
            "summed. Use the policy mixed_bfloat16, which needs no loss scale, or "
            "remove clipnorm, clipvalue and global_clipnorm."
        )
    for variable in model.trainable_variables:
        if getattr(variable, "overwrite_with_gradient", False):
            raise ValueError(
                f"The variable {variable.path!r} must be trained by gradient descent "
                "under a strategy of several replicas; received one that its gradient "
                "replaces, as in float8. Use another dtype, or train on one device."
            )
    for layer in private.layers(model):
        if isinstance(layer, keras.layers.BatchNormalization) and not (
            layer.synchronized or not layer.trainable
        ):
            raise ValueError(
                f"Batch normalisation {layer.name!r} must be synchronised under a "
                "strategy of several replicas, or its statistics would be those of a "
                "part of the batch. Make it with synchronized=True."
            )
    _refuse_other_random_numbers(model)


def _optimizers(optimizer):
    """An optimizer and those that it hands gradients to."""
    inner = [
        getattr(optimizer, "inner_optimizer", None),
        *getattr(optimizer, "optimizers", ()),
    ]
    return [optimizer, *(o for each in inner if each for o in _optimizers(each))]


def _check_optimizer(optimizer):
    if getattr(optimizer, "gradient_accumulation_steps", None):
        raise ValueError(
            "The optimizer must not accumulate gradients under a strategy of several "
            "replicas; received gradient_accumulation_steps="
            f"{optimizer.gradient_accumulation_steps}. Use a larger batch."
        )
    overwrites = optimizer.use_ema and optimizer.ema_overwrite_frequency
    if overwrites and private.merges_updates():
        raise ValueError(
            "The optimizer must not overwrite weights in the midst of training under "
            "a strategy of several replicas, which Keras cannot do; received "
            f"ema_overwrite_frequency={optimizer.ema_overwrite_frequency}. Use "
            "ema_overwrite_frequency=None, which does so at the end of fit."
        )


def _networks(model):
    """What encodes the views of a model, if it is one of ours."""
    networks = [getattr(model, n, None) for n in ("network", "encoder_x", "encoder_y")]
    return [network for network in networks if network is not None]


def _refuse_other_random_numbers(model):
    networks = _networks(model)
    of_networks = {id(v) for network in networks for v in network.variables}
    for layer in private.layers(model):
        for variable in layer.variables if layer is not model else ():
            if variable.name == random_layers.SEED and id(variable) not in of_networks:
                raise ValueError(
                    f"Layer {layer.name!r} must not draw random numbers under a "
                    "strategy of several replicas, of whose rows it sees a part. Draw "
                    "them in the encoder, or train on one device."
                )
    in_chunks = getattr(model, "encoder_chunk_size", None) is not None
    if in_chunks and any(map(random_layers.draws, networks)):
        raise ValueError(
            "encoder_chunk_size must be None where an encoder draws random numbers "
            "under a strategy of several replicas, or they would depend on the chunks; "
            f"received {model.encoder_chunk_size!r}. Remove dropout and noise, or "
            "train on one device."
        )


class _Watched(keras.StatelessScope):
    """Collects the losses of a thread, and takes down which variables it updates.

    They are updated at once, as without it: `SpectralNormalization` divides its kernel
    before it is read, and gradients do not flow through that.
    """

    def __init__(self, model):
        super().__init__(collect_losses=True)
        self.updates = []
        self._seeds = {id(v) for v in model.variables if v.name == random_layers.SEED}

    def add_update(self, update):
        variable, value = update
        if variable.name == random_layers.SEED and id(variable) not in self._seeds:
            raise ValueError(
                "A layer must not draw random numbers from the global seed under a "
                "strategy of several replicas. Give it a keras.random.SeedGenerator "
                "of its own, as an attribute, and draw with seed=self.generator."
            )
        private.assign_at_once(variable, value)
        self.updates.append(update)


@contextlib.contextmanager
def collecting_losses(model, data):
    """Keeps the losses of a model's layers apart by replica; see `layer_losses`.

    Replicas of one process are threads that take turns where they communicate, and a
    layer has one list of losses for all of them. In a scope that is a thread's own each
    finds its own losses there.

    Args:
        model: Keras model that is called in the context.
        data: Structure of tensors, this replica's rows that it is called with.

    Raises:
        ValueError: If there are several replicas, and a layer updates a variable by
            the rows of one of them.
    """
    if distribution.num_replicas() == 1:
        yield
        return
    with _Watched(model) as scope:
        _of_thread.losses = scope.losses
        yield
    _refuse_updates_by_a_part(model, scope.updates, keras.tree.flatten(data))


def _refuse_updates_by_a_part(model, updates, data):
    for variable, value in updates:
        if variable.name == random_layers.SEED:
            continue
        # Summed over replicas when it is read, as the state of a metric is.
        summed = (variable.synchronization, variable.aggregation) == ("on_read", "sum")
        if summed or not _depends(value, data):
            continue
        # A loss may have a state as well; functions and losses of Keras have none.
        owners = [
            part
            for part in (*private.layers(model), getattr(model, "loss", None))
            if part is not model
            and any(v is variable for v in getattr(part, "variables", ()))
        ]
        if not any(map(_sees_all_rows, owners)):
            raise ValueError(
                f"Layer {(owners or [model])[-1].name!r} must not update its variable "
                f"{variable.path!r} by the rows of one replica{_or_eagerly()}. If the "
                "update is the same on all replicas, as by keras_infomax.distribution, "
                "give the class of the layer the attribute "
                "updates_see_all_rows = True; otherwise train on one device."
            )


def _or_eagerly():
    return ", nor by anything in a run_eagerly model" if tf.executing_eagerly() else ""


def _sees_all_rows(layer):
    # One that is not synchronized has been refused before the run.
    of_keras = isinstance(layer, keras.layers.BatchNormalization)
    return of_keras or getattr(layer, "updates_see_all_rows", False)


def _depends(value, data):
    """Whether a tensor of a graph is computed from others; eagerly nobody knows."""
    if tf.executing_eagerly():
        return True
    graph = data[0].graph
    sources = {id(tensor) for tensor in data}
    seen, left = set(), [value]
    while left:
        tensor = left.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        # What an inner graph hands out cannot be followed.
        if id(tensor) in sources or tensor.graph is not graph:
            return True
        left.extend(tensor.op.inputs)
    return False


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
    if not getattr(_of_thread, "losses", []):
        return found
    for layer in private.layers(model):
        if private.has_added_losses(layer):
            _check_mean_over_rows(layer)
    share = distribution.share(rows)
    for value in _of_thread.losses:
        # A mean over no rows is not a number.
        value = ops.where(share > 0, value, ops.zeros_like(value))
        found.append(value * ops.cast(share, value.dtype))
    return found


def _check_mean_over_rows(layer):
    # Layers of Keras have such losses by a regularizer alone.
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


def summed(gradients, optimizer):
    """Gradients that an optimizer changes as if there were one replica.

    Clipping is not linear: it must see the sum over replicas, and not its parts. So
    the first replica gets the sum, and the others zeros, which stay zeros.

    Args:
        gradients: This replica's gradients.
        optimizer: Keras optimizer, which sums what it has changed over replicas.

    Returns:
        Gradients of the same sum over replicas; those given, where there is one
        replica, or the optimizer does nothing before it sums.
    """
    if distribution.num_replicas() == 1 or not _changes_parts(optimizer):
        return gradients
    context = tf.distribute.get_replica_context()
    is_first = context.replica_id_in_sync_group == 0
    return [None if g is None else _sum_on(is_first, g, context) for g in gradients]


def _sum_on(is_first, gradient, context):
    if isinstance(gradient, tf.IndexedSlices):
        # As one device has them: clipping counts an index as often as it is there.
        values, indices = (
            context.all_gather(part, axis=0)
            for part in (gradient.values, gradient.indices)
        )
        values *= tf.cast(is_first, values.dtype)
        return tf.IndexedSlices(values, indices, gradient.dense_shape)
    whole = context.all_reduce(tf.distribute.ReduceOp.SUM, gradient)
    # A product, and no choice: where it is not finite all replicas shall see that.
    return whole * tf.cast(is_first, whole.dtype)


def _changes_parts(optimizer):
    """Whether an optimizer may do more to gradients than to sum their multiples."""
    return any(
        _clips(each)
        or isinstance(each, keras.optimizers.LossScaleOptimizer)
        or not type(each).__module__.startswith("keras.")
        for each in _optimizers(optimizer)
    )


def _clips(optimizer):
    # As for Keras, none is made by 0.
    clipping = ("clipnorm", "clipvalue", "global_clipnorm")
    return any(getattr(optimizer, name, None) for name in clipping)
