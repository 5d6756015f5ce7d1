"""Images in memory, with or without labels, and streams of pairs of views of them.

`load` and `from_arrays` give an `ImageDataset`; `pairs` turns its images into what
`InfoMax.fit` trains on. Data are checked here, once, and nowhere later.
"""

from keras_infomax.datasets.batch_stream import BatchStream
from keras_infomax.datasets.images import (
    ImageDataset,
    from_arrays,
    load,
    to_float,
)
from keras_infomax.datasets.streams import fitting, labelled, pairs, views_seed

__all__ = [
    "BatchStream",
    "ImageDataset",
    "fitting",
    "from_arrays",
    "labelled",
    "load",
    "pairs",
    "to_float",
    "views_seed",
]
