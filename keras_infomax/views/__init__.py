"""Layers that take several views of each image of a batch.

Views that are random take a seed with each call, `views(images, seed=seed)`, and are a
pure function of both, so that a run that is resumed sees what it would have seen.
"""

from keras_infomax.views.augmentations import Augmented, augmentations, photographic
from keras_infomax.views.cuts import Halves, Whole
from keras_infomax.views.identifiers import get, seeded
from keras_infomax.views.noise import Noisy

__all__ = [
    "Augmented",
    "Halves",
    "Noisy",
    "Whole",
    "augmentations",
    "get",
    "photographic",
    "seeded",
]
