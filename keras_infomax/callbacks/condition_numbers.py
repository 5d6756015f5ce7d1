"""Measures how hard the encoder is to invert while it is learned."""

import copy

import keras

from keras_infomax.callbacks.common import check_every, encoder_of
from keras_infomax.jacobians import (
    PERCENTILES,
    LogConditionNumbers,
    checked_views,
    jacobians,
    log_condition_numbers,
)


class ConditionNumbers(keras.callbacks.Callback):
    """Logs how hard the encoder is to invert while it is learned.

    Before the first step and then every few epochs, takes the Jacobian of the encoding
    of each view, in inference mode, and the logarithm of its condition number; see
    `jacobians.log_condition_numbers`. An encoder that starts as the identity starts
    at 0.

    The logs of each epoch get `log_condition_min`, `log_condition_20`, `_40`, `_60`,
    `_80` and `log_condition_max`, percentiles over the views without interpolation, and
    `singular_examples`, the number of views whose Jacobian is singular. Those views
    have no condition number and are not among the percentiles; where there are no
    others, the percentiles are missing. Between two measurements the last one stands.

    Args:
        views: Float views as the encoder takes them, `(rows, ...)`. 128 half digits
            take some seconds each time.
        encoder: Name of the model's attribute that is measured. Defaults to
            `"encoder_x"`.
        every: Positive integer, the number of epochs between two measurements.
            Defaults to 1.

    Attributes:
        history: List of pairs `(epochs, LogConditionNumbers)` of the last `fit`, where
            `epochs` counts the completed ones, as in `LinearProbe`.

    Raises:
        ValueError: If `every` is not a positive integer, or the views are not one array
            of floats.

    Example:
    ```python
    conditions = kim.callbacks.ConditionNumbers(x[:128])
    history = model.fit(pairs, epochs=10, callbacks=[conditions]).history
    history["log_condition_60"]
    ```

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for Representation
        Learning", Figure 2. https://arxiv.org/abs/1907.13625
    """

    def __init__(self, views, encoder="encoder_x", every=1):
        super().__init__()
        check_every(every)
        self.views = checked_views(views)
        self.encoder = encoder
        self.every = every
        self.history: list[tuple[int, LogConditionNumbers]] = []

    def __deepcopy__(self, memo):
        # As in LinearProbe.
        for shared in (self.views, self._model):
            memo[id(shared)] = shared
        copied = copy.copy(self)
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    def on_train_begin(self, logs=None):
        self.history = []

    def on_epoch_begin(self, epoch, logs=None):
        # Not in on_train_begin, as in LinearProbe.
        if not self.history:
            self._record(epoch)

    def on_epoch_end(self, epoch, logs=None):
        completed = epoch + 1
        if completed % self.every == 0:
            self._record(completed)
        if logs is not None:
            measured = self.measurements.items()
            logs.update({name: value for name, value in measured if value is not None})

    @property
    def measurements(self) -> dict[str, float | None]:
        """The latest percentiles, or `None`s, and the number of singular examples."""
        numbers = self.history[-1][1]
        return {
            **{
                f"log_condition_{name}": numbers.percentile(percent)
                for name, percent in PERCENTILES.items()
            },
            "singular_examples": numbers.singular,
        }

    def _record(self, position: int) -> None:
        encoder = encoder_of(self.model, self.encoder)
        numbers = log_condition_numbers(jacobians(encoder, self.views))
        self.history.append((position, numbers))
