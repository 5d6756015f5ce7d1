"""Layers that take several views of each image of a batch.

Views that are random take a seed with each call, `views(images, seed=seed)`, and are a
pure function of both, so that a run that is resumed sees what it would have seen.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_infomax import names


@keras.saving.register_keras_serializable(package="keras_infomax")
class Halves(keras.layers.Layer):
    """Cuts each image into two halves: top and bottom, or left and right.

    The halves share no pixel, so what their encodings have in common must come
    from the content of the image. The layer has no weights and keeps the dtype of
    its input, whatever the dtype policy.

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
        ValueError: If `axis` is neither 1 nor 2, if the images have no such axis,
            or if their size along it is odd.

    Example:
    >>> top, bottom = Halves()(ops.ones((8, 28, 28, 1)))
    >>> top.shape
    TensorShape([8, 14, 28, 1])

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for
        Representation Learning", section 3. https://arxiv.org/abs/1907.13625
    """

    def __init__(self, axis=1, **kwargs):
        if axis not in (1, 2):
            raise ValueError(
                "axis must be 1 (top and bottom) or 2 (left and right); "
                f"received {axis!r}."
            )
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
                f"Halves(axis={self.axis}) needs images of even {side}, or one line "
                f"of pixels would be lost; received shape {tuple(input_shape)}. "
                "Crop, pad or resize the images first."
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
    """Takes the whole image as the only view.

    For networks that take their views apart themselves, such as those of
    `methods.deep_infomax`.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Tensor `(rows, height, width, channels)`.

    Returns:
        Tuple of the images.

    Example:
    >>> (image,) = Whole()(ops.zeros((8, 28, 28, 1)))
    >>> image.shape
    TensorShape([8, 28, 28, 1])
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, images):
        return (images,)


@keras.saving.register_keras_serializable(package="keras_infomax")
class Noisy(keras.layers.Layer):
    """Adds Gaussian noise to the views that another layer takes.

    Coupled, one and the same noise enters all views of an image. Then the noise, too,
    is something that the views have in common, and an encoder that is not invertible
    loses mutual information with it. Noise drawn for each view by itself is the
    control: it is nothing to be learned. The sums are not clipped to [0, 1].

    Args:
        views: Layer or function from images to a tuple of views, or its name; see
            `get`. If it takes a seed itself, it gets one that is derived from the
            call's.
        stddev: Standard deviation of the noise, in the units of the pixels.
        coupled: Whether all views of an image get the same noise, which takes views
            of one shape. Defaults to `True`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Float tensor `(rows, height, width, channels)`.
        seed: Two integers, as TensorFlow's stateless operations take them. The same
            seed gives the same noise.

    Returns:
        Tuple of tensors of the shapes and dtypes of the views.

    Raises:
        ValueError: If `stddev` is negative or not finite, if the views are not float,
            or if `coupled` views differ in shape.

    Example:
    >>> top, bottom = Noisy("halves", 0.05)(ops.zeros((8, 28, 28, 1)), seed=(3, 0))
    >>> bool(ops.all(top == bottom))
    True

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for
        Representation Learning", section 3.1. https://arxiv.org/abs/1907.13625
    """

    def __init__(self, views, stddev, coupled=True, **kwargs):
        if not (math.isfinite(stddev) and stddev >= 0):
            raise ValueError(
                "stddev must be a finite standard deviation of at least 0; received "
                f"{stddev!r}."
            )
        super().__init__(autocast=False, **kwargs)
        self.views = get(views)
        self.stddev = stddev
        self.coupled = coupled

    def call(self, images, seed):
        views_seed, noise_seed = tf.unstack(tf.random.split(seed))
        views = seeded(self.views)(images, seed=views_seed)
        self._check(views)
        # Equal seeds draw equal noise: the views have the same shape.
        seeds = (
            [noise_seed] * len(views)
            if self.coupled
            else tf.unstack(tf.random.split(noise_seed, len(views)))
        )
        return tuple(
            view
            + tf.random.stateless_normal(
                tf.shape(view), seed, stddev=self.stddev, dtype=view.dtype
            )
            for view, seed in zip(views, seeds, strict=True)
        )

    def _check(self, views):
        dtypes = {keras.backend.standardize_dtype(view.dtype) for view in views}
        if not all("float" in dtype for dtype in dtypes):
            raise ValueError(
                f"Noisy takes float images; received {', '.join(sorted(dtypes))}. "
                "Scale pixels to [0, 1] with datasets.to_float."
            )
        shapes = [tuple(view.shape) for view in views]
        if self.coupled and len(set(shapes)) > 1:
            raise ValueError(
                "Noisy with coupled=True adds one noise to all views, which must have "
                f"one shape; received {', '.join(map(str, shapes))}. Take views of one "
                "shape, or coupled=False."
            )

    def get_config(self):
        return {
            **super().get_config(),
            "views": keras.saving.serialize_keras_object(self.views),
            "stddev": self.stddev,
            "coupled": self.coupled,
        }

    @classmethod
    def from_config(cls, config):
        views = keras.saving.deserialize_keras_object(config["views"])
        return cls(**{**config, "views": views})


_BY_NAME = {
    "halves": lambda: Halves(axis=1),
    "left_right": lambda: Halves(axis=2),
    "whole": Whole,
}


def get(identifier: Any) -> Callable:
    """Returns the views that a name stands for.

    Args:
        identifier: `"halves"` (top and bottom), `"left_right"`, `"whole"` (the image
            itself), or a layer or function from images `(rows, height, width,
            channels)` to a tuple of views, which is returned as it is.

    Raises:
        ValueError: If `identifier` is none of these.

    Example:
    >>> get("left_right").axis
    2
    """
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    return names.lookup("views", identifier, _BY_NAME)()


def seeded(views: Callable) -> Callable:
    """Returns views as a function that is called with a seed, needed or not.

    Args:
        views: Layer or function from images to a tuple of views. It is random if it
            has an argument `seed`; otherwise the seed is left out.

    Returns:
        Function to be called as `function(images, seed=seed)`.

    Example:
    >>> top, bottom = seeded(Halves())(ops.zeros((8, 28, 28, 1)), seed=(3, 0))
    >>> top.shape
    TensorShape([8, 14, 28, 1])
    """
    called = views.call if isinstance(views, keras.Layer) else views
    if "seed" in inspect.signature(called).parameters:
        return views
    return lambda images, seed: views(images)
