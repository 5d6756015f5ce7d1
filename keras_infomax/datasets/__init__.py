"""Data sets in memory, with or without labels, and streams of pairs of views.

`load`, `from_arrays` and `from_examples` make a data set; `pairs` converts its examples
to a dataset for `InfoMax.fit`. Data are checked once, here.
"""

from typing import TYPE_CHECKING, Any

from keras_infomax.datasets.dataset import Dataset
from keras_infomax.datasets.examples import (
    ExampleDataset,
    from_examples,
    noun_of,
    prepared,
)
from keras_infomax.datasets.images import ImageDataset, from_arrays, to_float
from keras_infomax.datasets.loading import load
from keras_infomax.datasets.streams import fitting, labelled, pairs, views_seed
from keras_infomax.structures import rows_of, taken

if TYPE_CHECKING:
    from keras_infomax.datasets.batch_stream import BatchStream

__all__ = [
    "BatchStream",
    "Dataset",
    "ExampleDataset",
    "ImageDataset",
    "fitting",
    "from_arrays",
    "from_examples",
    "labelled",
    "load",
    "noun_of",
    "pairs",
    "prepared",
    "rows_of",
    "taken",
    "to_float",
    "views_seed",
]


def __getattr__(name: str) -> Any:
    # On first use, since this class is derived from one of TensorFlow.
    if name == "BatchStream":
        from keras_infomax.datasets import batch_stream

        return batch_stream.BatchStream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
