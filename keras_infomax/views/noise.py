"""Adds noise to other views."""

import keras
from keras import ops

from keras_infomax import backends, checks
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.views.by_name import get, seeded


@keras.saving.register_keras_serializable(package="keras_infomax")
class Noisy(keras.layers.Layer):
    """Adds Gaussian noise to the views of another layer.

    Coupled noise is the same for all views of an image. Then the noise is also shared
    information, and an encoder that is not invertible loses a part of it. Independent
    noise for each view is the control: there is nothing to learn from it. The sums are
    not clipped to [0, 1].

    Args:
        views: Layer or function from images to a tuple of views, or its name; see
            `get`. If it takes a seed itself, it gets one that is derived from the seed
            of the call.
        stddev: Standard deviation of the noise, in the units of the pixels.
        coupled: Whether all views of an image get the same noise, which requires views
            of the same shape. Defaults to `True`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Float tensor `(rows, height, width, channels)`.
        seed: Two integers, as for TensorFlow's stateless operations. The same seed
            gives the same noise.

    Returns:
        Tuple of tensors of the shapes and dtypes of the views.

    Raises:
        ValueError: If `stddev` is negative or not finite, if the views are not float,
            or if `coupled` views differ in shape.

    Example:
    >>> top, bottom = Noisy("halves", 0.05)(
    ...     keras.ops.zeros((8, 28, 28, 1)), seed=(3, 0)
    ... )
    >>> bool(keras.ops.all(top == bottom))
    True

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for
        Representation Learning", section 3.1. https://arxiv.org/abs/1907.13625
    """

    def __init__(self, views, stddev, coupled=True, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.views = get(views)
        self.stddev = checks.non_negative_number("stddev", stddev, 0.05)
        self.coupled = checks.boolean("coupled", coupled)

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
            view + self._noise(view, seed)
            for view, seed in zip(views, seeds, strict=True)
        )

    def _noise(self, view, seed):
        dtype = keras.backend.standardize_dtype(view.dtype)
        noise = tf.random.stateless_normal(
            ops.shape(view), seed, stddev=self.stddev, dtype=dtype
        )
        if backends.is_tensorflow():
            return noise
        # TensorFlow's on every backend, so that a run can resume under another one.
        return ops.convert_to_tensor(noise.numpy())

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
                "Noisy with coupled=True adds the same noise to all views, which must "
                f"have one shape; received {', '.join(map(str, shapes))}. Use views of "
                "one shape, or coupled=False."
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
