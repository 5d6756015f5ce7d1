"""Representation learning by mutual information maximization, in Keras 3.

import keras_infomax as kim

model = kim.InfoMax(kim.encoders.mlp((14, 28, 1)), critic="bilinear")
model.compile(optimizer="adam", loss=kim.losses.InfoNCE())
model.fit(pairs_of_views)
"""

import importlib
import warnings
from typing import Any

from keras_infomax import (
    bounds,
    callbacks,
    critics,
    datasets,
    encoders,
    losses,
    methods,
    models,
    probes,
    saved_model,
    training,
    views,
)
from keras_infomax.execution import distribution
from keras_infomax.models import InfoMax, MemoryTerm, Term
from keras_infomax.saved_model import HubEncoder
from keras_infomax.version import __version__

__all__ = [
    "HubEncoder",
    "InfoMax",
    "MemoryTerm",
    "Term",
    "__version__",
    "bounds",
    "callbacks",
    "critics",
    "datasets",
    "distribution",
    "encoders",
    "losses",
    "methods",
    "models",
    "probes",
    "saved_model",
    "training",
    "tuning",
    "views",
]

# Names of earlier versions, and where their contents are now.
_MOVED = {
    "adversarial": "training.experiments.adversarial",
    "archives": "saved_model.archives",
    "base_model": "models.base",
    "baselines": "training.baselines",
    "breakage": "execution.non_finite",
    "checkpoints": "training.checkpoints",
    "chunking": "execution.chunking",
    "claims": "paper.claims",
    "claims_page": "paper.claims_page",
    "colour": "views.color",
    "comparison": "training.comparison",
    "compile_arguments": "models.compile_arguments",
    "dependent": "training.experiments.dependent",
    "event_files": "callbacks.tensorboard.event_files",
    "experiments": "training.experiments",
    "figures": "paper.figures",
    "fit_arguments": "models.fit_arguments",
    "flows": "encoders.flows",
    "folders": "datasets.folders",
    "formats": "saved_model.formats",
    "fusion": "execution.fusion",
    "graphs": "saved_model.safety",
    "harmless": "saved_model.harmless_operations",
    "hub_encoder": "saved_model.hub_encoder",
    "hyper_parameters": "callbacks.tensorboard.hyper_parameters",
    "image_files": "datasets.image_files",
    "inputs": "models.inputs",
    "jacobians": "encoders.condition_numbers",
    "layer_names": "training.layer_names",
    "manifest": "files.manifest",
    "masks": "losses.masks",
    "memory": "models.memory",
    "model_card": "saved_model.model_card",
    "networks": "models.networks",
    "patches": "views.patches",
    "plots": "training.plots",
    "priors": "encoders.priors",
    "processes": "training.processes",
    "projector": "callbacks.tensorboard.projector",
    "random_layers": "execution.random_layers",
    "replicas": "execution.replicas",
    "runs": "training.runs",
    "scalars": "callbacks.tensorboard.scalars",
    "score_summaries": "callbacks.tensorboard.score_summaries",
    "serving": "saved_model.serving",
    "settings": "training.settings",
    "sharing": "models.sharing",
    "sources": "datasets.sources",
    "strategies": "execution.strategies",
    "supervised": "training.experiments.supervised",
    "sweeps": "training.sweeps",
    "terms": "models.terms",
    "traces": "saved_model.traces",
    "verdicts": "paper.verdicts",
    "xla": "execution.xla",
}


def __getattr__(name: str) -> Any:
    # On first use: it needs keras-tuner, which few have installed.
    if name == "tuning":
        return importlib.import_module("keras_infomax.tuning")
    if name in _MOVED:
        place = f"keras_infomax.{_MOVED[name]}"
        warnings.warn(
            f"keras_infomax.{name} is now {place}. Import it from there.",
            DeprecationWarning,
            stacklevel=2,
        )
        return importlib.import_module(place)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
