"""The dataset of a stream: batches that can be had several at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_infomax import checks, private
from keras_infomax.lazy_tensorflow import tf


class BatchStream(private.dataset_of_another()):  # type: ignore[misc]
    """A `tf.data.Dataset` of batches, each made of its number and its rows.

    Used as any dataset. Beyond that, `in_blocks` stacks several batches, made in one
    go; `fit` asks for these where it runs so many steps in a call, which then wait for
    no batch. `map`, `take`, `skip` and `prefetch` give such a stream again; what other
    methods give is a plain dataset, on which `fit` takes each batch by itself.

    Args:
        batches: Dataset of batches.
        blocks: Function of a size to a dataset of the same batches, so many of them
            stacked, the last ones maybe fewer. Defaults to stacking them one by one.
        steps: Dataset of what each batch is made of, and
        make: Function of it to a stream, by which `take` and `skip` leave out batches
            before these are made. Both default to `None`.

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
        """The same batches, so many of them stacked.

        Args:
            size: Number of batches in each block but the last.

        Returns:
            Dataset of the same structure, with a first dimension more.

        Raises:
            ValueError: If the size is no positive integer.
        """
        size = checks.positive_integer("size", size, 32)
        if self._blocks is not None:
            return self._blocks(size)
        # One ahead, and no more: blocks are large.
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
        """As `tf.data.Dataset.prefetch`, of batches that come one by one."""
        batches = super().prefetch(buffer_size, name)
        return BatchStream(batches, self._blocks, self._steps, self._make)

    def _of_steps(self, method, count, name):
        if self._steps is not None and self._make is not None:
            return self._make(getattr(self._steps, method)(count))
        return BatchStream(getattr(super(), method)(count, name))
