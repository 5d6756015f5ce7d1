"""Deterministic views: halves, parts, or the whole."""

import keras
from keras import ops

from keras_infomax import checks


@keras.saving.register_keras_serializable(package="keras_infomax")
class Halves(keras.layers.Layer):
    """Cuts each image into two halves: top and bottom, or left and right.

    The halves share no pixel, so common information of their encodings must come from
    the content of the image. The layer has no weights, and keeps the dtype of its input
    under every dtype policy.

    Args:
        axis: The axis to cut, 1 (height: top and bottom) or 2 (width: left and
            right). Defaults to 1.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Tensor `(rows, height, width, channels)`.

    Returns:
        Tuple of two tensors: `(rows, height / 2, width, channels)` each for
        `axis=1`, `(rows, height, width / 2, channels)` each for `axis=2`.

    Raises:
        ValueError: If `axis` is neither 1 nor 2, or if the images lack this axis or
            have an odd size along it.

    Example:
    >>> top, bottom = Halves()(ops.ones((8, 28, 28, 1)))
    >>> top.shape
    TensorShape([8, 14, 28, 1])

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for
        Representation Learning", section 3. https://arxiv.org/abs/1907.13625
    """

    row_by_row = True

    def __init__(self, axis=1, **kwargs):
        # Top and bottom, or left and right.
        axis = checks.one_of("axis", axis, (1, 2))
        super().__init__(autocast=False, **kwargs)
        self.axis = axis

    def call(self, images):
        self.compute_output_shape(images.shape)
        return tuple(ops.split(images, 2, axis=self.axis))

    def compute_output_shape(self, input_shape):
        if len(input_shape) != 4:
            raise ValueError(
                "Halves takes images of shape (rows, height, width, channels); "
                f"received shape {tuple(input_shape)}."
            )
        size = input_shape[self.axis]
        if size is None:
            return (tuple(input_shape),) * 2
        if size % 2:
            side = {1: "height", 2: "width"}[self.axis]
            raise ValueError(
                f"Halves(axis={self.axis}) needs images of even {side}, since it must "
                f"not lose a line of pixels; received shape {tuple(input_shape)}. "
                "Crop, pad or resize the images first, for instance with "
                "datasets.load(..., image_size=(height, width)) or --config.image_size."
            )
        half = list(input_shape)
        half[self.axis] = size // 2
        return (tuple(half),) * 2

    def compute_output_spec(self, images):
        # Keras would announce the compute dtype of the policy.
        return tuple(
            keras.KerasTensor(shape, dtype=images.dtype)
            for shape in self.compute_output_shape(images.shape)
        )

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


@keras.saving.register_keras_serializable(package="keras_infomax")
class Whole(keras.layers.Layer):
    """Takes the whole example as the only view.

    It is for networks that make views themselves, such as those of
    `methods.deep_infomax`.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Tensor `(rows, height, width, channels)` of images, or any other
            example: a tensor `(rows, ...)`, or a structure of these.

    Returns:
        Tuple of the input.

    Example:
    >>> (image,) = Whole()(ops.zeros((8, 28, 28, 1)))
    >>> image.shape
    TensorShape([8, 28, 28, 1])
    """

    row_by_row = True

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, images):
        return (images,)


@keras.saving.register_keras_serializable(package="keras_infomax")
class Parts(keras.layers.Layer):
    """Takes the parts of an example as views, such as an image and its text.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        parts: Tuple of tensors `(rows, ...)`, or a dictionary of them.

    Returns:
        Tuple of the parts; those of a dictionary in the order of their names.

    Raises:
        ValueError: If an example has only one part.

    Example:
    >>> first, second = Parts()({"b": ops.zeros((8, 2)), "a": ops.zeros((8, 3))})
    >>> first.shape
    TensorShape([8, 3])
    """

    row_by_row = True

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, parts):
        if isinstance(parts, dict):
            return tuple(parts[name] for name in sorted(parts))
        if isinstance(parts, (tuple, list)):
            return tuple(parts)
        raise checks.refusal(
            "parts",
            "the parts of an example, a tuple or dictionary of tensors",
            parts,
            "Take views of one tensor, such as 'signals'.",
        )
