"""Functions of rows, computed block by block so that memory stays bounded.

The forward pass runs one block of rows after another and keeps only the results. The
backward pass computes each block again and differentiates it separately. Values and
gradients equal those of one call with all rows, at the cost of a second forward pass.
Each backend has a file with its own loop.
"""

import importlib
from typing import Any

import keras
from keras import ops, tree

from keras_infomax import backends, private

_loops: Any = importlib.import_module(
    f"keras_infomax.execution.chunking_{backends.name()}"
)


def by_rows(function, rows, shared=(), state=(), *, chunk_size):
    """Applies a function to blocks of rows, and differentiates it block by block.

    Args:
        function: Called as `function(rows, shared, state)` with lists of tensors;
            `rows` holds the rows of one block. Returns a structure of tensors with one
            row for each row of the block, and the state for the next block. Gradients
            flow only to these arguments.
        rows: Tensors with the same number of rows.
        shared: Tensors that every block uses as a whole, such as weights.
        state: Tensors that each block passes to the next, such as the seeds of dropout.
            No gradient flows through them.
        chunk_size: Largest number of rows in a block.

    Returns:
        Pair of the structure of results for all rows and the last state.

    Example:
    >>> def square(rows, shared, state):
    ...     return rows[0] ** 2 * shared[0], state
    >>> values, _ = by_rows(square, [ops.arange(5.0)], [ops.ones(()) * 2], chunk_size=2)
    >>> ops.convert_to_numpy(values).tolist()
    [0.0, 2.0, 8.0, 18.0, 32.0]
    """
    rows, shared, state = (
        [ops.convert_to_tensor(value) for value in values]
        for values in (rows, shared, state)
    )
    return _loops.by_rows(function, rows, shared, state, chunk_size)


def encode(encoder, views, training, chunk_size):
    """Encodes views chunk by chunk; see `by_rows`.

    Random layers draw the same numbers for a chunk in both passes.

    Args:
        encoder: Built Keras layer or model.
        views: Tensor `(rows, ...)`, or a structure of them.
        training: Whether the encoder runs in training mode.
        chunk_size: Largest number of rows in a chunk.

    Returns:
        What the encoder returns for all rows.

    Raises:
        ValueError: If the encoder has losses of its activations or, in training mode, a
            batch normalization. Both would differ from those of the whole batch.
    """
    _refuse_what_chunks_change(encoder, training)
    variables = encoder.non_trainable_variables
    weight_losses = sum(v.regularizer is not None for v in encoder.trainable_variables)

    def function(rows, shared, state):
        outputs, state, layer_losses = encoder.stateless_call(
            shared,
            state,
            tree.pack_sequence_as(views, rows),
            training=training,
            return_losses=True,
        )
        if len(layer_losses) > weight_losses:
            raise ValueError(
                f"Encoder {encoder.name!r} has losses that depend on its activations, "
                "which chunks of a batch would change. Remove them, or use "
                "encoder_chunk_size=None."
            )
        return outputs, state

    outputs, state = by_rows(
        function,
        tree.flatten(views),
        [ops.convert_to_tensor(v) for v in encoder.trainable_variables],
        [ops.convert_to_tensor(v) for v in variables],
        chunk_size=chunk_size,
    )
    if training:
        for variable, value in zip(variables, state, strict=True):
            variable.assign(value)
    return outputs


def _refuse_what_chunks_change(encoder, training):
    for layer in private.layers(encoder) if training else ():
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            raise ValueError(
                f"Batch normalization {layer.name!r} would use the statistics of "
                "chunks instead of the batch. Use another normalization, such as "
                "LayerNormalization, or encoder_chunk_size=None."
            )
