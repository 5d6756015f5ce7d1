"""Images in memory, with or without labels, and streams of pairs of views of them.

`load` and `from_arrays` give an `ImageDataset`; `pairs` turns its images into what
`InfoMax.fit` trains on. Data are checked here, once, and nowhere later.
"""

from typing import TYPE_CHECKING, Any

from keras_infomax.datasets.images import (
    ImageDataset,
    from_arrays,
    load,
    to_float,
)
from keras_infomax.datasets.streams import fitting, labelled, pairs, views_seed

if TYPE_CHECKING:
    from keras_infomax.datasets.batch_stream import BatchStream

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


def __getattr__(name: str) -> Any:
    # On first use: its class is derived from one of TensorFlow.
    if name == "BatchStream":
        from keras_infomax.datasets import batch_stream

        return batch_stream.BatchStream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
