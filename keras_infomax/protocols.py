"""What the package asks of objects of others, by attributes that they may have.

None of these classes has to be inherited: an object that has the attribute is one. What
lacks it is treated as the sentence after "otherwise" says.
"""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class GainsByXLA(Protocol):
    """A layer that XLA compiles into faster code for processors.

    Read by `execution.fusion` from the body of the layer's own class, not from a class
    that it is derived from. Otherwise a model with the layer is not fused.
    """

    gains_by_xla: bool


@runtime_checkable
class RowByRow(Protocol):
    """A view layer whose result for one example depends on that example alone.

    Read by `datasets.pairs`, which may then cut views of several batches in one call.
    Otherwise it cuts them batch by batch.
    """

    row_by_row: bool


@runtime_checkable
class ComesInBlocks(Protocol):
    """A dataset that can give several of its batches at once; `datasets.BatchStream`.

    Read by `fit` where it runs several steps in a call. Otherwise it takes the batches
    one by one.
    """

    def in_blocks(self, size: int) -> Any:
        """The same batches, `size` of them stacked, the last ones maybe fewer."""


@runtime_checkable
class LossesAreMeansOverRows(Protocol):
    """A layer whose `add_loss` adds means over the rows that it was given.

    Read on several replicas, which weigh such a loss by their rows. Otherwise a layer
    that adds losses of activations is refused there.
    """

    losses_are_means_over_rows: bool


@runtime_checkable
class UpdatesSeeAllRows(Protocol):
    """A layer or loss that updates its state by the rows of all replicas.

    It gets them by `keras_infomax.distribution.gather`. Read on several replicas.
    Otherwise what updates its state by the rows of one of them is refused there.
    """

    updates_see_all_rows: bool


@runtime_checkable
class GivesLogDensities(Protocol):
    """A critic whose scores are log densities of y given x, in nats.

    Read by `compile` of a loss that says `takes_log_densities`. Otherwise such a loss
    is refused.
    """

    gives_log_densities: bool


@runtime_checkable
class TakesLogDensities(Protocol):
    """A loss that bounds mutual information by log densities alone.

    Read by `compile`, which asks the critic for them. Otherwise any critic will do.
    """

    takes_log_densities: bool


@runtime_checkable
class LooksBetweenSteps(Protocol):
    """A callback that says after how many steps it looks at a run, `None` for epochs.

    Read by `execution.plan`, which runs so many steps in one call. Otherwise a callback
    that defines a hook for batches gets every batch.
    """

    steps_between_looks: int | None


@runtime_checkable
class Measuring(Protocol):
    """A callback that knows numbers of the present weights, `None` where it does not.

    Read by `training` and `tuning`, which write them beside those of the history.
    """

    measurements: dict[str, float | None]
