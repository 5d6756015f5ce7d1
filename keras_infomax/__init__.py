"""Representation learning by mutual information maximisation, in Keras 3.

import keras_infomax as kim

model = kim.InfoMax(kim.encoders.mlp((14, 28, 1)), critic="bilinear")
model.compile(optimizer="adam", loss=kim.losses.InfoNCE())
model.fit(pairs_of_views)
"""

import importlib
from typing import Any

from keras_infomax import (
    adversarial,
    bounds,
    callbacks,
    claims,
    colour,
    comparison,
    critics,
    datasets,
    dependent,
    distribution,
    encoders,
    experiments,
    figures,
    flows,
    hyper_parameters,
    jacobians,
    losses,
    masks,
    memory,
    methods,
    patches,
    priors,
    probes,
    runs,
    saved_model,
    settings,
    strategies,
    supervised,
    sweeps,
    training,
    views,
)
from keras_infomax.hub_encoder import HubEncoder
from keras_infomax.memory import MemoryTerm
from keras_infomax.models import InfoMax
from keras_infomax.terms import Term
from keras_infomax.version import __version__

__all__ = [
    "HubEncoder",
    "InfoMax",
    "MemoryTerm",
    "Term",
    "__version__",
    "adversarial",
    "bounds",
    "callbacks",
    "claims",
    "comparison",
    "colour",
    "critics",
    "datasets",
    "dependent",
    "distribution",
    "encoders",
    "experiments",
    "figures",
    "flows",
    "hyper_parameters",
    "jacobians",
    "losses",
    "masks",
    "memory",
    "methods",
    "priors",
    "patches",
    "probes",
    "runs",
    "saved_model",
    "settings",
    "strategies",
    "supervised",
    "sweeps",
    "training",
    "tuning",
    "views",
]


def __getattr__(name: str) -> Any:
    # On first use: it needs keras-tuner, which few have installed.
    if name == "tuning":
        return importlib.import_module("keras_infomax.tuning")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
