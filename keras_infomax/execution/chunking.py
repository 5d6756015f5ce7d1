"""Functions of rows, computed block by block so that memory stays bounded.

Forward, one block of rows after another runs and leaves nothing but its result.
Backward, each block is computed once more and differentiated by itself. Values and
gradients are those of the whole, at the price of a second forward pass.
"""

import keras
import tensorflow as tf
from keras import tree

from keras_infomax import private


def by_rows(function, rows, shared=(), state=(), *, chunk_size):
    """Applies a function to blocks of rows, and differentiates it block by block.

    Args:
        function: Called as `function(rows, shared, state)` with lists of tensors, those
            of `rows` being a block of them. Returns a structure of tensors, each with a
            row for each row of the block, and the state for the next block. It must
            depend on nothing else that is differentiated.
        rows: Tensors of equally many rows.
        shared: Tensors that all blocks use whole, such as weights.
        state: Tensors that a block hands on to the next, such as the seeds of dropout;
            no gradient flows through them.
        chunk_size: Largest number of rows in a block.

    Returns:
        Pair of the structure of results for all rows, and the last state.

    Example:
    >>> def square(rows, shared, state):
    ...     return rows[0] ** 2 * shared[0], state
    >>> values, _ = by_rows(square, [tf.range(5.0)], [tf.constant(2.0)], chunk_size=2)
    >>> values.numpy().tolist()
    [0.0, 2.0, 8.0, 18.0, 32.0]
    """
    rows, shared, state = (
        [tf.convert_to_tensor(value) for value in values]
        for values in (rows, shared, state)
    )
    structure = _structure(function, rows, shared, state)

    @tf.custom_gradient
    def run(*tensors):
        inputs = tensors[: len(rows)], tensors[len(rows) :]
        *outputs, last = _forward(function, *inputs, state, structure, chunk_size)

        def gradient(*upstream):
            # The last state has no gradient, nor do results that are integers.
            of_outputs = [
                grad if output.dtype.is_floating else None
                for grad, output in zip(upstream, outputs, strict=False)
            ]
            return _backward(function, *inputs, state, of_outputs, chunk_size)

        return (*outputs, *last), gradient

    results = run(*rows, *shared)
    count = len(tree.flatten(structure))
    outputs = tree.pack_sequence_as(structure, results[:count])
    return outputs, list(results[count:])


def encode(encoder, views, training, chunk_size):
    """Encodes views chunk by chunk; see `by_rows`.

    Random layers draw for each chunk what they draw for it in the backward pass.

    Args:
        encoder: Built Keras layer or model.
        views: Tensor `(rows, ...)`, or a structure of them.
        training: Whether the encoder runs in training mode.
        chunk_size: Largest number of rows in a chunk.

    Returns:
        What the encoder returns for all rows.

    Raises:
        ValueError: If the encoder has losses of its activations, or, in training mode,
            a batch normalization: both would differ from those of the whole batch.
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
        [keras.ops.convert_to_tensor(v) for v in encoder.trainable_variables],
        [keras.ops.convert_to_tensor(v) for v in variables],
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
                f"Batch normalisation {layer.name!r} would see the statistics of "
                "chunks instead of the batch. Use another normalisation, such as "
                "LayerNormalization, or encoder_chunk_size=None."
            )


def _structure(function, rows, shared, state):
    """Structure and dtypes of what the function returns for a block."""

    @tf.function
    def traced(rows, shared, state):
        return function(rows, shared, state)[0]

    def unknown_rows(tensor):
        return tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)

    return traced.get_concrete_function(
        [unknown_rows(tensor) for tensor in rows],
        [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in shared],
        [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in state],
    ).structured_outputs


def _forward(function, rows, shared, state, structure, chunk_size):
    blocks = _number_of_blocks(rows, chunk_size)
    specifications = tree.flatten(structure)
    arrays = [_array(spec.dtype, blocks) for spec in specifications]

    def body(index, arrays, state):
        block = _block(rows, index, chunk_size)
        outputs, state = function(block, list(shared), list(state))
        written = [
            array.write(index, output)
            for array, output in zip(arrays, tree.flatten(outputs), strict=True)
        ]
        return index + 1, written, list(state)

    _, arrays, state = tf.while_loop(
        lambda index, *_: index < blocks,
        body,
        (0, arrays, list(state)),
        parallel_iterations=1,
    )
    results = [array.concat() for array in arrays]
    for result, spec in zip(results, specifications, strict=True):
        result.set_shape([rows[0].shape[0], *spec.shape[1:]])
    return *results, state


def _backward(function, rows, shared, state, upstream, chunk_size):
    blocks = _number_of_blocks(rows, chunk_size)
    by_row = [tensor.dtype.is_floating for tensor in rows]
    arrays = [
        _array(tensor.dtype, blocks)
        for tensor, differentiated in zip(rows, by_row, strict=True)
        if differentiated
    ]
    floating = [tensor for tensor in shared if tensor.dtype.is_floating]
    # Summed over many blocks, half precision would lose the small parts.
    sums = [tf.zeros(tf.shape(t), _wide(t.dtype)) for t in floating]

    def body(index, arrays, sums, state):
        block = _block(rows, index, chunk_size)
        sources = [t for t in block if t.dtype.is_floating] + floating
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs, state = function(block, list(shared), list(state))
        targets = [
            output
            for output, grad in zip(tree.flatten(outputs), upstream, strict=True)
            if grad is not None
        ]
        gradients = tape.gradient(
            targets,
            sources,
            output_gradients=_block(
                [grad for grad in upstream if grad is not None], index, chunk_size
            ),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        arrays = [
            array.write(index, gradient)
            for array, gradient in zip(arrays, gradients[: len(arrays)], strict=True)
        ]
        sums = [
            # A gradient of unknown rank would make the sum one, which a loop must not.
            total + tf.cast(tf.ensure_shape(gradient, total.shape), total.dtype)
            for total, gradient in zip(sums, gradients[len(arrays) :], strict=True)
        ]
        return index + 1, arrays, sums, list(state)

    _, arrays, sums, _ = tf.while_loop(
        lambda index, *_: index < blocks,
        body,
        (0, arrays, sums, list(state)),
        parallel_iterations=1,
    )
    of_rows, of_shared = iter(arrays), iter(sums)

    def of_row(tensor):
        return tf.ensure_shape(next(of_rows).concat(), tensor.shape)

    return [
        of_row(tensor) if differentiated else None
        for tensor, differentiated in zip(rows, by_row, strict=True)
    ] + [
        tf.cast(next(of_shared), tensor.dtype) if tensor.dtype.is_floating else None
        for tensor in shared
    ]


def _number_of_blocks(rows, chunk_size):
    # One block of no rows still has a shape.
    return tf.maximum(-(-tf.shape(rows[0])[0] // chunk_size), 1)


def _block(tensors, index, chunk_size):
    start = index * chunk_size
    return [tensor[start : start + chunk_size] for tensor in tensors]


def _array(dtype, size):
    return tf.TensorArray(dtype, size=size, infer_shape=False, element_shape=None)


def _wide(dtype):
    return tf.float32 if dtype.size < 4 else dtype
