"""The embedded digits as other kinds of data, for runs that need nothing installed."""

import dataclasses

from keras_infomax.datasets.examples import ExampleDataset, from_examples
from keras_infomax.datasets.images import to_float
from keras_infomax.datasets.loading import load


def digits_as_signals(split_seed: int = 0) -> ExampleDataset:
    """The digits read from top to bottom: signals of 28 steps and 28 channels.

    Args:
        split_seed: Seed of the split.

    Example:
    >>> digits_as_signals().example_shape
    (28, 28)
    """
    digits = load("digits", split_seed=split_seed)
    train, test = (
        (to_float(images)[..., 0], labels)
        for images, labels in (
            (digits.train_images, digits.train_labels),
            (digits.test_images, digits.test_labels),
        )
    )
    return dataclasses.replace(
        from_examples(train, test, class_names=digits.class_names), name="digits"
    )
