"""Watches a training run: measures its encoder, stops it when its numbers break."""

import copy
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_infomax.jacobians import (
    PERCENTILES,
    LogConditionNumbers,
    jacobians,
    log_condition_numbers,
)
from keras_infomax.probes import LogisticProbe, check_classes, check_labelled, encode


class LinearProbe(keras.callbacks.Callback):
    """Logs how well a linear classifier reads the encodings while they are learned.

    Before the first step and then every few epochs or steps, encodes the training and
    test views with the encoder as it stands, fits a fresh probe on the former and
    scores it on the latter. The encoder is called in inference mode and is checked not
    to have moved. Both sets are the caller's own, whatever the model is trained on.

    The accuracy enters the logs of each epoch as `probe_accuracy`; in epochs without a
    probe the last value stands. Callbacks listed *after* this one can use it. To
    `EarlyStopping` and `ModelCheckpoint` pass `monitor="probe_accuracy", mode="max"`,
    since they refuse to guess the direction; to keras-tuner
    `keras_tuner.Objective("probe_accuracy", "max")`.

    The pixel baseline, the accuracy of the same probe fitted on the raw views, is
    printed when training starts: an encoder that stays below it has lost more than
    it has made accessible.

    Args:
        train: Pair `(x, labels)` on which the probe is fitted: float views as the
            encoder takes them, `(rows, ...)`, and integers of shape `(rows,)`.
        test: Pair `(x, labels)` on which it is scored.
        every: Positive integer, the number of epochs or steps between two probes.
            Defaults to 1.
        unit: `"epoch"`, the default, or `"step"`. Steps are those of
            `optimizer.iterations`. Where one execution runs several steps
            (`steps_per_execution`), a probe falls after the first that reaches its
            step.
        encoder: Name of the model's attribute that is probed. Defaults to
            `"encoder_x"`.
        probe: Object with `fit(x, labels)` and `score(x, labels)`. Defaults to
            `LogisticProbe()`.

    Attributes:
        history: List of pairs `(position, accuracy)` of the last `fit`. The position
            counts completed epochs or steps, so the first pair is the start of
            training: position 0, or where a resumed run went on.
        pixel_baseline: Accuracy of the probe on the raw views; `None` before the first
            `fit`.

    Raises:
        ValueError: If `train` or `test` is not a pair of labelled finite float views,
            if their widths differ, if `train` has one class only, or if `every` or
            `unit` is none of the above.

    Example:
    ```python
    probe = kim.callbacks.LinearProbe(train=(x, labels), test=(x_test, labels_test))
    best = keras.callbacks.ModelCheckpoint(
        "best.keras", monitor="probe_accuracy", mode="max", save_best_only=True
    )
    model.fit(pairs, epochs=10, callbacks=[probe, best])
    ```

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for Representation
        Learning", Section 3. https://arxiv.org/abs/1907.13625
    """

    def __init__(
        self, train, test, every=1, unit="epoch", encoder="encoder_x", probe=None
    ):
        super().__init__()
        self.train = _labelled_views("train", train)
        self.test = _labelled_views("test", test)
        check_classes("train", self.train[1])
        train_shape, test_shape = self.train[0].shape[1:], self.test[0].shape[1:]
        if train_shape != test_shape:
            raise ValueError(
                f"test must hold views of the shape of train, {train_shape}; got "
                f"{test_shape}. Cut and scale both sets alike."
            )
        _check_every(every)
        if unit not in ("epoch", "step"):
            raise ValueError(
                f"unit must be 'epoch' or 'step'; got {unit!r}. It says what `every` "
                "counts."
            )
        self.every = every
        self.unit = unit
        self.encoder = encoder
        self.probe = LogisticProbe() if probe is None else probe
        self.history: list[tuple[int, float]] = []
        self.pixel_baseline: float | None = None

    def __deepcopy__(self, memo):
        # keras-tuner copies callbacks for every trial. The arrays are only read and
        # the model is replaced by the trial's own: both are shared, not copied.
        for shared in (*self.train, *self.test, self._model):
            memo[id(shared)] = shared
        copied = copy.copy(self)
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    def on_train_begin(self, logs=None):
        self.history = []
        if self.pixel_baseline is None:
            self.pixel_baseline = self._accuracy(self.train[0], self.test[0])
            if self.params.get("verbose"):
                print(f"LinearProbe: pixel baseline {self.pixel_baseline:.4f}")

    def on_epoch_begin(self, epoch, logs=None):
        # Not in on_train_begin: a resuming callback that is listed later has restored
        # weights and epoch only by now.
        if not self.history:
            self._record(epoch if self.unit == "epoch" else self._steps())

    def on_train_batch_end(self, batch, logs=None):
        if self.unit == "step":
            last, now = self.history[-1][0], self._steps()
            if now // self.every > last // self.every:
                self._record(now)

    def on_epoch_end(self, epoch, logs=None):
        completed = epoch + 1
        if self.unit == "epoch" and completed % self.every == 0:
            self._record(completed)
        if logs is not None:
            logs["probe_accuracy"] = self.history[-1][1]

    @property
    def measurements(self) -> dict[str, float | None]:
        """The latest `probe_accuracy`, and the `pixel_baseline`."""
        return {
            "probe_accuracy": self.history[-1][1],
            "pixel_baseline": self.pixel_baseline,
        }

    def _steps(self) -> int:
        # Not int(iterations): a strategy's mirrored variable does not convert.
        return int(self.model.optimizer.iterations.numpy())

    def _record(self, position: int) -> None:
        encoder = _encoder_of(self.model, self.encoder)
        accuracy = self._accuracy(
            encode(encoder, self.train[0]), encode(encoder, self.test[0])
        )
        self.history.append((position, accuracy))

    def _accuracy(self, train_x: np.ndarray, test_x: np.ndarray) -> float:
        return self.probe.fit(train_x, self.train[1]).score(test_x, self.test[1])


def _labelled_views(name: str, pair: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(
            f"{name} must be a pair (x, labels) of arrays; got {type(pair).__name__}. "
            "Collect a data set into two arrays first."
        )
    x, labels = map(np.asarray, pair)
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(
            f"{name} must hold float views, scaled as the encoder takes them; got "
            f"{x.dtype}. Scale images with x.astype('float32') / 255."
        )
    return check_labelled(name, x, labels)


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
        ValueError: If `every` is not a positive integer.

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
        _check_every(every)
        self.views = np.asarray(views)
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
        encoder = _encoder_of(self.model, self.encoder)
        numbers = log_condition_numbers(jacobians(encoder, self.views))
        self.history.append((position, numbers))


def _check_every(every: Any) -> None:
    if not isinstance(every, int) or every < 1:
        raise ValueError(
            f"every must be a positive integer; got {every!r}. Give the number of "
            "epochs or steps between two measurements."
        )


def _encoder_of(model: keras.Model, name: str) -> keras.Layer:
    encoder = getattr(model, name, None)
    if not isinstance(encoder, keras.Layer):
        raise ValueError(
            f"encoder must name a layer or model that the trained model holds; got "
            f"{name!r}, which is {encoder!r} on {model.name!r}. "
            "InfoMax has 'encoder_x' and 'encoder_y'."
        )
    return encoder


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops a run with an error as soon as its loss or weights are no longer finite.

    `keras.callbacks.TerminateOnNaN` looks at the loss alone, which can stay finite for
    ever while the first layer's weights are NaN: on some CPUs, TensorFlow's fused
    matrix product and ReLU returns 0 for NaN. So this callback reads the weights, too,
    that is, all floating-point variables of the model, batch-norm statistics included.

    The loss is checked after every execution, the weights after every 20 and at the end
    of each epoch, because reading them costs a tenth of a small model's step. A weight
    that breaks alone is therefore reported with a range of up to 20 executions. Steps
    are those of `optimizer.iterations`, which does not count the steps that the loss
    scaling of `mixed_float16` skips; skipping them is no failure.

    List it before callbacks that save models, lest they save a broken one.

    Raises:
        ValueError: While training, naming the step and the loss or variables.

    Example:
    ```python
    model.fit(pairs, epochs=10, callbacks=[kim.callbacks.StopOnNonFinite()])
    ```
    """

    # Executions between two looks at the weights: below one percent of the time.
    _every = 20

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
        if self._unchecked == self._every:
            self._check_weights()

    def on_epoch_end(self, epoch, logs=None):
        self._check_weights()

    def _check_weights(self) -> None:
        broken = self._broken_weights()
        if broken:
            self._stop(broken, self._unchecked)
        self._unchecked = 0

    def _broken_weights(self) -> list[str]:
        if self._find_broken is None:
            self._find_broken = _finder_of_broken(self.model.variables)
        return [f"{path} holds NaN or infinity" for path in self._find_broken()]

    def _stop(self, broken: list[str], executions: int) -> None:
        last = int(self.model.optimizer.iterations.numpy())
        first = max(last - executions * self.model.steps_per_execution + 1, 1)
        when = f"step {last}" if first >= last else f"steps {first} to {last}"
        rest = f" and {len(broken) - 4} more" if len(broken) > 4 else ""
        shown = ", ".join(broken[:4]) + rest
        raise ValueError(
            f"Training must keep the loss and all weights finite; in {when} {shown}. "
            "Look for NaN in the data, lower the learning rate, or clip the gradients."
        )


def _finder_of_broken(variables: list[keras.Variable]) -> Callable[[], list[str]]:
    floating = [v for v in variables if v.value.dtype.is_floating]

    @tf.function
    def trace():
        return [tf.reduce_all(tf.math.is_finite(v.value)) for v in floating]

    # Concrete, lest TensorFlow warn of retracing when there is one fit after another.
    finite = trace.get_concrete_function()

    def find_broken():
        pairs = zip(floating, finite(), strict=True)
        return [variable.path for variable, is_finite in pairs if not is_finite]

    return find_broken
