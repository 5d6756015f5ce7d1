"""Layers that make several views of each example of a batch.

Random views take a seed with each call, `views(examples, seed=seed)`, and depend only
on both, so a resumed run gets the same views as an uninterrupted one.
"""

from keras_infomax.views.augmentations import Augmented, augmentations, photographic
from keras_infomax.views.by_name import get, seeded
from keras_infomax.views.color import LabViews, rgb_to_lab
from keras_infomax.views.crops import RandomHorizontalFlip, RandomResizedCrop
from keras_infomax.views.cuts import Halves, Parts, Whole
from keras_infomax.views.noise import Noisy
from keras_infomax.views.patches import Patches, Quadrants, Windows
from keras_infomax.views.random_views import RandomView
from keras_infomax.views.recipes import RECIPES
from keras_infomax.views.recoloring import (
    RandomColorJitter,
    RandomGaussianBlur,
    RandomGrayscale,
    RandomSolarize,
)
from keras_infomax.views.rows import (
    RandomColumnCorruption,
    RandomColumnDropout,
    RandomJitter,
    RandomMix,
)
from keras_infomax.views.signals import RandomTimeCrop, RandomTimeMask

__all__ = [
    "Augmented",
    "Halves",
    "LabViews",
    "Noisy",
    "Parts",
    "Patches",
    "Quadrants",
    "RECIPES",
    "RandomColorJitter",
    "RandomColumnCorruption",
    "RandomColumnDropout",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomJitter",
    "RandomMix",
    "RandomResizedCrop",
    "RandomSolarize",
    "RandomTimeCrop",
    "RandomTimeMask",
    "RandomView",
    "Whole",
    "Windows",
    "augmentations",
    "get",
    "photographic",
    "rgb_to_lab",
    "seeded",
]
