"""JAX: one jitted step on images that are resident, the practical limit.

The first layer of the MLP critic is applied to x and to y apart, as in this package.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import peers


def _apply(layers, x):
    for weight, bias in layers[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


def _score(critic, parameters, x, y):
    if critic == "bilinear":
        return x @ parameters @ y.T
    if critic == "separable":
        return _apply(parameters[0], x) @ _apply(parameters[1], y).T
    (weight, bias), (last, shift) = parameters
    from_x, from_y = x @ weight[:100] + bias, y @ weight[100:]
    hidden = jax.nn.relu(from_x[:, None] + from_y[None])
    return (hidden @ last)[..., 0] + shift


def prepare(critic: str, batch_size: int) -> Callable[[int], None]:
    """See `peers`."""
    random = np.random.default_rng(0)
    images = jnp.asarray(peers.images())

    def mlp(*units):
        return [
            (
                jnp.asarray(
                    random.normal(0, inputs**-0.5, (inputs, outputs)), "float32"
                ),
                jnp.zeros(outputs),
            )
            for inputs, outputs in zip(units[:-1], units[1:], strict=True)
        ]

    parameters = {
        "encoders": [mlp(392, 300, 300, 100), mlp(392, 300, 300, 100)],
        "critic": {
            "bilinear": lambda: mlp(100, 100)[0][0],
            "separable": lambda: [mlp(100, 100, 100), mlp(100, 100, 100)],
            "mlp": lambda: mlp(200, 200, 1),
        }[critic](),
    }

    def loss(parameters, rows):
        batch = images[rows].astype("float32") / 255
        encoder_x, encoder_y = parameters["encoders"]
        x, y = _apply(encoder_x, batch[:, :392]), _apply(encoder_y, batch[:, 392:])
        scores = _score(critic, parameters["critic"], x, y)
        return jnp.mean(jax.nn.logsumexp(scores, 1) - jnp.diag(scores))

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, rows):
        parameters, first, second, count = state
        gradients = jax.grad(loss)(parameters, rows)
        count += 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        rate = 1e-4 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        parameters = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8),
            parameters,
            first,
            second,
        )
        return parameters, first, second, count

    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = [(parameters, zeros, jax.tree.map(jnp.zeros_like, zeros), jnp.zeros(()))]

    def train(steps):
        for _ in range(steps):
            state[0] = step(state[0], random.integers(0, len(images), batch_size))
        jax.block_until_ready(state[0])

    return train
