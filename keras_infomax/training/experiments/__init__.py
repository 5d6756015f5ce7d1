"""Experiments: functions from settings to a model, its data and its measurements.

`building` makes the plain ones. Other modules have the experiments with which the paper
compares them.
"""

from keras_infomax.training.experiments.building import (
    Experiment,
    infomax,
    load_data,
    method,
    named,
    of_model,
)
from keras_infomax.training.experiments.measuring import make_probes
from keras_infomax.training.experiments.parts import (
    check_start,
    make_critic,
    make_encoder,
    make_loss,
    make_model,
    make_optimizer,
    make_probed_views,
    make_views,
)

__all__ = [
    "Experiment",
    "check_start",
    "infomax",
    "load_data",
    "make_critic",
    "make_encoder",
    "make_loss",
    "make_model",
    "make_optimizer",
    "make_probed_views",
    "make_probes",
    "make_views",
    "method",
    "named",
    "of_model",
]
