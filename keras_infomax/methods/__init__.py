"""Methods of the family: each a function from the shape of an image to an `InfoMax`.

They differ in which encodings are scored, by which critic, and which pairs are
negatives; the model, its `train_step` and the bounds are shared. A new method is one
function in a module of its own, and an entry in `METHODS`, which makes it an
experiment that configs name.
"""

from keras_infomax.methods.amdim import amdim
from keras_infomax.methods.augmented_views import augmented_views
from keras_infomax.methods.deep_infomax import deep_infomax

METHODS = {
    "amdim": amdim,
    "augmented_views": augmented_views,
    "deep_infomax": deep_infomax,
}

__all__ = ["METHODS", "amdim", "augmented_views", "deep_infomax"]
