"""The critic of an estimate and its training."""

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_infomax import critics, encoders, losses, private
from keras_infomax.estimation import density_ratios
from keras_infomax.estimation.infonce import symmetric_infonce
from keras_infomax.models import InfoMax

_UNITS = 128
_FEATURES = 32
_RATE = 2e-3
# Evaluations without an improvement before the rate is lowered, then training ends.
_STEPS_A_LOOK = 150
_PATIENCE = 3
_RATES = 2


class Side:
    """Inputs of the critic for one side: columns or images, and fixed features.

    Args:
        values: Float matrix `(rows, columns)`, or images.
        features: Float matrix `(rows, features)` of `density_ratios.features`, which
            bypasses the network.
    """

    def __init__(self, values: np.ndarray, features: np.ndarray):
        self.values, self.features = values, features

    def of(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Inputs of the encoder.

        Args:
            rows: Indices of rows.
        """
        return {"values": self.values[rows], "features": self.features[rows]}


class Fixed:
    """Scores of pairs from the fixed features only, an elliptical density ratio."""

    def fit(self, x, y, train, validation, batch_size, steps, told):
        """As `Trained.fit`, without steps."""
        value = symmetric_infonce(self.scores(x, y, validation))
        told(0, value)
        return {"step": [0.0], "mi": [math.nan], "val_mi": [value]}

    def scores(self, x, y, rows, columns=None):
        """As `Trained.scores`."""
        columns = rows if columns is None else columns
        left, right = x.features[rows], y.features[columns]
        return density_ratios.scores(left, right, density_ratios.width(left))

    def paired(self, x, y, rows):
        """As `Trained.paired`."""
        left, right = x.features[rows], y.features[rows]
        return density_ratios.paired_scores(left, right, density_ratios.width(left))


class Trained:
    """Scores of pairs from encoders that are trained by InfoNCE.

    The score is that of the elliptical dependence plus an inner product of what two
    networks learn. The contribution of the networks starts at zero.

    Args:
        x: One side.
        y: The other.
        seed: Integer seed of weights and batches.
        encoder_x: Keras model from values of x to `(rows, dim)`, or `None`.
        encoder_y: The same for y.
    """

    def __init__(self, x: Side, y: Side, seed: int, encoder_x=None, encoder_y=None):
        self._seed = seed
        self._width = density_ratios.width(x.features)
        private.set_random_seed(seed)
        self.model = InfoMax(
            _encoder(x, encoder_x, "x"),
            _encoder(y, encoder_y, "y"),
            _EllipticalCritic(self._width),
        )
        self.model.compile(
            keras.optimizers.Adam(_RATE, clipnorm=1.0),
            losses.InfoNCE(axis=(0, 1)),
            jit_compile=False,
        )
        self._initial = self.model.get_weights()

    def fit(
        self,
        x: Side,
        y: Side,
        train: np.ndarray,
        validation: np.ndarray,
        batch_size: int,
        steps: int,
        told: Callable[[int, float], None],
    ) -> dict[str, list[float]]:
        """Trains from new weights, and keeps the best weights on validation rows.

        Args:
            x: One side.
            y: The other.
            train: Indices of the rows to train on.
            validation: Indices of the rows for early stopping.
            batch_size: Pairs in a batch.
            steps: Largest number of steps.
            told: Function that is called with steps and the validation estimate at each
                evaluation.

        Returns:
            History: lists of `"step"`, `"mi"` and `"val_mi"`, in nats.
        """
        self._reset()
        generator = np.random.default_rng(self._seed)
        watch = _Watch(self, x, y, validation, told)
        watch.look(0, math.nan)
        step = 0
        while step < steps and not watch.ended:
            # Whole passes over the rows, each in a new order, so that no batch has a
            # row twice.
            used = len(train) // batch_size * batch_size
            passes = -(-min(_STEPS_A_LOOK, steps - step) * batch_size // used)
            rows = np.concatenate(
                [generator.permutation(train)[:used] for _ in range(passes)]
            )
            logs = self.model.fit(
                (x.of(rows), y.of(rows)),
                batch_size=batch_size,
                shuffle=False,
                verbose=0,
            ).history
            step += len(rows) // batch_size
            watch.look(step, logs["mi"][-1])
        self.model.set_weights(watch.best)
        return watch.history

    def scores(self, x: Side, y: Side, rows: np.ndarray, columns=None) -> np.ndarray:
        """Scores of every row against every column.

        Args:
            x: One side.
            y: The other.
            rows: Indices of rows of x.
            columns: Indices of rows of y. Defaults to `rows`.
        """
        columns = rows if columns is None else columns
        left = _encoded(self.model.encoder_x, x, rows)
        right = _encoded(self.model.encoder_y, y, columns)
        return density_ratios.scores(left, right, self._width)

    def paired(self, x: Side, y: Side, rows: np.ndarray) -> np.ndarray:
        """Scores of the true pairs.

        Args:
            x: One side.
            y: The other.
            rows: Indices of rows.
        """
        left = _encoded(self.model.encoder_x, x, rows)
        right = _encoded(self.model.encoder_y, y, rows)
        return density_ratios.paired_scores(left, right, self._width)

    def _reset(self):
        private.set_random_seed(self._seed)
        self.model.set_weights(self._initial)
        optimizer = self.model.optimizer
        for variable in optimizer.variables:
            if variable.name != "learning_rate":
                variable.assign(np.zeros(variable.shape, variable.dtype))
        optimizer.learning_rate = _RATE


class _EllipticalCritic(critics.Critic):
    """Scores of `density_ratios.scores`, with what is learned as additive parts."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self._width = width

    def call(self, x, y):
        return density_ratios.scores(x, y, self._width, ops)


class _Watch:
    """Evaluates validation rows, lowers the rate, stops, and keeps the best weights."""

    def __init__(self, trained, x, y, validation, told):
        self._trained, self._rows, self._told = trained, validation, told
        self._x, self._y = x, y
        self.history: dict[str, list[float]] = {"step": [], "mi": [], "val_mi": []}
        self.best = trained.model.get_weights()
        self.ended = False
        self._best, self._since, self._rates = -math.inf, 0, 0

    def look(self, step, mi):
        scores = self._trained.scores(self._x, self._y, self._rows)
        value = symmetric_infonce(scores)
        for name, found in (("step", step), ("mi", mi), ("val_mi", value)):
            self.history[name].append(float(found))
        self._told(step, value)
        if value > self._best:
            self._best, self._since = value, 0
            self.best = self._trained.model.get_weights()
            return
        self._since += 1
        if self._since >= _PATIENCE:
            self._since, self._rates = 0, self._rates + 1
            self.ended = self._rates > _RATES
            model = self._trained.model
            model.set_weights(self.best)
            rate = float(ops.convert_to_numpy(model.optimizer.learning_rate)) * 0.3
            model.optimizer.learning_rate = rate


def _encoder(side, encoder, name):
    values = keras.Input(side.values.shape[1:], name="values")
    features = keras.Input(side.features.shape[1:], name="features")
    if encoder is not None:
        hidden = encoder(values)
    elif side.values.ndim > 2:
        hidden = encoders.convnet(side.values.shape[1:], (32, 64), _UNITS)(values)
    else:
        hidden = values
        for _ in range(2):
            hidden = layers.Dense(_UNITS, activation="gelu")(hidden)
    # Zeros for only one side: the product is zero, but its gradient is not.
    first = "zeros" if name == "x" else "glorot_uniform"
    learned = layers.Dense(_FEATURES, kernel_initializer=first)(hidden)
    # With a column of ones, the product is a function of only the other side.
    both = layers.Concatenate()([learned, features])
    return keras.Model({"values": values, "features": features}, both)


def _encoded(encoder, side, rows):
    if not len(rows):
        return np.zeros((0, encoder.output_shape[-1]), "float32")
    parts = []
    for start in range(0, len(rows), 4096):
        inputs = side.of(rows[start : start + 4096])
        outputs = encoder(
            {name: ops.convert_to_tensor(v) for name, v in inputs.items()},
            training=False,
        )
        parts.append(ops.convert_to_numpy(outputs))
    return np.concatenate(parts)


class Progress:
    """One line with the progress of an estimate and its remaining time.

    Args:
        stream: File for the line, or `None`.
        total: Number of trainings.
        steps: Largest number of steps of a training.
    """

    def __init__(self, stream: Any, total: int, steps: int):
        self._stream, self._total, self._steps = stream, total, steps
        self._done, self._start = 0, time.monotonic()

    def __call__(self, step: int, value: float) -> None:
        if self._stream is None:
            return
        share = (self._done + min(step / max(self._steps, 1), 1.0)) / self._total
        spent = time.monotonic() - self._start
        left = f", at most {spent / share - spent:.0f} s left" if share > 0.01 else ""
        text = (
            f"training {self._done + 1} of {self._total}, step {step} of at most "
            f"{self._steps}: {value:.3f} nats{left}"
        )
        self._stream.write(f"\r{text:<78}")
        self._stream.flush()

    def next(self) -> None:
        """Counts a training that has ended."""
        self._done += 1

    def end(self) -> None:
        """Removes the line after the last training."""
        if self._stream is not None:
            self._stream.write("\r" + " " * 78 + "\r")
            self._stream.flush()
