"""Probes the encoder during training."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_infomax import checks, measures, structures
from keras_infomax import probes as probing
from keras_infomax.callbacks.common import Measuring, encoder_of
from keras_infomax.probes import Judgement, check_classes, labelled_views


class Probes(Measuring):
    """Logs the results of several probes of the encoder during training.

    Before the first step and then every few epochs or steps, it encodes the training
    and test views with the present encoder, fits every probe on the training encodings,
    and evaluates it on the test encodings. The encoder is called in inference mode, and
    a check ensures that this does not change it. A probe that fine-tunes trains a copy.
    Both sets are independent of the data that train the model.

    For a probe called `name`, the logs of each epoch contain its accuracy as
    `name_accuracy`, and the predictive V-information of the labels in nats as
    `name_information`; see `probes.v_information`. Callbacks listed *after* this one
    can use them. Pass `mode="max"` to `EarlyStopping` and `ModelCheckpoint`, since they
    cannot infer the direction.

    Logged values belong to the weights at the end of the epoch. If these were not
    probed, the epoch logs NaN, which is never an improvement. So `ModelCheckpoint` with
    `save_best_only` keeps weights that have the logged accuracy. The end of the first
    epoch is always probed, since Keras takes the first value as the best so far.
    `EarlyStopping` counts all epochs: pass `patience=n * every` to wait for n probes,
    and `start_from_epoch=n * every - 1` to start with the nth.

    The accuracy of the same probes on the raw views, the `raw_baseline`, is printed
    when training starts. An encoder below this baseline has lost more information than
    it has made accessible. For the baseline, the parts of a structure are concatenated,
    with integers as numbers. Views with texts have no baseline.

    Args:
        train: Pair `(x, labels)` for fitting the probes: views of the encoder, an array
            `(rows, ...)` or any structure of arrays, and integers of shape `(rows,)`.
        test: Pair `(x, labels)` for evaluating the probes.
        probes: Dictionary from names of your choice to probes: names as in
            `probes.get`, `Probe` objects, or any objects with `fit(x, labels)` and
            `score(x, labels)`, which log only the accuracy.
        every: Positive integer, the number of epochs or steps between two probes.
            Defaults to 1.
        unit: `"epoch"`, the default, or `"step"`. Steps are those of
            `optimizer.iterations`. If an execution runs several steps
            (`steps_per_execution`), a probe follows the execution that reaches its
            step.
        encoder: Name of the model's attribute to probe. Defaults to `"encoder_x"`.

    Attributes:
        history: List of pairs `(position, judgements)` of the last `fit`, with a
            dictionary of `probes.Judgement` by name. The position is the number of
            completed epochs or steps, so the first pair is at the start of training:
            position 0, or the position at which a run was resumed.
        raw_baseline: Judgements of the probes on the raw views, by name, without probes
            that fine-tune; `None` before the first `fit`.

    Raises:
        ValueError: If `train` or `test` is not a pair of labeled finite views, if their
            shapes differ, if `train` has only one class, if there are no probes or one
            is unknown, or if `every` or `unit` is not one of the above. In `fit`, if
            the encoder does not take the views.

    Example:
    ```python
    probes = kim.callbacks.Probes(
        train=(x, labels),
        test=(x_test, labels_test),
        probes={"linear": "linear", "wide": kim.probes.MLPProbe(500)},
        every=5,
    )
    history = model.fit(pairs, epochs=10, callbacks=[probes]).history
    history["wide_accuracy"], history["wide_information"]
    ```
    """

    def __init__(self, train, test, probes, every=1, unit="epoch", encoder="encoder_x"):
        super().__init__(every, unit)
        self.train = _labelled_views("train", train)
        self.test = _labelled_views("test", test)
        check_classes("train", self.train[1])
        train_shape, test_shape = map(_shape_of_rows, (self.train[0], self.test[0]))
        if train_shape != test_shape:
            raise ValueError(
                f"test must hold views of the shape of train, {train_shape}; received "
                f"{test_shape}. Prepare both sets in the same way."
            )
        if not isinstance(probes, Mapping) or not probes:
            raise ValueError(
                "probes must be a dictionary from names to probes, with at least one; "
                f"received {probes!r}. The names appear in the logs. Write, for "
                "example, {'mlp': probes.MLPProbe()}."
            )
        checks.text("encoder", encoder, "encoder_x")
        self.probes = {name: probing.get(probe) for name, probe in probes.items()}
        self.encoder = encoder
        self._raw_baseline: dict[str, Judgement] | None = None

    @property
    def raw_baseline(self) -> Any:
        return self._raw_baseline

    @property
    def pixel_baseline(self) -> Any:
        """Name of `raw_baseline` in earlier versions."""
        measures.warn_of_earlier("pixel_baseline", "raw_baseline")
        return self.raw_baseline

    @property
    def of_images(self) -> bool:
        """Whether the raw views are images, `(rows, height, width, channels)`."""
        views = self.train[0]
        return not structures.is_structure(views) and views.ndim == 4

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        encoder = encoder_of(self.model, self.encoder)
        for name, (views, _) in (("train", self.train), ("test", self.test)):
            # Before the slow part.
            probing.checked_views(encoder, views, name, cast=False)
        if self._raw_baseline is None:
            self.take_raw(self.judge_raw())
            if self._raw_baseline and self.params.get("verbose"):
                kind = "pixel" if self.of_images else "raw"
                print(f"{type(self).__name__}: {kind} baseline {self._described()}")

    def judge_raw(self) -> dict[str, Judgement]:
        """Fits and evaluates the probes that do not fine-tune on the raw views."""
        return self._judge(None)

    def take_raw(self, judgements: dict[str, Judgement]) -> None:
        """Sets the raw baseline to a result of `judge_raw` for the same views.

        Args:
            judgements: Judgements by the names of the probes.
        """
        self._raw_baseline = judgements

    @property
    def measurements(self) -> dict[str, float | None]:
        """Results for the present weights, by their names in the logs.

        Unknown values are `None`. `name_raw` is the accuracy of probe `name` on the raw
        views.
        """
        return {**super().measurements, **self._of_raw()}

    def _of_raw(self) -> dict[str, float | None]:
        baseline = (self._raw_baseline or {}).items()
        return {f"{name}_raw": found.accuracy for name, found in baseline}

    def _measure(self) -> dict[str, Judgement]:
        return self._judge(encoder_of(self.model, self.encoder))

    def _values(self, measurement: dict[str, Judgement]) -> dict[str, float | None]:
        values: dict[str, float | None] = {}
        for name, judgement in measurement.items():
            values[f"{name}_accuracy"] = judgement.accuracy
            if judgement.information is not None:
                values[f"{name}_information"] = judgement.information
        return values

    def _arrays(self):
        return tuple(keras.tree.flatten((self.train, self.test)))

    def _judge(self, encoder: keras.Layer | None) -> dict[str, Judgement]:
        return probing.judge(self.probes, encoder, self.train, self.test)

    def _described(self) -> str:
        baseline = self.raw_baseline.items()
        return ", ".join(f"{name} {found.accuracy:.4f}" for name, found in baseline)


class LinearProbe(Probes):
    """Logs the accuracy of a linear classifier on the encodings during training.

    This is `Probes` with one probe named `probe`: the logs contain `probe_accuracy` and
    `probe_information`. Pass `monitor="probe_accuracy", mode="max"` to `EarlyStopping`
    and `ModelCheckpoint`, and `keras_tuner.Objective("probe_accuracy", "max")` to
    keras-tuner.

    Args:
        train: As in `Probes`.
        test: As in `Probes`.
        every: As in `Probes`.
        unit: As in `Probes`.
        encoder: As in `Probes`.
        probe: Any probe that `Probes` takes. Defaults to `LogisticProbe()`.

    Attributes:
        history: List of pairs `(position, accuracy)` of the last `fit`, with positions
            as in `Probes`.
        raw_baseline: Accuracy of the probe on the raw views; `None` before the first
            `fit`, and for a probe that fine-tunes.

    Raises:
        ValueError: As `Probes`.

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
        probe = probing.LogisticProbe() if probe is None else probe
        super().__init__(train, test, {"probe": probe}, every, unit, encoder)

    @property
    def probe(self) -> Any:
        """The probe."""
        return self.probes["probe"]

    @property
    def history(self) -> list[tuple[int, float]]:
        return [(position, j["probe"].accuracy) for position, j in self._history]

    @property
    def raw_baseline(self) -> float | None:
        judgement = (self._raw_baseline or {}).get("probe")
        return None if judgement is None else judgement.accuracy

    def _of_raw(self):
        return {"raw_baseline": self.raw_baseline}

    def _described(self) -> str:
        return f"{self.raw_baseline:.4f}"


def checked_probe(probe: Any) -> Probes | None:
    """Checks the argument `probe` of callbacks that show a probe's results.

    Args:
        probe: A `Probes` callback, or `None`.

    Raises:
        ValueError: If it is neither.
    """
    return checks.instance(
        "probe",
        probe,
        Probes,
        "a LinearProbe or Probes callback of the same fit",
        "Leave it out if there is none.",
        optional=True,
    )


def _labelled_views(name: str, pair: Any) -> tuple[Any, np.ndarray]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(
            f"{name} must be a pair (x, labels) of arrays; received "
            f"{type(pair).__name__}. Collect a data set into two arrays first."
        )
    return labelled_views(name, *pair)


def _shape_of_rows(views: Any) -> Any:
    if not structures.is_structure(views):
        return views.shape[1:]
    return structures.described(structures.of_tensors(views))
