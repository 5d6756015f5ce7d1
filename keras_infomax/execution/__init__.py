"""How steps run: on which replicas, how many in a call, compiled, or in chunks of rows.

Nothing here knows what a step computes: no critic, no loss, no model of ours. All uses
of private names of Keras and TensorFlow stand in `keras_infomax.private`, on the ground
floor, since the rooms beside this one have some, too.
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
