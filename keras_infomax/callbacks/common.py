"""Base of the callbacks that measure an encoder."""

import copy
import math
from typing import Any

import keras

from keras_infomax import checks
from keras_infomax.execution import plan


class Measuring(keras.callbacks.Callback):
    """Measures something before the first step, then every few epochs or steps.

    An epoch logs the measurement of the weights at its end, or NaN if there is none. So
    callbacks that monitor a logged value act on the weights that have this value, and
    all lists of a history have the same length. NaN is never an improvement. With a
    missing key, `keras.callbacks.ModelCheckpoint` would save any weights. Keras's
    monitors take the first value as the best so far, which must not be NaN, so the end
    of the first epoch is always measured.

    Args:
        every: Positive integer, the number of epochs or steps between measurements.
        unit: `"epoch"` or `"step"`. Steps are those of `optimizer.iterations`.

    Raises:
        ValueError: If `every` or `unit` is not one of the above.
    """

    def __init__(self, every: int, unit: str = "epoch"):
        super().__init__()
        self.every = checks.positive_integer("every", every, 5)
        self.unit = checks.one_of("unit", unit, ("epoch", "step"))
        self._history: list[tuple[int, Any]] = []
        self._first_epoch = 0
        # Whether the last measurement of the history is of the present weights.
        self._is_current = False

    def __deepcopy__(self, memo):
        # keras-tuner copies callbacks for every trial. Arrays are only read, and the
        # model is replaced by that of the trial, so both are shared and not copied.
        for shared in (*self._arrays(), self.model):
            memo[id(shared)] = shared
        copied = copy.copy(self)
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    @property
    def history(self) -> list[tuple[int, Any]]:
        """Pairs of positions and measurements of the last `fit`."""
        return self._history

    @property
    def measurements(self) -> dict[str, float | None]:
        """Measurements of the present weights; `None` for values that are unknown."""
        if self._is_current:
            return self._values(self._history[-1][1])
        return dict.fromkeys(self._values(self._history[-1][1]))

    @property
    def steps_between_looks(self) -> int | None:
        """Number of steps between two measurements, for `execution.plan`."""
        return self.every if self.unit == "step" else None

    def on_train_begin(self, logs=None):
        self._history = []

    def on_epoch_begin(self, epoch, logs=None):
        # Not in on_train_begin: a callback listed later may restore weights and epoch
        # there.
        self._is_current = not self._history
        if self._is_current:
            self._first_epoch = epoch
            self._record(epoch if self.unit == "epoch" else steps_of(self.model))

    def on_train_batch_end(self, batch, logs=None):
        if self.unit == "step":
            last, now = self._history[-1][0], steps_of(self.model)
            if now // self.every > last // self.every:
                self._record(now)

    def on_epoch_end(self, epoch, logs=None):
        in_epochs = self.unit == "epoch"
        position = epoch + 1 if in_epochs else steps_of(self.model)
        is_due = in_epochs and position % self.every == 0
        if is_due or epoch == self._first_epoch:
            if self._history[-1][0] != position:
                self._record(position)
        self._is_current = self._history[-1][0] == position
        if logs is not None:
            logs.update(self._logged())

    def _logged(self) -> dict[str, float]:
        """Values for all names that had a value during this `fit`."""
        measured = [self._values(measurement) for _, measurement in self._history]
        names = [n for values in measured for n in values if values[n] is not None]
        now = measured[-1] if self._is_current else {}
        logged = {name: now.get(name) for name in names}
        return {n: math.nan if v is None else v for n, v in logged.items()}

    def _record(self, position: int) -> None:
        self._history.append((position, self._measure()))

    def _measure(self) -> Any:
        """Measures the present model."""
        raise NotImplementedError

    def _values(self, measurement: Any) -> dict[str, float | None]:
        """Values of a measurement, by their names in the logs."""
        raise NotImplementedError

    def _arrays(self) -> tuple[Any, ...]:
        """Arrays that are shared with copies."""
        raise NotImplementedError


def steps_of(model: keras.Model) -> int:
    """Number of training steps of a model, as its optimizer counts them.

    Args:
        model: Compiled Keras model.
    """
    # Not int(iterations): a strategy's mirrored variable does not convert.
    return int(plan.iterations(model.optimizer).numpy())


def encoder_of(model: keras.Model, name: str) -> keras.Layer:
    """Returns the layer that is the attribute of a model with this name.

    Raises:
        ValueError: If there is no such layer.
    """
    encoder = getattr(model, name, None)
    if not isinstance(encoder, keras.Layer):
        raise ValueError(
            f"encoder must name a layer or model that the trained model holds; "
            f"received {name!r}, which is {encoder!r} on {model.name!r}. "
            "InfoMax has 'encoder_x' and 'encoder_y'."
        )
    return encoder
