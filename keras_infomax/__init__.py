"""Representation learning by mutual information maximization, in Keras 3.

import keras_infomax as kim

model = kim.InfoMax(kim.encoders.mlp((14, 28, 1)), critic="bilinear")
model.compile(optimizer="adam", loss=kim.losses.InfoNCE())
model.fit(pairs_of_views)
"""

import importlib
import pathlib
import sys
import warnings
from typing import TYPE_CHECKING, Any

from keras_infomax.version import __version__


def _starts_a_program() -> bool:
    """Whether this process is `keras-infomax`, or a program by `python -m`, starting.

    It may be asked for help alone, which must not wait for TensorFlow.
    """
    called = sys.argv[0] if getattr(sys, "argv", None) else ""
    if called != "-m":
        return pathlib.PurePath(called).stem == "keras-infomax"
    after = sys.orig_argv.index("-m") + 1 if "-m" in sys.orig_argv else 0
    module = sys.orig_argv[after] if after else "keras_infomax"
    return module.partition(".")[0] in ("keras_infomax", "trainers", "export")


# Programs load them on first use; see `programs.running`. Elsewhere at once: Keras
# finds a class that it loads by its name, if its module has been imported.
if TYPE_CHECKING or not _starts_a_program():
    from keras_infomax import (
        bounds,
        callbacks,
        critics,
        datasets,
        distributions,
        encoders,
        estimation,
        losses,
        methods,
        models,
        plots,
        probes,
        saved_model,
        training,
        views,
    )
    from keras_infomax.estimation import estimate_mi
    from keras_infomax.execution import distribution
    from keras_infomax.models import InfoMax, MemoryTerm, Term
    from keras_infomax.saved_model import HubEncoder

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
    "distributions",
    "encoders",
    "estimate_mi",
    "estimation",
    "losses",
    "methods",
    "models",
    "plots",
    "probes",
    "saved_model",
    "training",
    "tuning",
    "views",
]

# Where names are that are no modules right below.
_HOMES = {
    "HubEncoder": "saved_model",
    "InfoMax": "models",
    "MemoryTerm": "models",
    "Term": "models",
    "distribution": "execution",
    "estimate_mi": "estimation",
}

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
    if name in _HOMES:
        home = importlib.import_module(f"keras_infomax.{_HOMES[name]}")
        return getattr(home, name)
    # `tuning` always on first use: it needs keras-tuner, which few have installed.
    if name in __all__:
        return importlib.import_module(f"keras_infomax.{name}")
    if name in _MOVED:
        place = f"keras_infomax.{_MOVED[name]}"
        warnings.warn(
            f"keras_infomax.{name} is now {place}. Import it from there.",
            DeprecationWarning,
            stacklevel=2,
        )
        return importlib.import_module(place)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
