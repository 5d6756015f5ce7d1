"""Derivatives of all outputs of a function by its inputs, row by row."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_infomax import backends
from keras_infomax.lazy_tensorflow import concrete, tf


def differentiator(
    function: Callable[[Any], Any], row_shape: tuple[int, ...]
) -> Callable[[np.ndarray], np.ndarray]:
    """A function to the Jacobian of each row, `(rows, dim, *row_shape)`.

    Args:
        function: Function of tensors `(rows, *row_shape)` to `(rows, dim)`, that treats
            every row by itself.
        row_shape: Shape of a row.

    Returns:
        Function of a float32 array to one.

    Example:
    >>> differentiator(lambda batch: batch**2, (2,))(np.ones((1, 2), "float32"))
    array([[[2., 0.],
            [0., 2.]]], dtype=float32)
    """
    return _BY_BACKEND[backends.name()](function, row_shape)


def _on_tensorflow(function, row_shape):
    def derivatives(batch):
        with tf.GradientTape() as tape:
            tape.watch(batch)
            outputs = function(batch)
        return tape.batch_jacobian(
            outputs, batch, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    graph = concrete(derivatives, tf.TensorSpec((None, *row_shape)))
    return lambda batch: graph(tf.constant(batch)).numpy()


def _on_jax(function, row_shape):
    import jax

    @jax.jit
    def differentiate(batch):
        outputs, pull = jax.vjp(function, batch)
        # Row i of a unit matrix picks output i of all rows of the batch.
        units = jax.numpy.eye(outputs.shape[1], dtype=outputs.dtype)
        by_output = jax.vmap(
            lambda unit: pull(jax.numpy.broadcast_to(unit, outputs.shape))[0]
        )(units)
        return jax.numpy.moveaxis(by_output, 0, 1)

    return lambda batch: np.asarray(differentiate(batch))


def _on_torch(function, row_shape):
    import torch
    from keras import ops

    def differentiate(batch):
        inputs = ops.convert_to_tensor(batch).requires_grad_()
        with torch.enable_grad():
            outputs = function(inputs)
            # The sum over rows, of which each depends on its own inputs alone.
            sums = outputs.sum(dim=0)
        if not sums.requires_grad:
            return np.zeros((*outputs.shape, *row_shape), "float32")
        by_output = [
            torch.autograd.grad(one, inputs, retain_graph=True, materialize_grads=True)
            for one in sums
        ]
        return torch.stack([g for (g,) in by_output], dim=1).numpy(force=True)

    return differentiate


_BY_BACKEND = {
    backends.TENSORFLOW: _on_tensorflow,
    backends.JAX: _on_jax,
    backends.TORCH: _on_torch,
}
