"""Stops a run when its numbers break."""

import math
from collections.abc import Callable

import keras
from keras import ops

from keras_infomax import backends
from keras_infomax.callbacks.common import steps_of
from keras_infomax.lazy_tensorflow import concrete


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops a run with an error as soon as its loss or weights are no longer finite.

    `keras.callbacks.TerminateOnNaN` looks at the loss alone, which can stay finite for
    ever while the first layer's weights are NaN: on some CPUs, TensorFlow's fused
    matrix product and ReLU returns 0 for NaN. So this callback reads the weights, too,
    that is, all floating-point variables of the model, batch-norm statistics included.

    On TensorFlow the models of this package tell the step that broke first, whatever
    the number of steps in an execution. Elsewhere, and of other models, the loss is
    checked after every execution, and of all models the weights, every single one,
    after every 20 and at the end of each epoch, because reading them costs a tenth of a
    small model's step: what only that finds is reported with the range of steps since
    the last look. Steps are those of `optimizer.iterations`, which does not count the
    steps that the loss scaling of `mixed_float16` skips; skipping them is no failure.

    List it before callbacks that save models, or they may save a broken one.

    Raises:
        ValueError: While training, naming the step and the loss or variables.

    Example:
    ```python
    model.fit(pairs, epochs=10, callbacks=[kim.callbacks.StopOnNonFinite()])
    ```
    """

    # Executions between two looks at the weights: below one percent of the time.
    _every = 20
    # It says which steps it looked at, however many there were.
    steps_between_looks = None

    def __init__(self):
        super().__init__()
        self._find_broken: Callable[[], list[str]] | None = None
        self._unchecked = 0

    def __deepcopy__(self, memo):
        # A compiled function cannot be copied; nothing else here outlasts a run.
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
        # On JAX to ask for the model brings all of its state back from the steps.
        on_jax = backends.name() == backends.JAX
        return None if on_jax else getattr(self.model, "first_broken_step", None)

    def _check_weights(self) -> None:
        broken = self._broken_weights()
        if broken:
            self._stop(broken, self._unchecked)
        self._unchecked = 0

    def _broken_weights(self) -> list[str]:
        # Asked for each time: on JAX that brings the state back from the steps.
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
            "Where XLA compiles, batches of one row, of views that differ in rows, or "
            "of examples that a memory bank has no row for, show as NaN, too."
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
