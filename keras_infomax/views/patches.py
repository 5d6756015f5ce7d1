"""Layers that cut an image or a signal into a grid of pieces."""

import keras
from keras import ops

from keras_infomax import checks


@keras.saving.register_keras_serializable(package="keras_infomax")
class Patches(keras.layers.Layer):
    """Cuts each image into a sequence of patches, which may overlap.

    The patches come row by row from the top, left to right in each row. Patches as
    wide as the image are strips from top to bottom. Pixels at the end that the stride
    does not reach are left out. The layer has no weights and keeps the dtype of its
    input.

    Args:
        size: Height and width of a patch: positive integer, or pair of integers.
        strides: Pixels from one patch to the next, down and to the right, in the same
            way. Defaults to `size`, without overlap.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Tensor `(rows, height, width, channels)` of static size.

    Returns:
        Tensor `(rows, patches, patch_height, patch_width, channels)`.

    Raises:
        ValueError: If a size is not a positive integer, or the images have another
            shape or are smaller than a patch.

    Example:
    >>> Patches(size=14, strides=7)(ops.ones((8, 28, 28, 1))).shape
    TensorShape([8, 9, 14, 14, 1])

    Reference:
        van den Oord et al., 2018, "Representation Learning with Contrastive
        Predictive Coding", section 3.2, https://arxiv.org/abs/1807.03748.
    """

    def __init__(self, size, strides=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.size = checks.sides("size", size, 2)
        self.strides = (
            self.size if strides is None else checks.sides("strides", strides, 2)
        )

    def call(self, images):
        _check_input(self, images.shape, ("height", "width"), self.size)
        (height, width), (down, right) = self.size, self.strides
        strips = _windows(images, 1, height, down)
        patches = _windows(strips, 3, width, right)
        patches = ops.transpose(patches, (0, 1, 3, 2, 4, 5))
        return ops.reshape(patches, (-1, *self.compute_output_shape(images.shape)[1:]))

    def compute_output_shape(self, input_shape):
        _check_input(self, input_shape, ("height", "width"), self.size)
        rows, *sides, channels = input_shape
        counts = [
            _count(side, size, stride)
            for side, size, stride in zip(sides, self.size, self.strides, strict=True)
        ]
        return (rows, counts[0] * counts[1], *self.size, channels)

    def compute_output_spec(self, images):
        # Keras would announce the compute dtype of the policy.
        shape = self.compute_output_shape(images.shape)
        return keras.KerasTensor(shape, dtype=images.dtype)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "strides": self.strides}


@keras.saving.register_keras_serializable(package="keras_infomax")
class Windows(keras.layers.Layer):
    """Cuts each one-dimensional signal into a sequence of windows in order of time.

    Samples at the end that the stride does not reach are left out. The layer has no
    weights and keeps the dtype of its input.

    Args:
        size: Number of samples in a window.
        strides: Samples from one window to the next. Defaults to `size`, without
            overlap.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        signals: Tensor `(rows, steps, channels)` of static size.

    Returns:
        Tensor `(rows, windows, size, channels)`.

    Raises:
        ValueError: If a size is not a positive integer, or the signals have another
            shape or are shorter than a window.

    Example:
    >>> Windows(size=20, strides=10)(ops.ones((8, 100, 1))).shape
    TensorShape([8, 9, 20, 1])

    Reference:
        van den Oord et al., 2018, "Representation Learning with Contrastive
        Predictive Coding", section 3.1, https://arxiv.org/abs/1807.03748.
    """

    def __init__(self, size, strides=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.size = checks.positive_integer("size", size)
        self.strides = (
            self.size
            if strides is None
            else checks.positive_integer("strides", strides)
        )

    def call(self, signals):
        _check_input(self, signals.shape, ("steps",), (self.size,))
        return _windows(signals, 1, self.size, self.strides)

    def compute_output_shape(self, input_shape):
        _check_input(self, input_shape, ("steps",), (self.size,))
        rows, steps, channels = input_shape
        return (rows, _count(steps, self.size, self.strides), self.size, channels)

    def compute_output_spec(self, signals):
        shape = self.compute_output_shape(signals.shape)
        return keras.KerasTensor(shape, dtype=signals.dtype)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "strides": self.strides}


@keras.saving.register_keras_serializable(package="keras_infomax")
class Quadrants(keras.layers.Layer):
    """Cuts each image into four quadrants: four views that share no pixel.

    The layer has no weights and keeps the dtype of its input.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Tensor `(rows, height, width, channels)`.

    Returns:
        Tuple of four tensors `(rows, height / 2, width / 2, channels)`: top left, top
        right, bottom left, bottom right.

    Raises:
        ValueError: If the images have another shape, or height or width is odd.

    Example:
    >>> quadrants = Quadrants()(ops.ones((8, 28, 28, 1)))
    >>> len(quadrants), quadrants[0].shape
    (4, TensorShape([8, 14, 14, 1]))
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, images):
        _check_input(self, images.shape, ("height", "width"), (2, 2))
        if images.shape[1] % 2 or images.shape[2] % 2:
            raise ValueError(
                "Quadrants needs images of even height and width, since it must not "
                f"lose a line of pixels; received shape {tuple(images.shape)}. Crop, "
                "pad or resize the images first."
            )
        halves = ops.split(images, 2, axis=1)
        return tuple(part for half in halves for part in ops.split(half, 2, axis=2))


def _windows(values, axis, size, stride):
    """Replaces an axis by two axes: windows, and positions in a window."""
    starts = stride * ops.arange(
        _count(values.shape[axis], size, stride), dtype="int32"
    )
    return ops.take(
        values, starts[:, None] + ops.arange(size, dtype="int32")[None], axis=axis
    )


def _count(side, size, stride):
    return (side - size) // stride + 1


def _check_input(layer, shape, axes, sizes):
    sides = tuple(shape[1:-1])
    if len(sides) != len(axes) or None in sides:
        raise ValueError(
            f"{type(layer).__name__} takes inputs of shape (rows, {', '.join(axes)}, "
            f"channels) whose {' and '.join(axes)} are known; received shape "
            f"{tuple(shape)}."
        )
    if any(side < size for side, size in zip(sides, sizes, strict=True)):
        raise ValueError(
            f"{type(layer).__name__} cannot cut pieces of size {tuple(sizes)} from "
            f"inputs of shape {tuple(shape)}. Take smaller pieces, or larger inputs."
        )
