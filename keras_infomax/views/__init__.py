"""Layers that take several views of each image of a batch.

Views that are random take a seed with each call, `views(images, seed=seed)`, and are a
pure function of both, so that a run that is resumed sees what it would have seen.
"""

from keras_infomax.views.augmentations import Augmented, augmentations, photographic
from keras_infomax.views.by_name import get, seeded
from keras_infomax.views.color import LabViews, rgb_to_lab
from keras_infomax.views.cuts import Halves, Whole
from keras_infomax.views.noise import Noisy
from keras_infomax.views.patches import Patches, Quadrants, Windows

__all__ = [
    "Augmented",
    "Halves",
    "LabViews",
    "Noisy",
    "Patches",
    "Quadrants",
    "Whole",
    "Windows",
    "augmentations",
    "get",
    "photographic",
    "rgb_to_lab",
    "seeded",
]
