"""Probes the encoder while it is learned."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_infomax import checks, measures, structures
from keras_infomax import probes as probing
from keras_infomax.callbacks.common import Measuring, encoder_of
from keras_infomax.probes import Judgement, check_classes, labelled_views


class Probes(Measuring):
    """Logs how well several probes read the encoder while it is learned.

    Before the first step and then every few epochs or steps, encodes the training and
    test views with the encoder as it stands, fits every probe anew on the former and
    measures it on the latter. The encoder is called in inference mode and is checked
    not to have moved; a probe that fine-tunes it trains a copy. Both sets are the
    caller's own, whatever the model is trained on.

    For a probe called `name`, its accuracy enters the logs of each epoch as
    `name_accuracy`, and as `name_information` the predictive V-information of the
    labels in nats, see `probes.v_information`. Callbacks listed *after* this one can
    use them. To `EarlyStopping` and `ModelCheckpoint` pass `mode="max"`, since they
    refuse to guess the direction.

    What is logged was measured of the weights at the epoch's end. If these were not
    probed the epoch logs NaN, which is no improvement, so `ModelCheckpoint` with
    `save_best_only` keeps weights that have the accuracy they are credited with. The
    end of the first epoch is always probed, since Keras takes the first value for the
    best so far. `EarlyStopping` counts all epochs: to wait for n probes pass
    `patience=n * every`, and to start with the nth `start_from_epoch=n * every - 1`.

    The accuracy of the same probes fitted on the raw views, the `raw_baseline`, is
    printed when training starts: an encoder that stays below it has lost more than it
    has made accessible. The parts of a structure lie side by side for it, integers as
    the numbers that they are; views with texts have none.

    Args:
        train: Pair `(x, labels)` on which the probes are fitted: views as the encoder
            takes them, an array `(rows, ...)` or any structure of arrays, and integers
            of shape `(rows,)`.
        test: Pair `(x, labels)` on which they are measured.
        probes: Dictionary from names of the caller's choice to probes: names as in
            `probes.get`, `Probe` objects, or any objects with `fit(x, labels)` and
            `score(x, labels)`, which log the accuracy alone.
        every: Positive integer, the number of epochs or steps between two probes.
            Defaults to 1.
        unit: `"epoch"`, the default, or `"step"`. Steps are those of
            `optimizer.iterations`. Where one execution runs several steps
            (`steps_per_execution`), a probe falls after the first that reaches its
            step.
        encoder: Name of the model's attribute that is probed. Defaults to
            `"encoder_x"`.

    Attributes:
        history: List of pairs `(position, judgements)` of the last `fit`, with a
            dictionary of `probes.Judgement` by name. The position counts completed
            epochs or steps, so the first pair is the start of training: position 0, or
            where a resumed run went on.
        raw_baseline: Judgements of the probes on the raw views, by name, without
            those that fine-tune; `None` before the first `fit`.

    Raises:
        ValueError: If `train` or `test` is not a pair of labeled finite views, if
            their shapes differ, if `train` has one class only, if there are no probes
            or one is unknown, or if `every` or `unit` is none of the above; in `fit` if
            the views are not what the encoder takes.

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
                f"{test_shape}. Make both sets alike."
            )
        if not isinstance(probes, Mapping) or not probes:
            raise ValueError(
                "probes must be a dictionary from names to probes, with at least one; "
                f"received {probes!r}. The names are those that the logs will have, as "
                "in {'mlp': probes.MLPProbe()}."
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
        """The `raw_baseline`, by its name in earlier versions."""
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
            # Before what takes long.
            probing.checked_views(encoder, views, name, cast=False)
        if self._raw_baseline is None:
            self.take_raw(self.judge_raw())
            if self._raw_baseline and self.params.get("verbose"):
                kind = "pixel" if self.of_images else "raw"
                print(f"{type(self).__name__}: {kind} baseline {self._described()}")

    def judge_raw(self) -> dict[str, Judgement]:
        """Fits the probes that do not fine-tune to the raw views, and judges them."""
        return self._judge(None)

    def take_raw(self, judgements: dict[str, Judgement]) -> None:
        """Takes what `judge_raw` of the same views has found as raw baseline.

        Args:
            judgements: Judgements by the names of the probes.
        """
        self._raw_baseline = judgements

    @property
    def measurements(self) -> dict[str, float | None]:
        """What is known of the weights as they are, by the names that are logged.

        Values that are not known are `None`. The accuracy of probe `name` on the raw
        views is there as `name_raw`.
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
    """Logs how well a linear classifier reads the encodings while they are learned.

    `Probes` with a single one, whose name is `probe`: the accuracy enters the logs as
    `probe_accuracy`, the information as `probe_information`. To `EarlyStopping` and
    `ModelCheckpoint` pass `monitor="probe_accuracy", mode="max"`; to keras-tuner
    `keras_tuner.Objective("probe_accuracy", "max")`.

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
            `fit`, and of a probe that fine-tunes.

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
    """The probe whose results another callback of the same `fit` shows.

    Args:
        probe: What should be one, or `None`.

    Raises:
        ValueError: If it is something else.
    """
    return checks.instance(
        "probe",
        probe,
        Probes,
        "a LinearProbe or Probes callback of the same fit",
        "Leave it out where there is none.",
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
