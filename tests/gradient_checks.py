"""Gradients on whatever backend the tests run."""

import keras
import numpy as np
from keras import ops

from keras_infomax import backends


def value_and_gradient(function, *at):
    """The sum of what a function gives, and its gradient, as arrays of NumPy.

    Args:
        function: Function of tensors. On JAX, variables stay as they were.
        *at: Arrays; of several, the gradient is a list.
    """
    tensors = [ops.convert_to_tensor(each) for each in at]

    def total(*tensors):
        return ops.sum(function(*tensors))

    if backends.name() == backends.JAX:
        import jax

        def scoped(*tensors):
            # What it assigns to variables would be read outside of the trace.
            with keras.StatelessScope():
                return total(*tensors)

        every = tuple(range(len(at)))
        value, found = jax.value_and_grad(scoped, every)(*tensors)
    elif backends.name() == backends.TORCH:
        import torch

        tensors = [tensor.detach().clone().requires_grad_() for tensor in tensors]
        value = total(*tensors)
        found = torch.autograd.grad(value, tensors)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = total(*tensors)
        found = tape.gradient(value, tensors)
    value, *found = (np.array(ops.convert_to_numpy(each)) for each in (value, *found))
    return value, found[0] if len(at) == 1 else found


def gradient(function, *at):
    """The gradient alone; see `value_and_gradient`."""
    return value_and_gradient(function, *at)[1]


def array(tensor):
    """A tensor as an array, also where its gradient is asked for."""
    return ops.convert_to_numpy(tensor)


def dtype_of(tensor):
    """The name of a tensor's dtype."""
    return keras.backend.standardize_dtype(tensor.dtype)
