"""Searches critics, bounds, encoders, sizes and rates with keras-tuner.

`HyperModel` works with keras-tuner's own tuners. `search` runs a whole search from a
config.
"""

try:
    import keras_tuner  # noqa: F401
except ImportError as error:
    raise ImportError(
        "A search needs keras-tuner. Install it with "
        '`pip install "keras_infomax[tuning]"`.'
    ) from error

from keras_infomax.tuning.description import Search
from keras_infomax.tuning.hypermodel import HyperModel
from keras_infomax.tuning.results import Trial, rank, to_text, write_table
from keras_infomax.tuning.searching import (
    best_settings,
    held_out,
    report,
    search,
    train_best,
)
from keras_infomax.tuning.space import Choices, Range, Space
from keras_infomax.tuning.workers import is_worker

__all__ = [
    "Choices",
    "HyperModel",
    "Range",
    "Search",
    "Space",
    "Trial",
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
