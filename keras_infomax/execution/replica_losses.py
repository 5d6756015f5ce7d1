"""Losses and gradients of replicas that add up to those of one device.

Layers see only the rows of one replica, and Keras's optimizers clip the gradients of
each replica before the sum. These functions replace those parts of Keras.
"""

import contextlib
import threading

import keras
from keras import ops

from keras_infomax import backends, private
from keras_infomax.execution import distribution, random_layers, replica_checks
from keras_infomax.lazy_tensorflow import tf

# These sum over the values of a layer. From 3.14 on, Keras divides the sum by the rows.
_MEAN_REGULARIZERS = (
    ()
    if backends.keras_before(3, 14)
    else (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
)

_of_thread = threading.local()


class _Watched(keras.StatelessScope):
    """Collects the losses of a thread, and records which variables it updates.

    Variables are updated at once, as without this scope: `SpectralNormalization`
    divides its kernel before it reads it, and no gradient flows through the division.
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
    """Keeps the losses of a model's layers separate by replica; see `layer_losses`.

    Replicas of one process are threads that take turns when they communicate, and a
    layer has one list of losses for all of them. A scope for each thread keeps the
    lists separate.

    Args:
        model: Keras model that is called in the context.
        data: Structure of tensors, this replica's rows of its input.

    Raises:
        ValueError: If there are several replicas, and a layer updates a variable from
            the rows of only one of them.
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
        # Such a variable is summed over replicas when it is read, like a metric's
        # state.
        summed = (variable.synchronization, variable.aggregation) == ("on_read", "sum")
        if summed or not _depends(value, data):
            continue
        # A loss may have a state, too; functions and losses of Keras have none.
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
    """Whether a tensor of a graph depends on others; unknown in eager mode."""
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
        # The outputs of an inner graph cannot be traced back.
        if id(tensor) in sources or tensor.graph is not graph:
            return True
        left.extend(tensor.op.inputs)
    return False


def layer_losses(model, rows):
    """Losses of a model's layers that add up over replicas to those of one device.

    A loss of weights is divided by the number of replicas. A loss of activations must
    be a mean over rows, and is weighted by this replica's share of the rows.

    Args:
        model: Keras model that has just been called in `collecting_losses`.
        rows: Number of this replica's rows.

    Returns:
        List of tensors.

    Raises:
        ValueError: If a layer's loss may not be a mean over rows.
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
        # A mean over no rows is NaN.
        value = ops.where(share > 0, value, ops.zeros_like(value))
        found.append(value * ops.cast(share, value.dtype))
    return found


def _check_mean_over_rows(layer):
    # Layers of Keras have such losses only through a regularizer.
    of_keras = type(layer).__module__.startswith("keras.")
    regularized = type(layer.activity_regularizer) in _MEAN_REGULARIZERS
    if (of_keras and regularized) or getattr(
        layer, "losses_are_means_over_rows", False
    ):
        return
    raise ValueError(
        f"The loss of layer {layer.name!r} must be a mean over rows under a strategy "
        "of several replicas, since only means can be combined; received a "
        f"{type(layer).__name__} that does not declare it. If it is a mean, give its "
        "class the attribute losses_are_means_over_rows = True; otherwise train on "
        "one device."
    )


def loss_of_rows(loss, partners, scores, weights=None):
    """A loss of Keras, or a function, that adds up over replicas to that of one device.

    Args:
        loss: Loss of Keras, or function from partners and scores to losses of rows.
        partners: Integer tensor of this replica.
        scores: Float tensor `(rows, columns)` of this replica.
        weights: Float tensor `(rows,)` that multiplies the losses of rows, or `None`.

    Returns:
        Scalar tensor.

    Raises:
        ValueError: If there are several replicas and the loss has another reduction
            than the mean over rows, or if there are several replicas or weights and the
            loss has no value for each row.
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
            f"{where if count > 1 else 'if there is a sample_weight'}; received a "
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
    """Gradients that an optimizer handles as on one device.

    Clipping is not linear, so it must be applied to the sum over replicas and not to
    its parts. The first replica gets the sum, and the others get zeros, which stay
    zeros.

    Args:
        gradients: This replica's gradients.
        optimizer: Keras optimizer, which sums gradients over replicas after clipping.

    Returns:
        Gradients with the same sum over replicas; unchanged if there is one replica or
        the optimizer does nothing before the sum.
    """
    if distribution.num_replicas() == 1 or not _changes_parts(optimizer):
        return gradients
    context = tf.distribute.get_replica_context()
    is_first = context.replica_id_in_sync_group == 0
    return [None if g is None else _sum_on(is_first, g, context) for g in gradients]


def _sum_on(is_first, gradient, context):
    if isinstance(gradient, tf.IndexedSlices):
        # As on one device, where clipping counts an index as often as it occurs.
        values, indices = (
            context.all_gather(part, axis=0)
            for part in (gradient.values, gradient.indices)
        )
        values *= tf.cast(is_first, values.dtype)
        return tf.IndexedSlices(values, indices, gradient.dense_shape)
    whole = context.all_reduce(tf.distribute.ReduceOp.SUM, gradient)
    # A product, not a selection: all replicas must see values that are not finite.
    return whole * tf.cast(is_first, whole.dtype)


def _changes_parts(optimizer):
    """Whether an optimizer may do more to gradients than scale and sum them."""
    return any(
        replica_checks.clips(each)
        or isinstance(each, keras.optimizers.LossScaleOptimizer)
        or not type(each).__module__.startswith("keras.")
        for each in replica_checks.optimizers(optimizer)
    )
