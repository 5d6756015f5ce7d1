"""Random changes of the colors of images, and random blur."""

import math

import keras
import numpy as np
from keras import ops

from keras_infomax import checks
from keras_infomax.views import draws, random_views

# Luma of ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomColorJitter(random_views.RandomView):
    """Changes brightness, contrast, saturation and hue of images, in a random order.

    With factors f drawn from [max(0, 1 - strength), 1 + strength], and each result
    clipped to [0, 1]:

        brightness: f image
        contrast: f image + (1 - f) mean of the gray image
        saturation: f image + (1 - f) gray image
        hue: rotated in HSV by an angle from [-hue, hue], in full turns

    The order of the four is drawn for each image. Gray images have no saturation and
    no hue.

    Args:
        brightness: Strength for the brightness.
        contrast: Strength for the contrast.
        saturation: Strength for the saturation.
        hue: Largest angle, at most half of a circle.
        probability: Probability that an image is changed.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Float tensor `(rows, height, width, channels)` in [0, 1], of known size.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to change them.

    Returns:
        Tensor of the shape and dtype of the images.

    Raises:
        ValueError: If a strength is invalid, or saturation or hue are to change and the
            images do not have three channels.

    Example:
    >>> jitter = RandomColorJitter(0.4, 0.4, 0.4, 0.1)
    >>> jitter(ops.ones((8, 32, 32, 3)), seed=(3, 0)).shape
    TensorShape([8, 32, 32, 3])

    Reference:
        Chen et al., 2020, appendix A, https://arxiv.org/abs/2002.05709.
    """

    for_gray = "For gray images write saturation=0, hue=0."

    def __init__(
        self,
        brightness=0.8,
        contrast=0.8,
        saturation=0.8,
        hue=0.2,
        probability=0.8,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed, **kwargs)
        self.brightness = checks.non_negative_number("brightness", brightness, 0.4)
        self.contrast = checks.non_negative_number("contrast", contrast, 0.4)
        self.saturation = checks.non_negative_number("saturation", saturation, 0.4)
        self.hue = checks.number(
            "hue", hue, "in [0, 0.5]", lambda v: 0 <= v <= 0.5, 0.1
        )
        self.probability = checks.probability("probability", probability)
        self.needs_colors = bool(self.saturation or self.hue)

    def transform(self, images, seed):
        numbers = draws.uniform(seed, ops.shape(images)[0], 9)
        factors = ops.stack(
            [
                random_views.between(
                    max(0.0, 1.0 - strength), 1.0 + strength, numbers[:, at]
                )
                for at, strength in enumerate(
                    (self.brightness, self.contrast, self.saturation)
                )
            ],
            axis=1,
        )
        # A random order of three changes, and the position of the hue among them.
        order = ops.argsort(numbers[:, 3:6], axis=1)
        place = ops.floor(4.0 * numbers[:, 6])
        changed = images
        if self.needs_colors:
            changed = _blended(changed, factors, order, [place > k for k in range(3)])
        if self.hue:
            angle = random_views.between(-self.hue, self.hue, numbers[:, 7])
            changed = _turned(changed, angle[:, None, None])
        late = [place <= k for k in range(3)] if self.needs_colors else [None] * 3
        changed = _blended(changed, factors, order, late)
        return random_views.hit(numbers[:, 8] < self.probability, changed, images)

    def get_config(self):
        return {
            **super().get_config(),
            "brightness": self.brightness,
            "contrast": self.contrast,
            "saturation": self.saturation,
            "hue": self.hue,
            "probability": self.probability,
        }


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomGrayscale(random_views.RandomView):
    """Removes all color from some images, which keep their three channels.

    Args:
        probability: Probability that an image loses its color.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Float tensor `(rows, height, width, 3)` of known size.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to change them.

    Returns:
        Tensor of the shape and dtype of the images.

    Raises:
        ValueError: If `probability` is not in [0, 1], or the images do not have three
            channels.

    Example:
    >>> red = ops.convert_to_tensor([[[[1.0, 0.0, 0.0]]]])
    >>> RandomGrayscale(1.0)(red, seed=(3, 0)).numpy().ravel()
    array([0.299, 0.299, 0.299], dtype=float32)
    """

    needs_colors = True

    def __init__(self, probability=0.2, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.probability = checks.probability("probability", probability)

    def transform(self, images, seed):
        drawn = draws.uniform(seed, ops.shape(images)[0])
        gray = ops.broadcast_to(_gray(images), ops.shape(images))
        return random_views.hit(drawn < self.probability, gray, images)

    def get_config(self):
        return {**super().get_config(), "probability": self.probability}


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomSolarize(random_views.RandomView):
    """Inverts the bright pixels of some images: x becomes 1 - x above a threshold.

    Args:
        threshold: Smallest value of pixels that are inverted.
        probability: Probability that an image is changed.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Float tensor `(rows, height, width, channels)` in [0, 1], of known size.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to change them.

    Returns:
        Tensor of the shape and dtype of the images.

    Raises:
        ValueError: If `threshold` or `probability` is not in [0, 1].

    Example:
    >>> image = ops.convert_to_tensor([[[[0.25], [0.5]]]])
    >>> RandomSolarize(0.4, probability=1.0)(image, seed=(3, 0)).numpy().ravel()
    array([0.25, 0.5 ], dtype=float32)

    Reference:
        Grill et al., 2020, "Bootstrap Your Own Latent", appendix B,
        https://arxiv.org/abs/2006.07733.
    """

    def __init__(self, threshold=0.5, probability=0.2, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.threshold = checks.probability("threshold", threshold)
        self.probability = checks.probability("probability", probability, example=0.2)

    def transform(self, images, seed):
        drawn = draws.uniform(seed, ops.shape(images)[0])
        inverted = ops.where(images >= self.threshold, 1.0 - images, images)
        return random_views.hit(drawn < self.probability, inverted, images)

    def get_config(self):
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "probability": self.probability,
        }


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomGaussianBlur(random_views.RandomView):
    """Blurs some images by a Gaussian of random width; edges are mirrored.

    Args:
        sigma: Smallest and largest standard deviation in pixels.
        kernel_size: Odd width of the kernel in pixels; the Gaussian is cut off there,
            and scaled to the sum 1. Defaults to three standard deviations of the widest
            Gaussian in each direction, limited by the image.
        probability: Probability that an image is blurred.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Float tensor `(rows, height, width, channels)` of known size.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to blur.

    Returns:
        Tensor of the shape and dtype of the images.

    Raises:
        ValueError: If an argument is not as described.

    Example:
    >>> RandomGaussianBlur()(ops.ones((8, 64, 64, 3)), seed=(3, 0)).shape
    TensorShape([8, 64, 64, 3])

    Reference:
        Chen et al., 2020, appendix A, https://arxiv.org/abs/2002.05709.
    """

    def __init__(
        self, sigma=(0.1, 2.0), kernel_size=None, probability=0.5, seed=None, **kwargs
    ):
        super().__init__(seed, **kwargs)
        self.sigma = checks.interval("sigma", sigma, example=(0.1, 2.0))
        self.kernel_size = checks.positive_integer(
            "kernel_size", kernel_size, 9, optional=True
        )
        if self.kernel_size is not None and self.kernel_size % 2 == 0:
            raise checks.refusal(
                "kernel_size", "an odd number", kernel_size, "Write kernel_size=9."
            )
        self.probability = checks.probability("probability", probability)

    def transform(self, images, seed):
        numbers = draws.uniform(seed, ops.shape(images)[0], 2)
        sigma = random_views.between(*self.sigma, numbers[:, 0])
        blurred = images
        for _ in range(2):
            blurred = random_views.along_first_axis(
                blurred, self._kernels(sigma, blurred.shape[1])
            )
            blurred = ops.transpose(blurred, (0, 2, 1, 3))
        return random_views.hit(numbers[:, 1] < self.probability, blurred, images)

    def _kernels(self, sigma, size):
        """Matrices `(rows, size, size)` that blur an axis."""
        radius = (self.kernel_size or 2 * math.ceil(3 * self.sigma[1]) + 1) // 2
        # The limit of mirroring once.
        radius = min(radius, size - 1)
        offsets = np.arange(-radius, radius + 1)
        weights = ops.exp(
            -0.5
            * ops.square(ops.convert_to_tensor(offsets, "float32") / sigma[:, None])
        )
        weights = weights / ops.sum(weights, axis=1, keepdims=True)
        taken = np.abs(np.arange(size)[:, None] + offsets)
        taken = np.where(taken < size, taken, 2 * (size - 1) - taken)
        places = (taken[..., None] == np.arange(size)).astype("float32")
        places = places.transpose(1, 0, 2).reshape(len(offsets), size * size)
        return ops.reshape(ops.matmul(weights, places), (-1, size, size))

    def get_config(self):
        return {
            **super().get_config(),
            "sigma": self.sigma,
            "kernel_size": self.kernel_size,
            "probability": self.probability,
        }


def _gray(images):
    if images.shape[-1] != 3:
        return images
    red, green, blue = ops.split(images, 3, axis=-1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def _blended(images, factors, order, wanted):
    """Changes brightness, contrast and saturation in the given order, if requested."""
    for turn, when in enumerate(wanted):
        kind = order[:, turn]
        factor = ops.take_along_axis(factors, kind[:, None], axis=1)[:, 0]
        if when is not None:
            factor = ops.where(when, factor, 1.0)
        factor, kind = factor[:, None, None, None], kind[:, None, None, None]
        gray = _gray(images)
        mean = ops.mean(gray, axis=(1, 2, 3), keepdims=True)
        base = ops.where(kind == 1, mean, ops.where(kind == 2, gray, 0.0))
        images = ops.clip(factor * images + (1.0 - factor) * base, 0.0, 1.0)
    return images


def _turned(images, angle):
    """Rotates the hue of color images by an angle in full turns."""
    red, green, blue = ops.unstack(images, axis=-1)
    value = ops.max(images, axis=-1)
    chroma = value - ops.min(images, axis=-1)
    safe = ops.where(chroma > 0, chroma, 1.0)
    sextant = ops.where(
        value == red,
        (green - blue) / safe,
        ops.where(
            value == green, 2.0 + (blue - red) / safe, 4.0 + (red - green) / safe
        ),
    )
    sextant = sextant + 6.0 * angle
    turned = [
        value - chroma * ops.clip(ops.minimum(k, 4.0 - k), 0.0, 1.0)
        for k in (ops.mod(shift + sextant, 6.0) for shift in (5.0, 3.0, 1.0))
    ]
    return ops.stack(turned, axis=-1)
