"""Searches critics, bounds, encoders, sizes and rates, with keras-tuner or Optuna.

`HyperModel` works with keras-tuner's own tuners, `StudyObjective` with studies of
Optuna. `search` runs a whole search from a config, with keras-tuner.
"""

import importlib.util
from typing import TYPE_CHECKING, Any

from keras_infomax.tuning.results import Trial, Trials, rank, to_text, write_table
from keras_infomax.tuning.space import Choices, Range, Space
from keras_infomax.tuning.splitting import held_out
from keras_infomax.tuning.studies import StudyObjective

if TYPE_CHECKING or importlib.util.find_spec("keras_tuner") is not None:
    from keras_infomax.tuning.description import Search
    from keras_infomax.tuning.hypermodel import HyperModel
    from keras_infomax.tuning.searching import (
        best_settings,
        report,
        search,
        train_best,
    )
    from keras_infomax.tuning.workers import is_worker

__all__ = [
    "Choices",
    "HyperModel",
    "Range",
    "Search",
    "Space",
    "StudyObjective",
    "Trial",
    "Trials",
    "best_settings",
    "held_out",
    "is_worker",
    "rank",
    "report",
    "search",
    "to_text",
    "train_best",
    "write_table",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        raise ImportError(
            "A search needs keras-tuner. Install it with "
            '`pip install "keras_infomax[tuning]"`.'
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
