"""Examples in memory, with or without labels, and streams of pairs of views of them.

`load`, `from_arrays` and `from_examples` give a data set; `pairs` turns it into what
`InfoMax.fit` trains on. Data are checked here, once, and nowhere later.
"""

from keras_infomax.datasets.batch_stream import BatchStream
from keras_infomax.datasets.dataset import Dataset
from keras_infomax.datasets.examples import (
    ExampleDataset,
    from_examples,
    noun_of,
    prepared,
    rows_of,
    taken,
)
from keras_infomax.datasets.images import ImageDataset, from_arrays, to_float
from keras_infomax.datasets.loading import load
from keras_infomax.datasets.streams import fitting, labelled, pairs, views_seed

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
