"""Stops a run at NaN or infinity."""

import math
from collections.abc import Callable

import keras
from keras import ops

from keras_infomax import backends
from keras_infomax.callbacks.common import steps_of
from keras_infomax.lazy_tensorflow import concrete


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops a run with an error as soon as its loss or a weight is not finite.

    `keras.callbacks.TerminateOnNaN` checks only the loss, which can remain finite while
    weights of the first layer are NaN: on some CPUs, TensorFlow's fused matrix product
    and ReLU returns 0 for NaN. So this callback also checks the weights, that is, all
    floating-point variables of the model, including statistics of batch normalization.

    On TensorFlow, models of this package record the first such step exactly, however
    many steps run in one execution. On other backends, and for other models, the loss
    is checked after every execution. The weights of all models are checked after every
    20 executions and at the end of each epoch, since reading them takes a tenth of a
    small model's step. An error that only this check finds is reported with the range
    of steps since the last check. Steps are those of `optimizer.iterations`, which does
    not count the steps that the loss scaling of `mixed_float16` skips; these are not
    errors.

    List it before callbacks that save models, or they may save a model with NaN.

    Raises:
        ValueError: During training; the message names the step, and the loss or
            variables.

    Example:
    ```python
    model.fit(pairs, epochs=10, callbacks=[kim.callbacks.StopOnNonFinite()])
    ```
    """

    # Executions between two checks of the weights, which then take less than 1 percent.
    _every = 20
    # None: several steps may run in one call, since errors are reported with a range.
    steps_between_looks = None

    def __init__(self):
        super().__init__()
        self._find_broken: Callable[[], list[str]] | None = None
        self._unchecked = 0

    def __deepcopy__(self, memo):
        # A compiled function cannot be copied, and all other state belongs to one run.
        return type(self)()

    def on_train_begin(self, logs=None):
        self._find_broken = None
        self._unchecked = 0

    def on_train_batch_end(self, batch, logs=None):
        self._unchecked += 1
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            self._stop([f"the loss is {loss}", *self._broken_weights()], executions=1)
        if self._unchecked == self._every or self._known_step() is not None:
            self._check_weights()

    def on_epoch_end(self, epoch, logs=None):
        self._check_weights()

    def _known_step(self) -> int | None:
        # On JAX, reading self.model copies the whole state back to the model.
        on_jax = backends.name() == backends.JAX
        return None if on_jax else getattr(self.model, "first_broken_step", None)

    def _check_weights(self) -> None:
        broken = self._broken_weights()
        if broken:
            self._stop(broken, self._unchecked)
        self._unchecked = 0

    def _broken_weights(self) -> list[str]:
        # Read each time: on JAX this copies the state back to the model.
        model = self.model
        if self._find_broken is None:
            self._find_broken = _finder_of_broken(model.variables)
        return [f"{path} holds NaN or infinity" for path in self._find_broken()]

    def _stop(self, broken: list[str], executions: int) -> None:
        last = steps_of(self.model)
        first = max(last - executions * self.model.steps_per_execution + 1, 1)
        if (known := self._known_step()) is not None:
            first = last = known
        when = f"step {last}" if first >= last else f"steps {first} to {last}"
        rest = f" and {len(broken) - 4} more" if len(broken) > 4 else ""
        shown = ", ".join(broken[:4]) + rest
        raise ValueError(
            f"Training must keep the loss and all weights finite; in {when} {shown}. "
            "Look for NaN in the data, lower the learning rate, or clip the gradients. "
            "Under XLA, invalid batches also become NaN: batches of one row, of views "
            "with different numbers of rows, or of examples without a row in a memory "
            "bank."
        )


def _finder_of_broken(variables: list[keras.Variable]) -> Callable[[], list[str]]:
    floating = [v for v in variables if keras.backend.is_float_dtype(v.dtype)]

    def all_finite():
        return [ops.all(ops.isfinite(variable)) for variable in floating]

    if backends.is_tensorflow():
        all_finite = concrete(all_finite)

    def find_broken():
        pairs = zip(floating, all_finite(), strict=True)
        return [variable.path for variable, is_finite in pairs if not is_finite]

    return find_broken
