"""Blocks of rows on PyTorch, each a checkpoint of autograd; see `chunking`."""

import torch
from keras import tree
from torch.utils.checkpoint import checkpoint


def by_rows(function, rows, shared, state, chunk_size):
    """As `chunking.by_rows`."""
    # A sum of many blocks in half precision would lose the small gradients.
    dtypes = [tensor.dtype for tensor in shared]
    wide = [
        tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
        for tensor in shared
    ]

    def of_block(block, shared, state):
        narrow = [t.to(dtype) for t, dtype in zip(shared, dtypes, strict=True)]
        return function(block, narrow, state)

    count = rows[0].shape[0]
    parts = []
    # A batch without rows still needs one block, for the shape of the results.
    for start in range(0, max(count, 1), chunk_size):
        block = [tensor[start : start + chunk_size] for tensor in rows]
        outputs, state = checkpoint(
            of_block, block, wide, list(state), use_reentrant=False
        )
        parts.append(outputs)
    return tree.map_structure(lambda *of: torch.cat(of), *parts), list(state)
