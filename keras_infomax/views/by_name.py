"""Views by name, and a common way to call views with a seed."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_infomax import checks
from keras_infomax.views.augmentations import Augmented, photographic
from keras_infomax.views.cuts import Halves, Parts, Whole
from keras_infomax.views.rows import (
    RandomColumnCorruption,
    RandomColumnDropout,
    RandomJitter,
)
from keras_infomax.views.signals import RandomTimeCrop, RandomTimeMask

_BY_NAME = {
    "halves": lambda: Halves(axis=1),
    "left_right": lambda: Halves(axis=2),
    "whole": Whole,
    "augmented": Augmented,
    "augmented_photographs": lambda: Augmented(photographic()),
    "simclr": lambda: Augmented("simclr"),
    "moco": lambda: Augmented("moco"),
    "digits": lambda: Augmented("digits"),
    "parts": Parts,
    "signals": lambda: Augmented(
        [RandomTimeCrop((0.5, 1.0)), RandomJitter(0.1), RandomTimeMask(0.2)]
    ),
    "tables": lambda: Augmented([RandomColumnDropout(0.3), RandomJitter(0.1)]),
    "scarf": lambda: Augmented([RandomColumnCorruption(0.6)], both=False),
}


def get(identifier: Any) -> Callable:
    """Returns views by their name.

    Args:
        identifier: For images: `"halves"` (top and bottom), `"left_right"`, `"whole"`
            (the image itself), `"augmented"` (two augmentations, for digits if the
            images are gray, and for photographs if they are in color),
            `"augmented_photographs"` (the latter for all images), `"simclr"`, `"moco"`,
            `"digits"` (two augmentations by a recipe of `recipes`). For signals:
            `"signals"` (two crops of at least half, with noise and a gap). For tables:
            `"tables"` (two copies with noise and 30 percent of the columns missing) and
            `"scarf"` (the row, and a copy with 60 percent of the columns from other
            rows). For examples of several parts: `"parts"` (each part is a view). Or a
            layer or function from examples `(rows, ...)` to a tuple of views, which is
            returned unchanged.

    Raises:
        ValueError: If `identifier` is not one of these.

    Example:
    >>> get("left_right").axis
    2
    """
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    return checks.lookup("views", identifier, _BY_NAME)()


def seeded(views: Callable) -> Callable:
    """Wraps views as a function that takes a seed, which it may ignore.

    Args:
        views: Layer or function from examples to a tuple of views. It is random if it
            has an argument `seed`; otherwise the seed is ignored.

    Returns:
        Function to be called as `function(images, seed=seed)`.

    Example:
    >>> top, bottom = seeded(Halves())(keras.ops.zeros((8, 28, 28, 1)), seed=(3, 0))
    >>> top.shape
    TensorShape([8, 14, 28, 1])
    """
    checks.function(
        "views",
        views,
        "a layer or function from examples to a tuple of views",
        "Write, for example, views=views.Halves().",
    )
    called = views.call if isinstance(views, keras.Layer) else views
    if "seed" in inspect.signature(called).parameters:
        return views
    return lambda images, seed: views(images)
