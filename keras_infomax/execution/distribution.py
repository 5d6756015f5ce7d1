"""The collectives that make many devices compute what one would.

Under a `tf.distribute` strategy each replica encodes its own rows. The columns are
the whole global batch, gathered with gradients, and an estimate is averaged over all
replicas before anything non-linear is done to it. Outside a replica context, and on
one device, every function here is its plain single-device meaning.

So it is under JAX and PyTorch. In a `keras.distribution` of JAX a step is written for
the global batch, and XLA parts it: nothing has to be gathered.
"""

import importlib

from keras import ops

from keras_infomax import backends
from keras_infomax.lazy_tensorflow import tf


def num_replicas() -> int:
    """Number of replicas that train in step; 1 without a strategy."""
    if not backends.is_tensorflow():
        return 1
    return tf.distribute.get_strategy().num_replicas_in_sync


def gather(values):
    """Concatenates the replicas' rows, in replica order, on every replica.

    Gradients flow back to the replica that a row came from. Shards may be of
    unequal size, or empty.

    Args:
        values: Tensor `(rows, ...)`, this replica's rows.

    Returns:
        Tensor `(global_rows, ...)`; `values` itself on one device.
    """
    context = _replica_context()
    if context is None:
        return values
    if values.dtype == tf.bfloat16:  # all_gather does not take it.
        values = tf.cast(values, tf.float32)
    gathered = context.all_gather(values, axis=0)
    # Feature maps come back without the sizes that they are flattened by.
    return tf.ensure_shape(gathered, [None, *values.shape[1:]])


def global_rows(rows):
    """Indices, in the gathered batch, of this replica's rows.

    Args:
        rows: Number of local rows, an integer or a scalar tensor.

    Returns:
        Integer tensor `(rows,)`; `arange(rows)` on one device.
    """
    indices = ops.arange(rows, dtype="int32")
    context = _replica_context()
    if context is None:
        return indices
    sizes = context.all_gather(tf.reshape(rows, [1]), axis=0)
    before = tf.range(tf.size(sizes)) < context.replica_id_in_sync_group
    return indices + tf.reduce_sum(tf.where(before, sizes, 0))


def mean(values, weights=None):
    """Mean of a vector over the rows of all replicas.

    Every row weighs the same, or as `weights` say, however the global batch was split.
    Differentiable: each replica must differentiate 1 / `num_replicas()` of what it
    makes of the result, as Keras losses do, since optimizers sum gradients over
    replicas.

    Args:
        values: Float tensor `(rows,)`, this replica's rows.
        weights: Float tensor `(rows,)` of numbers that are not negative, or `None`.

    Returns:
        Scalar tensor, the same on every replica. Zero where all weights are.
    """
    context = _replica_context()
    if weights is None:
        if context is None:
            return ops.mean(values)
        parts = [ops.sum(values), tf.cast(tf.size(values), values.dtype)]
    else:
        parts = [ops.sum(ops.multiply(weights, values)), ops.sum(weights)]
    if context is not None:
        parts = context.all_reduce(tf.distribute.ReduceOp.SUM, parts)
    total, count = parts
    return total / count if weights is None else ops.divide_no_nan(total, count)


def total(value):
    """Sum of a value over the replicas; the value itself on one device.

    Args:
        value: Float tensor, this replica's.
    """
    context = _replica_context()
    if context is None:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def share(rows):
    """This replica's part of the rows of all replicas.

    Args:
        rows: Number of local rows, an integer or a scalar tensor.

    Returns:
        float32 scalar tensor; 1 on one device.
    """
    rows = ops.cast(rows, "float32")
    return rows / total(rows)


def _replica_context():
    """The context to communicate in, or None where there is one replica."""
    if backends.name() == backends.TORCH:
        refuse_processes_of_torch()
    if num_replicas() == 1:
        return None
    return tf.distribute.get_replica_context()


def refuse_processes_of_torch():
    """Raises where several processes of PyTorch would each see rows of their own alone.

    Raises:
        ValueError: If this process is one of several, as under
            `DistributedDataParallel`.
    """
    processes = importlib.import_module("torch").distributed
    if processes.is_available() and processes.is_initialized():
        if processes.get_world_size() > 1:
            raise ValueError(
                "On the Keras backend 'torch' a model must be trained by one process, "
                "or the negatives would be the rows of one alone; received "
                f"{processes.get_world_size()} processes. Use the backend "
                "'tensorflow' or 'jax' for several devices."
            )
