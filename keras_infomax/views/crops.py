"""Random resized crops and random mirror images."""

import math

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.views import draws, random_views

# After this number of crops that do not fit, a crop in the middle is taken.
_ATTEMPTS = 10


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomResizedCrop(random_views.RandomView):
    """Crops a random part of each image, and resizes it to one size.

    Area and aspect ratio are drawn at random. The position is uniform over all
    positions that fit:

        area = height * width * uniform(scale)
        ratio = exp(uniform(log(scale of ratios)))
        crop = round(sqrt(area / ratio)) high, round(sqrt(area * ratio)) wide

    Of ten such crops, the first that fits into the image is taken. If none fits, the
    crop is the largest one in the middle of the image within the range of ratios. Crops
    are resized linearly, with antialiasing if they shrink, as by Pillow.

    It computes two matrix products per image, in a pipeline or in a model, and is
    differentiable. Inference resizes the whole image.

    Args:
        size: Height and width of the result: positive integer, or pair of integers.
            Defaults to the size of the images.
        scale: Smallest and largest area of a crop, as a fraction of that of the image.
        ratio: Smallest and largest ratio of width to height.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Float tensor `(rows, height, width, channels)` of known size.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to crop.

    Returns:
        Tensor `(rows, *size, channels)` of the dtype of the images.

    Raises:
        ValueError: If a range is invalid, or the images have another shape or dtype.

    Example:
    >>> images = ops.ones((8, 32, 48, 3))
    >>> RandomResizedCrop(24, scale=(0.2, 1.0))(images, seed=(3, 0)).shape
    TensorShape([8, 24, 24, 3])

    Reference:
        Szegedy et al., 2015, "Going Deeper with Convolutions", section 6,
        https://arxiv.org/abs/1409.4842; as an augmentation of contrastive learning:
        Chen et al., 2020, appendix A, https://arxiv.org/abs/2002.05709.
    """

    def __init__(
        self, size=None, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), seed=None, **kwargs
    ):
        super().__init__(seed, **kwargs)
        self.size = None if size is None else checks.sides("size", size, 2)
        self.scale = checks.interval("scale", scale, most=1.0, example=(0.08, 1.0))
        self.ratio = checks.interval("ratio", ratio, example=(0.75, 1.333))

    def transform(self, images, seed):
        _, height, width, _ = images.shape
        boxes = self.boxes(ops.shape(images)[0], height, width, seed)
        top, left, high, wide = ops.unstack(ops.cast(boxes, "float32"), axis=1)
        rows, columns = self.size or (height, width)
        images = random_views.along_first_axis(
            images, random_views.resizing(top, high, height, rows)
        )
        images = ops.transpose(images, (0, 2, 1, 3))
        images = random_views.along_first_axis(
            images, random_views.resizing(left, wide, width, columns)
        )
        return ops.transpose(images, (0, 2, 1, 3))

    def boxes(self, rows, height, width, seed):
        """The crops of images for a seed.

        Args:
            rows: Number of images.
            height: Their height in pixels.
            width: Their width.
            seed: Two integers.

        Returns:
            int32 tensor `(rows, 4)`: top and left, height and width of each crop.
        """
        numbers = draws.uniform(draws.checked_seed(seed), rows, 2 * _ATTEMPTS + 2)
        parts = random_views.between(*self.scale, numbers[:, :_ATTEMPTS])
        area = height * width * parts
        low, high = map(math.log, self.ratio)
        ratio = ops.exp(random_views.between(low, high, numbers[:, _ATTEMPTS:-2]))
        crop_height = ops.round(ops.sqrt(area / ratio))
        crop_width = ops.round(ops.sqrt(area * ratio))
        fits = (crop_height >= 1) & (crop_height <= height)
        fits &= (crop_width >= 1) & (crop_width <= width)
        first = ops.argmax(ops.cast(fits, "int32"), axis=1)[:, None]
        any_fits = ops.any(fits, axis=1)
        middle_height, middle_width = self._middle(height, width)
        crop_height, crop_width = (
            ops.where(any_fits, ops.take_along_axis(drawn, first, axis=1)[:, 0], middle)
            for drawn, middle in (
                (crop_height, float(middle_height)),
                (crop_width, float(middle_width)),
            )
        )
        place = [
            ops.where(
                any_fits,
                random_views.place(numbers[:, at], free),
                ops.floor(free / 2.0),
            )
            for at, free in ((-2, height - crop_height), (-1, width - crop_width))
        ]
        return ops.cast(ops.stack([*place, crop_height, crop_width], axis=1), "int32")

    def _middle(self, height, width):
        low, high = self.ratio
        if width / height < low:
            return max(round(width / low), 1), width
        if width / height > high:
            return height, max(round(height * high), 1)
        return height, width

    def unchanged(self, images):
        if self.size is None:
            return images
        return ops.image.resize(
            images, self.size, antialias=True, data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        rows, *size, channels = input_shape
        return (rows, *(self.size or size), channels)

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "scale": self.scale,
            "ratio": self.ratio,
        }


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomHorizontalFlip(random_views.RandomView):
    """Mirrors left and right of some images.

    Args:
        probability: Probability that an image is mirrored.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        images: Float tensor `(rows, height, width, channels)` of known size.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to mirror.

    Returns:
        Tensor of the shape and dtype of the images.

    Raises:
        ValueError: If `probability` is not in [0, 1].

    Example:
    >>> image = ops.convert_to_tensor([[[[0.1], [0.9]]]])
    >>> RandomHorizontalFlip(1.0)(image, seed=(3, 0)).numpy().ravel()
    array([0.9, 0.1], dtype=float32)
    """

    def __init__(self, probability=0.5, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.probability = checks.probability("probability", probability)

    def transform(self, images, seed):
        drawn = draws.uniform(seed, ops.shape(images)[0])
        mirrored = ops.flip(images, axis=2)
        return random_views.hit(drawn < self.probability, mirrored, images)

    def get_config(self):
        return {**super().get_config(), "probability": self.probability}
