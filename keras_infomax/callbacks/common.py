"""What the callbacks that measure an encoder have in common."""

import copy
import math
from typing import Any

import keras

from keras_infomax import checks
from keras_infomax.execution import plan


class Measuring(keras.callbacks.Callback):
    """Measures something before the first step, and then every few epochs or steps.

    An epoch logs what was measured of the weights at its end, and NaN where nothing
    was. So whatever is kept, stopped or drawn by a logged value goes by the weights
    that have it: nothing is better than NaN, and all lists of a history are equally
    long. A key that is missing would be worse: `keras.callbacks.ModelCheckpoint` then
    saves whatever there is. But Keras's monitors take the first value for the best so
    far, which must not be NaN: the end of the first epoch is always measured.

    Args:
        every: Positive integer, the number of epochs or steps between measurements.
        unit: `"epoch"` or `"step"`. Steps are those of `optimizer.iterations`.

    Raises:
        ValueError: If `every` or `unit` is none of the above.
    """

    def __init__(self, every: int, unit: str = "epoch"):
        super().__init__()
        self.every = checks.positive_integer("every", every, 5)
        self.unit = checks.one_of("unit", unit, ("epoch", "step"))
        self._history: list[tuple[int, Any]] = []
        self._first_epoch = 0
        # Whether the last of the history is of the weights as they are.
        self._is_current = False

    def __deepcopy__(self, memo):
        # keras-tuner copies callbacks for every trial. The arrays are only read and
        # the model is replaced by the trial's own: both are shared, not copied.
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
        """What is known of the weights as they are, `None` where nothing is."""
        if self._is_current:
            return self._values(self._history[-1][1])
        return dict.fromkeys(self._values(self._history[-1][1]))

    @property
    def steps_between_looks(self) -> int | None:
        """Steps after which it looks at a run, for `execution.choose`."""
        return self.every if self.unit == "step" else None

    def on_train_begin(self, logs=None):
        self._history = []

    def on_epoch_begin(self, epoch, logs=None):
        # Not in on_train_begin: a resuming callback that is listed later has restored
        # weights and epoch only by now.
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
        """Values by all names that have had one in this `fit`."""
        measured = [self._values(measurement) for _, measurement in self._history]
        names = [n for values in measured for n in values if values[n] is not None]
        now = measured[-1] if self._is_current else {}
        logged = {name: now.get(name) for name in names}
        return {n: math.nan if v is None else v for n, v in logged.items()}

    def _record(self, position: int) -> None:
        self._history.append((position, self._measure()))

    def _measure(self) -> Any:
        """Measures the model as it is."""
        raise NotImplementedError

    def _values(self, measurement: Any) -> dict[str, float | None]:
        """The values of a measurement by the names that they log."""
        raise NotImplementedError

    def _arrays(self) -> tuple[Any, ...]:
        """Arrays that copies share."""
        raise NotImplementedError


def steps_of(model: keras.Model) -> int:
    """Number of steps that a model has been trained for, as its optimizer counts them.

    Args:
        model: Compiled Keras model.
    """
    # Not int(iterations): a strategy's mirrored variable does not convert.
    return int(plan.iterations(model.optimizer).numpy())


def encoder_of(model: keras.Model, name: str) -> keras.Layer:
    """Returns the layer that is the model's attribute of this name.

    Raises:
        ValueError: If the model has none.
    """
    encoder = getattr(model, name, None)
    if not isinstance(encoder, keras.Layer):
        raise ValueError(
            f"encoder must name a layer or model that the trained model holds; "
            f"received {name!r}, which is {encoder!r} on {model.name!r}. "
            "InfoMax has 'encoder_x' and 'encoder_y'."
        )
    return encoder
