"""Blocks of rows on TensorFlow, in loops of a graph; see `chunking`."""

from keras import tree

from keras_infomax.lazy_tensorflow import concrete, tf


def by_rows(function, rows, shared, state, chunk_size):
    """As `chunking.by_rows`."""
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


def _structure(function, rows, shared, state):
    """Structure and dtypes of what the function returns for a block."""

    def outputs(rows, shared, state):
        return function(rows, shared, state)[0]

    of_any_rows = [tf.TensorSpec([None, *t.shape[1:]], t.dtype) for t in rows]
    return concrete(outputs, of_any_rows, shared, state).structured_outputs


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
    # A sum of many blocks in half precision would lose the small gradients.
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
            # With a gradient of unknown rank, the sum would change its shape in the
            # loop.
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
    # A batch without rows still needs one block, for the shape of the results.
    return tf.maximum(-(-tf.shape(rows[0])[0] // chunk_size), 1)


def _block(tensors, index, chunk_size):
    start = index * chunk_size
    return [tensor[start : start + chunk_size] for tensor in tensors]


def _array(dtype, size):
    return tf.TensorArray(dtype, size=size, infer_shape=False, element_shape=None)


def _wide(dtype):
    return tf.float32 if dtype.size < 4 else dtype
