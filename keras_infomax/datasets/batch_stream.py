"""The dataset of a stream, which can return several batches at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_infomax import checks, private
from keras_infomax.lazy_tensorflow import tf


class BatchStream(private.dataset_of_another()):  # type: ignore[misc]
    """A `tf.data.Dataset` of batches that can also come as blocks.

    It is used like any dataset. In addition, `in_blocks` makes and stacks several
    batches at once. If `fit` runs several steps in a call, it uses blocks, so no step
    waits for a batch. `map`, `take`, `skip` and `prefetch` return a `BatchStream`, too.
    Other methods return a plain dataset, whose batches `fit` takes one by one.

    Args:
        batches: Dataset of batches.
        blocks: Function from a size to a dataset of blocks of this number of batches;
            the last block may be smaller. By default, single batches are stacked.
        steps: Dataset of the inputs from which batches are made, or `None`.
        make: Function from such a dataset to a stream, or `None`. With it, `take` and
            `skip` leave out batches before they are made.

    Example:
    >>> stream = BatchStream(tf.data.Dataset.range(5).batch(2, drop_remainder=True))
    >>> [block.tolist() for block in stream.in_blocks(2).as_numpy_iterator()]
    [[[0, 1], [2, 3]]]
    """

    def __init__(
        self,
        batches: tf.data.Dataset,
        blocks: Callable[[int], tf.data.Dataset] | None = None,
        steps: tf.data.Dataset | None = None,
        make: Callable[[tf.data.Dataset], BatchStream] | None = None,
    ):
        super().__init__(batches)
        self._batches, self._blocks = batches, blocks
        self._steps, self._make = steps, make

    def in_blocks(self, size: int) -> tf.data.Dataset:
        """The same batches in stacks of `size`.

        Args:
            size: Number of batches in each block but the last.

        Returns:
            Dataset of the same structure, with an additional first axis.

        Raises:
            ValueError: If the size is not a positive integer.
        """
        size = checks.positive_integer("size", size, 32)
        if self._blocks is not None:
            return self._blocks(size)
        # Only one block is made ahead, since blocks are large.
        return self._batches.batch(size).prefetch(1)

    def map(self, map_func: Callable[..., Any], *args: Any, **kwargs: Any):
        """As `tf.data.Dataset.map`, of batches."""
        return BatchStream(super().map(map_func, *args, **kwargs))

    def take(self, count: Any, name: str | None = None):
        """As `tf.data.Dataset.take`."""
        return self._of_steps("take", count, name)

    def skip(self, count: Any, name: str | None = None):
        """As `tf.data.Dataset.skip`."""
        return self._of_steps("skip", count, name)

    def prefetch(self, buffer_size: Any, name: str | None = None):
        """As `tf.data.Dataset.prefetch`, for single batches."""
        batches = super().prefetch(buffer_size, name)
        return BatchStream(batches, self._blocks, self._steps, self._make)

    def _of_steps(self, method, count, name):
        if self._steps is not None and self._make is not None:
            return self._make(getattr(self._steps, method)(count))
        return BatchStream(getattr(super(), method)(count, name))
