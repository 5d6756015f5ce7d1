"""Streams of batches of views; a batch depends only on its step and a seed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import keras
from keras import ops

from keras_infomax import backends, checks, measures
from keras_infomax import views as view_layers
from keras_infomax.datasets.examples import as_examples, noun_of, prepared
from keras_infomax.datasets.images import as_array, check_labels
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.structures import rows_of, taken

_Function = TypeVar("_Function", bound=Callable)

# Otherwise step numbers would exceed int64.
_TOO_MANY_STEPS = 2**62


def _with_earlier_name(function: _Function) -> _Function:
    """Also accepts the earlier name of the first argument, `images`."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        if "images" in kwargs:
            measures.warn_of_earlier("images", "examples")
            kwargs["examples"] = kwargs.pop("images")
        return function(*args, **kwargs)

    return cast(_Function, call)


@_with_earlier_name
def pairs(
    examples: Any,
    views: Any,
    batch_size: int,
    seed: int = 0,
    start_step: int = 0,
    num_steps: int | None = None,
    shuffle: bool = True,
    index: bool = False,
    labels: Any = None,
) -> tf.data.Dataset:
    """Streams batches of views of examples for `fit`, with elements `((x, y),)`.

    Batch number `s` depends only on `seed` and `s`, even with random views, which are
    called with `seed=views_seed(seed, s)`. So a run that is resumed at `start_step=s`
    gets the same batches as an uninterrupted run. Each pass over the examples has a new
    random order and makes `rows // batch_size` full batches; the remaining rows are
    left out of that pass.

    By default there is one pass, which `fit` would repeat in the same order. To train
    for several epochs, request all their steps, and let `fit` count them:

        steps = len(examples) // 128
        dataset = pairs(examples, "halves", 128, num_steps=20 * steps)
        model.fit(dataset, epochs=20, steps_per_epoch=steps)

    Under a `tf.distribute` strategy `batch_size` is the global batch size, and pairs
    are never split between replicas.

    Args:
        examples: Images, a uint8 array, or float array in [0, 1], of shape
            `(rows, height, width, channels)`; or examples as for `from_examples`: an
            array `(rows, ...)`, or a tuple or dictionary of arrays. They are in memory
            once, unchanged.
        views: A layer or function from examples to a tuple of views, or its name; see
            `views.get`. Images are passed as floats in [0, 1]. An argument `seed` gets
            a new seed for each batch. If an attribute `row_by_row` is true, the views
            of a row depend only on that row, and several batches can be made at once.
        batch_size: Rows in each batch, at least 2.
        seed: Seed of the orders and of random views.
        start_step: The number of the first batch.
        num_steps: The number of batches, over several passes if needed. Defaults to the
            batches of one pass.
        shuffle: Whether each pass has a new random order; otherwise the order is that
            of `examples`. Do not use this for examples sorted by class: in the bounds,
            the other rows of a batch represent the whole distribution.
        index: Whether elements end with the number of each row of `examples`, for a
            memory bank: `((x, y, index),)`.
        labels: Integer array `(rows,)` with which elements end, for a model with a
            `LabelTerm`: `((x, y, labels),)`; or `None`.

    Returns:
        A `tf.data.Dataset` of `num_steps` elements `((x, y),)`, where row i of x and
        row i of y are views of the same example; the index is an int32 tensor
        `(rows,)`.
        If views are made row by row, it is a `BatchStream`.

    Raises:
        ValueError: If the examples are not as described or too few for one batch,
            labels are not one integer from 0 up for each, or an argument has another
            type or is out of range.

    Example:
    >>> import numpy as np
    >>> images = np.zeros((100, 28, 28, 1), "uint8")
    >>> dataset = pairs(images, "halves", batch_size=32)
    >>> len(dataset), dataset.element_spec[0][0].shape
    (3, TensorShape([32, 14, 28, 1]))
    >>> type(dataset).__name__, len(dataset.take(2))
    ('BatchStream', 2)
    """
    index = checks.boolean("index", index)
    if labels is not None:
        labels = as_array("labels", labels)
        examples = as_examples("examples", examples)
        check_labels("labels", labels, rows_of(examples), noun_of(examples))

    def element(views_of_batch, rows_of_batch):
        numbers = (rows_of_batch,) if index else ()
        if labels is not None:
            numbers += (tf.cast(tf.gather(labels, rows_of_batch), tf.int32),)
        return ((*views_of_batch, *numbers),)

    return _stream(
        examples, views, element, batch_size, seed, start_step, num_steps, shuffle
    )


@_with_earlier_name
def labelled(
    examples: Any,
    labels: Any,
    views: Any,
    batch_size: int,
    seed: int = 0,
    start_step: int = 0,
    num_steps: int | None = None,
    shuffle: bool = True,
) -> tf.data.Dataset:
    """Streams batches of view x of examples with their labels, for `fit`.

    Batch number `s` has the same examples as batch number `s` of `pairs`, so that
    training with and without labels can be compared.

    Args:
        examples: As for `pairs`.
        labels: Integer array `(rows,)`.
        views: As for `pairs`.
        batch_size: As for `pairs`.
        seed: As for `pairs`.
        start_step: As for `pairs`.
        num_steps: As for `pairs`.
        shuffle: As for `pairs`.

    Returns:
        A `tf.data.Dataset` of `num_steps` elements `(x, labels)`, where x is the first
        view of the examples.

    Raises:
        ValueError: As for `pairs`, or if there is not one integer from 0 up for each
            example.

    Example:
    >>> import numpy as np
    >>> images, labels = np.zeros((100, 28, 28, 1), "uint8"), np.arange(100)
    >>> dataset = labelled(images, labels, "halves", batch_size=32)
    >>> x, labels_of_x = next(iter(dataset))
    >>> x.shape, labels_of_x.shape
    (TensorShape([32, 14, 28, 1]), TensorShape([32]))
    """
    examples = as_examples("examples", examples)
    labels = as_array("labels", labels)
    check_labels("labels", labels, rows_of(examples), noun_of(examples))

    def element(views_of_batch, rows_of_batch):
        return views_of_batch[0], tf.gather(labels, rows_of_batch)

    return _stream(
        examples, views, element, batch_size, seed, start_step, num_steps, shuffle
    )


def _stream(
    examples: Any,
    views: Any,
    element: Callable,
    batch_size: int,
    seed: int,
    start_step: int,
    num_steps: int | None,
    shuffle: bool,
) -> tf.data.Dataset:
    """As `pairs`; `element` makes an element from the views and rows of a batch."""
    checks.seed("seed", seed)
    examples = as_examples("examples", examples)
    rows = rows_of(examples)
    batch_size = checks.integer(
        "batch_size", batch_size, 2, 128, "The other rows are a row's negatives."
    )
    start_step = checks.integer("start_step", start_step, least=0)
    num_steps = checks.integer("num_steps", num_steps, least=0, optional=True)
    shuffle = checks.boolean("shuffle", shuffle)
    if batch_size > rows:
        noun = noun_of(examples)
        raise ValueError(
            f"batch_size must be at most the number of {noun}; received {batch_size}, "
            f"and {rows} {noun}. Use more {noun}"
            + (f", or --config.batch_size={fitting(rows)}." if rows >= 2 else ".")
        )
    steps_in_pass = rows // batch_size
    num_steps = steps_in_pass if num_steps is None else num_steps
    for name, steps in (("start_step", start_step), ("num_steps", num_steps)):
        if steps >= _TOO_MANY_STEPS:
            raise ValueError(
                f"{name} must be an integer below {_TOO_MANY_STEPS}; received "
                f"{steps!r}. One pass over the examples has {steps_in_pass} steps."
            )
    stop_step = start_step + num_steps
    views_of = view_layers.seeded(view_layers.get(views))
    # Called here, since an error in the graph of tf.data would be wrapped in many
    # lines.
    first = taken(examples, slice(2))
    example = views_of(_as_tensors(prepared(first)), seed=views_seed(seed, -1).numpy())
    if not isinstance(example, tuple | list) or not example:
        # A tensor would be split into its rows, a dictionary into its keys.
        raise ValueError(
            f"views must return a tuple of views; received {type(example).__name__} "
            f"from {views!r}. Return (view,) if there is one."
        )
    if not backends.is_tensorflow():
        views_of = _called_from_graphs(views_of, example)
    # On the host, where tf.data gathers rows, even with an accelerator.
    with tf.device("CPU:0"):
        stored = tf.nest.map_structure(tf.constant, examples)

    def batches_of_pass(number):
        """Numbers of the steps of a pass, and the rows of each."""
        order = tf.range(rows)
        if shuffle:
            # index_shuffle would need no array, but its orders are not uniform: some
            # rows are in the same batch far more often than others.
            order = tf.random.experimental.stateless_shuffle(order, [seed, number])
        order = tf.reshape(
            order[: steps_in_pass * batch_size], (steps_in_pass, batch_size)
        )
        first = number * steps_in_pass
        begin = tf.maximum(start_step - first, 0)
        end = tf.minimum(stop_step - first, steps_in_pass)
        return tf.data.Dataset.from_tensor_slices(
            (first + tf.range(begin, end), order[begin:end])
        )

    def element_of_batch(step, rows_of_batch):
        # All views of an example are made in one place, so no shuffling, sharding or
        # parallel mapping can separate them.
        batch = prepared(
            tf.nest.map_structure(lambda part: tf.gather(part, rows_of_batch), stored)
        )
        views_of_batch = tuple(views_of(batch, seed=views_seed(seed, step)))
        return element(views_of_batch, rows_of_batch)

    def element_of_block(steps, rows_of_block):
        # Rows are independent, so all batches are made as one.
        of_rows = element_of_batch(steps[0], tf.reshape(rows_of_block, (-1,)))
        return tf.nest.map_structure(
            lambda part: tf.reshape(part, (-1, batch_size, *part.shape[1:])), of_rows
        )

    options = tf.data.Options()
    # Not by files, since there are none.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    passes = tf.data.Dataset.range(
        start_step // steps_in_pass, -(-stop_step // steps_in_pass)
    )
    steps = passes.flat_map(batches_of_pass)
    steps = steps.apply(tf.data.experimental.assert_cardinality(num_steps))
    row_by_row = getattr(view_layers.get(views), "row_by_row", False)

    def of_steps(steps):
        batches = (
            steps.map(
                element_of_batch,
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            )
            .prefetch(tf.data.AUTOTUNE)
            .with_options(options)
        )

        def in_blocks(size):
            # Only one block is made ahead, since blocks are large.
            made = steps.batch(size).map(element_of_block).prefetch(1)
            return made.with_options(options)

        # On other backends, a step takes only one batch.
        if not row_by_row or not backends.is_tensorflow():
            return batches
        from keras_infomax.datasets.batch_stream import BatchStream

        return BatchStream(batches, in_blocks, steps, of_steps)

    return of_steps(steps)


def _called_from_graphs(views_of: Callable, example: Any) -> Callable:
    """Wraps views of another backend than TensorFlow for graphs of `tf.data`.

    Args:
        views_of: Function of examples and a seed to a tuple of views.
        example: Its result for a few examples.
    """
    layout = tuple(example)
    parts = keras.tree.flatten(layout)
    dtypes = [keras.backend.standardize_dtype(part.dtype) for part in parts]

    def call(examples, seed):
        def compute(seed, *given):
            packed = keras.tree.pack_sequence_as(examples, list(given))
            # Plain numbers, since Keras would cut an array to 32 bits on JAX.
            views = views_of(_as_tensors(packed), seed=tuple(seed.tolist()))
            return [ops.convert_to_numpy(part) for part in keras.tree.flatten(views)]

        given = keras.tree.flatten(examples)
        found = tf.numpy_function(compute, [seed, *given], dtypes)
        return keras.tree.pack_sequence_as(
            layout,
            [
                tf.ensure_shape(part, (given[0].shape[0], *like.shape[1:]))
                for part, like in zip(found, parts, strict=True)
            ],
        )

    return call


def _as_tensors(examples: Any) -> Any:
    """Converts examples to tensors of the backend; texts are TensorFlow's."""

    def convert(part):
        is_text = part.dtype.kind in "OSU" and not backends.is_tensorflow()
        return part if is_text else ops.convert_to_tensor(part)

    return keras.tree.map_structure(convert, examples)


def views_seed(seed: int, step: Any) -> tf.Tensor:
    """The seed for random views of batch number `step`.

    Args:
        seed: Seed of the stream.
        step: Integer or int64 scalar. Streams count from 0. Negative numbers give draws
            for evaluation, which no stream uses.

    Returns:
        int64 tensor `(2,)`.

    Raises:
        ValueError: If the seed or the step is not an integer.

    Example:
    >>> views_seed(0, 7).shape
    TensorShape([2])
    """
    checks.seed("seed", seed)
    of_tensor = tf.is_tensor(step) and step.dtype.is_integer
    if not of_tensor:
        checks.integer("step", step, -(2**63), example=0, below=2**63)
    # Unlike the seeds [seed, 0], [seed, 1] and so on, which shuffle passes.
    stream = tf.constant([seed, -1], tf.int64)
    return tf.random.fold_in(stream, tf.cast(step, tf.int64))


def fitting(rows: int) -> int:
    """The largest batch size, a power of two and at least 2, for this number of rows.

    Args:
        rows: Number of rows.

    Example:
    >>> fitting(150)
    128
    """
    rows = checks.positive_integer("rows", rows, 128)
    return max(2, 1 << (rows.bit_length() - 1))
