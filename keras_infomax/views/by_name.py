"""Views by name, and views that are called with a seed, needed or not."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_infomax import checks
from keras_infomax.views.augmentations import Augmented, photographic
from keras_infomax.views.cuts import Halves, Whole

_BY_NAME = {
    "halves": lambda: Halves(axis=1),
    "left_right": lambda: Halves(axis=2),
    "whole": Whole,
    "augmented": Augmented,
    "augmented_photographs": lambda: Augmented(photographic()),
    "simclr": lambda: Augmented("simclr"),
    "moco": lambda: Augmented("moco"),
    "digits": lambda: Augmented("digits"),
}


def get(identifier: Any) -> Callable:
    """Returns the views that a name stands for.

    Args:
        identifier: `"halves"` (top and bottom), `"left_right"`, `"whole"` (the image
            itself), `"augmented"` (two augmentations, which suit digits if the images
            are gray, and photographs if they are in color), `"augmented_photographs"`
            (the latter, whatever the images), `"simclr"`, `"moco"`, `"digits"` (two
            augmentations by a recipe of `recipes`), or a layer or function from images
            `(rows, height, width, channels)` to a tuple of views, which is returned as
            it is.

    Raises:
        ValueError: If `identifier` is none of these.

    Example:
    >>> get("left_right").axis
    2
    """
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    return checks.lookup("views", identifier, _BY_NAME)()


def seeded(views: Callable) -> Callable:
    """Returns views as a function that is called with a seed, needed or not.

    Args:
        views: Layer or function from images to a tuple of views. It is random if it
            has an argument `seed`; otherwise the seed is left out.

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
        "a layer or function from images to a tuple of views",
        "Write, for example, views=views.Halves().",
    )
    called = views.call if isinstance(views, keras.Layer) else views
    if "seed" in inspect.signature(called).parameters:
        return views
    return lambda images, seed: views(images)
