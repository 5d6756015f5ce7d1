"""What all layers of random views have in common: a seed in, the same view out."""

import math

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.views import draws


class RandomView(keras.layers.Layer):
    """Base of layers that change each row of a batch at random.

    With `seed` in the call the result is a function of inputs and seed alone, the same
    on every backend, and a row's does not depend on the other rows: this is how streams
    of data call views. Without it, in a model, the layer counts its own seeds on. With
    `training=False` nothing is changed at random.

    Subclasses define `transform(inputs, seed)`, where `seed` is an int32 tensor `(2,)`
    for the functions of `views.draws`, and where it is not the identity
    `unchanged(inputs)`, both of which get and return float32. `ranks` are the
    numbers of axes that inputs may have, rows included, `expected` says what they are,
    `needs_colors` whether they must be images of three channels, and `for_gray` what
    to do about others.

    Args:
        seed: Integer from which the layer counts its own seeds, or `None` for one
            that `keras.utils.set_random_seed` decides.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor `(rows, ...)`.
        seed: Two integers, or `None`.
        training: Whether to change anything, as in the layers of Keras.

    Returns:
        Tensor of the dtype of the inputs, whatever the dtype policy.
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
    """Takes the rows that are chosen from one tensor, and the others from another."""
    shape = (-1, *(1,) * (len(changed.shape) - 1))
    return ops.where(ops.reshape(chosen, shape), changed, unchanged)


def between(low, high, numbers):
    """Numbers in [0, 1) as numbers between two others."""
    return low + (high - low) * numbers


def place(numbers, free):
    """Numbers in [0, 1) as first places of spans, uniform among all that fit.

    Args:
        numbers: Float tensor.
        free: How many places are left beside a span, a float tensor of whole numbers.

    Returns:
        Float tensor of whole numbers from 0 to `free`.
    """
    # Rounding must not lead beyond the last place.
    return ops.minimum(ops.floor(numbers * (free + 1.0)), free)


def along_first_axis(images, matrices):
    """Multiplies the height of each image by a matrix of its own.

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
    # A triangle as wide as two pixels of the crop, or of the result if those are wider.
    weights = 1.0 - ops.abs(pixel + 0.5 - center) / ops.maximum(step, 1.0)
    inside = (pixel >= 0) & (pixel < length)
    weights = ops.where(inside, ops.maximum(weights, 0.0), 0.0)
    return weights / ops.sum(weights, axis=2, keepdims=True)
