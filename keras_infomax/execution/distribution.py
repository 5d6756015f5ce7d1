"""Collectives by which many devices compute the same results as one.

Under a `tf.distribute` strategy each replica encodes its own rows. The columns of the
scores are the whole global batch, gathered with gradients. An estimate is averaged over
all replicas before any non-linear function is applied to it. Outside a replica context,
and on one device, every function here does what its name says for one device.

The same holds under JAX and PyTorch. With a `keras.distribution` of JAX, a step is
written for the global batch and XLA partitions it, so nothing has to be gathered.
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
    # all_gather loses the static sizes, which feature maps need to be flattened.
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

    Every row has the same weight, or that in `weights`, however the global batch was
    split. The mean is differentiable. Optimizers sum gradients over replicas, so each
    replica must divide its loss by `num_replicas()`, as Keras losses do.

    Args:
        values: Float tensor `(rows,)`, this replica's rows.
        weights: Float tensor `(rows,)` of non-negative numbers, or `None`.

    Returns:
        Scalar tensor, the same on every replica. Zero if all weights are zero.
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
    """Fraction of the rows of all replicas that this replica has.

    Args:
        rows: Number of local rows, an integer or a scalar tensor.

    Returns:
        float32 scalar tensor; 1 on one device.
    """
    rows = ops.cast(rows, "float32")
    return rows / total(rows)


def _replica_context():
    """The context for communication, or None with one replica."""
    if backends.name() == backends.TORCH:
        refuse_processes_of_torch()
    if num_replicas() == 1:
        return None
    return tf.distribute.get_replica_context()


def refuse_processes_of_torch():
    """Raises if several processes of PyTorch would each see only their own rows.

    Raises:
        ValueError: If this process is one of several, as under
            `DistributedDataParallel`.
    """
    processes = importlib.import_module("torch").distributed
    if processes.is_available() and processes.is_initialized():
        if processes.get_world_size() > 1:
            raise ValueError(
                "On the Keras backend 'torch' a model must be trained by one process, "
                "since each process would take its negatives from its own rows only; "
                f"received {processes.get_world_size()} processes. Use the backend "
                "'tensorflow' or 'jax' for several devices."
            )
