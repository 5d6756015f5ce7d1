"""Training from settings and a workdir: resumable runs, sweeps, and their tables.

`train` does one run, `sweep` a grid of runs. `experiments` defines what is trained.
"""

from keras_infomax.training.recipe import EXPERIMENTS, make_experiment, train
from keras_infomax.training.settings import Settings
from keras_infomax.training.sweeps import Sweep, sweep

__all__ = [
    "EXPERIMENTS",
    "Settings",
    "Sweep",
    "make_experiment",
    "sweep",
    "train",
]
