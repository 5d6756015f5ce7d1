"""How steps run: on which replicas, how many in a call, compiled, or in chunks of rows.

Nothing here knows what a step computes: this room imports no critic, loss or model of
the package. All uses of private names of Keras and TensorFlow are in
`keras_infomax.private`, because several rooms need them.
"""

from keras_infomax.execution.distribution import (
    gather,
    global_rows,
    mean,
    num_replicas,
    share,
    total,
)

__all__ = [
    "gather",
    "global_rows",
    "mean",
    "num_replicas",
    "share",
    "total",
]
