"""Methods: functions from the shape of an image to an `InfoMax`.

They differ in which encodings are scored, by which critic, and which pairs are
negatives. The model, its `train_step` and the bounds are the same. A new method is one
function in its own module, and an entry in `METHODS`, which gives it a name in configs.
"""

from collections.abc import Callable

from keras_infomax.methods.amdim import amdim
from keras_infomax.methods.augmented_views import augmented_views
from keras_infomax.methods.barlow_twins import barlow_twins
from keras_infomax.methods.byol import byol
from keras_infomax.methods.cmc import cmc
from keras_infomax.methods.cpc import cpc
from keras_infomax.methods.deep_infomax import deep_infomax
from keras_infomax.methods.metric_learning import metric_learning
from keras_infomax.methods.moco import moco
from keras_infomax.methods.simclr import simclr
from keras_infomax.methods.simsiam import simsiam
from keras_infomax.methods.sogclr import sogclr
from keras_infomax.methods.supcon import supcon
from keras_infomax.methods.two_towers import two_towers
from keras_infomax.methods.vicreg import vicreg
from keras_infomax.models.infomax import InfoMax

METHODS: dict[str, Callable[..., InfoMax]] = {
    "amdim": amdim,
    "augmented_views": augmented_views,
    "barlow_twins": barlow_twins,
    "byol": byol,
    "cmc": cmc,
    "cpc": cpc,
    "deep_infomax": deep_infomax,
    "metric_learning": metric_learning,
    "moco": moco,
    "simclr": simclr,
    "simsiam": simsiam,
    "sogclr": sogclr,
    "supcon": supcon,
    "two_towers": two_towers,
    "vicreg": vicreg,
}


def takes_whole_images(experiment: str) -> bool:
    """Whether an experiment is a method; its network makes the views from images.

    Args:
        experiment: Name of an experiment.

    Example:
    >>> takes_whole_images("cpc"), takes_whole_images("infomax")
    (True, False)
    """
    return experiment in METHODS


__all__ = [
    "METHODS",
    "amdim",
    "augmented_views",
    "barlow_twins",
    "byol",
    "cmc",
    "cpc",
    "deep_infomax",
    "metric_learning",
    "moco",
    "simclr",
    "simsiam",
    "sogclr",
    "supcon",
    "vicreg",
    "takes_whole_images",
    "two_towers",
]
