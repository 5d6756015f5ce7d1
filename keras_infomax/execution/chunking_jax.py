"""Blocks of rows on JAX, by a scan whose body is recomputed; see `chunking`."""

import jax
from jax import numpy as jnp
from keras import tree


def by_rows(function, rows, shared, state, chunk_size):
    """As `chunking.by_rows`."""
    # A sum of many blocks in half precision would lose the small gradients.
    dtypes = [tensor.dtype for tensor in shared]
    shared = [
        tensor.astype("float32") if dtype in (jnp.float16, jnp.bfloat16) else tensor
        for tensor, dtype in zip(shared, dtypes, strict=True)
    ]

    # The forward pass keeps no intermediate values; the backward pass recomputes them.
    @jax.checkpoint
    def of_block(shared, state, block):
        narrow = [t.astype(dtype) for t, dtype in zip(shared, dtypes, strict=True)]
        outputs, state = function(block, narrow, state)
        return list(state), outputs

    count = rows[0].shape[0]
    whole = count - count % chunk_size
    parts = []
    if whole:
        blocks = [r[:whole].reshape(-1, chunk_size, *r.shape[1:]) for r in rows]
        state, outputs = jax.lax.scan(
            lambda state, block: of_block(shared, state, block), state, blocks
        )
        parts.append(
            tree.map_structure(lambda o: o.reshape(whole, *o.shape[2:]), outputs)
        )
    if whole < count or not count:
        state, outputs = of_block(shared, state, [r[whole:] for r in rows])
        parts.append(outputs)
    return tree.map_structure(lambda *of: jnp.concatenate(of), *parts), list(state)
