"""Base of all layers of random views: the same seed gives the same view."""

import math

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.views import draws


class RandomView(keras.layers.Layer):
    """Base of layers that change each row of a batch at random.

    With `seed` in the call, as in streams of data, the result depends only on inputs
    and seed. It is equal on every backend, and the result of a row does not depend on
    other rows. Without `seed`, as in a model, the layer counts its own seeds. With
    `training=False` nothing is random.

    Subclasses define `transform(inputs, seed)`, where `seed` is an int32 tensor `(2,)`
    for the functions of `views.draws`. If inference is not the identity, they define
    `unchanged(inputs)`. Both receive and return float32. `ranks` are the allowed
    numbers of axes of inputs, including rows. `expected` describes inputs in messages,
    `needs_colors` requires images of three channels, and `for_gray` is the advice for
    other images.

    Args:
        seed: Integer seed of the layer's own seeds, or `None` for one that depends on
            `keras.utils.set_random_seed`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor `(rows, ...)`.
        seed: Two integers, or `None`.
        training: Whether to transform inputs, as in layers of Keras.

    Returns:
        Tensor of the dtype of the inputs, under every dtype policy.
    """

    ranks: tuple[int, ...] = (4,)
    needs_colors = False
    for_gray = "Leave it out for gray images."
    expected = "float images (rows, height, width, channels) of known size"

    def __init__(self, seed=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.seed = checks.seed("seed", seed, optional=True)
        self.generator = keras.random.SeedGenerator(self.seed)
        self.built = True

    def transform(self, inputs, seed):
        raise NotImplementedError

    def unchanged(self, inputs):
        return inputs

    def check(self, shape):
        """Raises a `ValueError` unless the layer takes inputs of this shape."""
        if len(shape) not in self.ranks or None in shape[1:]:
            raise ValueError(
                f"{type(self).__name__} takes {self.expected}; received shape "
                f"{tuple(shape)}. Bring all rows to one shape, and stack them."
            )
        if self.needs_colors and shape[-1] != 3:
            raise ValueError(
                f"{type(self).__name__} changes the colors of images of three "
                f"channels; received shape {tuple(shape)}. {self.for_gray}"
            )

    def call(self, inputs, seed=None, training=True):
        self._check_dtype(inputs)
        self.check(inputs.shape)
        values = ops.cast(inputs, "float32")
        if not training:
            values = self.unchanged(values)
        else:
            seed = self.generator.next() if seed is None else seed
            values = self.transform(values, draws.checked_seed(seed))
        return ops.cast(values, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def compute_output_spec(self, inputs, seed=None, training=True):
        self._check_dtype(inputs)
        self.check(inputs.shape)
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}

    def _check_dtype(self, inputs):
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if "float" not in dtype:
            raise ValueError(
                f"{type(self).__name__} takes {self.expected}; received {dtype}. "
                "Scale pixels to [0, 1] with datasets.to_float, and cast other numbers "
                "to float32."
            )


def hit(chosen, changed, unchanged):
    """Takes chosen rows from one tensor, and the other rows from another tensor."""
    shape = (-1, *(1,) * (len(changed.shape) - 1))
    return ops.where(ops.reshape(chosen, shape), changed, unchanged)


def between(low, high, numbers):
    """Maps numbers in [0, 1) to an interval."""
    return low + (high - low) * numbers


def place(numbers, free):
    """Maps numbers in [0, 1) to start positions of spans, uniform over all that fit.

    Args:
        numbers: Float tensor.
        free: Number of positions that a span leaves free, a float tensor of whole
            numbers.

    Returns:
        Float tensor of whole numbers from 0 to `free`.
    """
    # Rounding must not exceed the last position.
    return ops.minimum(ops.floor(numbers * (free + 1.0)), free)


def along_first_axis(images, matrices):
    """Multiplies each image along its height by its own matrix.

    Args:
        images: Tensor `(rows, height, width, channels)`.
        matrices: Tensor `(rows, results, height)`.

    Returns:
        Tensor `(rows, results, width, channels)`.
    """
    _, height, *others = images.shape
    flat = ops.reshape(images, (-1, height, math.prod(others)))
    return ops.reshape(ops.matmul(matrices, flat), (-1, matrices.shape[1], *others))


def resizing(start, length, size, resized):
    """Matrices that crop an axis and resize it linearly, one for each row.

    Args:
        start: First pixel of each crop, `(rows,)`.
        length: Number of its pixels, `(rows,)`.
        size: Number of pixels of the axis.
        resized: Number of pixels of the result.

    Returns:
        float32 tensor `(rows, resized, size)`.
    """
    start, length = start[:, None, None], length[:, None, None]
    step = length / resized
    center = (ops.arange(resized, dtype="float32")[None, :, None] + 0.5) * step
    pixel = ops.arange(size, dtype="float32")[None, None] - start
    # A triangle with the width of two pixels of the crop or of the result, the wider
    # ones.
    weights = 1.0 - ops.abs(pixel + 0.5 - center) / ops.maximum(step, 1.0)
    inside = (pixel >= 0) & (pixel < length)
    weights = ops.where(inside, ops.maximum(weights, 0.0), 0.0)
    return weights / ops.sum(weights, axis=2, keepdims=True)
