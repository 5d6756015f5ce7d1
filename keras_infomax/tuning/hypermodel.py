"""A model whose settings keras-tuner chooses."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import keras_tuner

from keras_infomax import checks, datasets, training
from keras_infomax.training import experiments
from keras_infomax.training.baselines import remember
from keras_infomax.training.settings import Settings
from keras_infomax.tuning import trials
from keras_infomax.tuning.space import Space


class HyperModel(keras_tuner.HyperModel):
    """Two encoders and a critic, or a method, whose settings keras-tuner chooses.

    A trial is trained as `training.train` would: on batches of its own size, from the
    seed of its settings, for `steps` in epochs of `eval_every`. After each epoch the
    logs have `mi` and `val_mi` in nats, what the probes measure, such as
    `probe_accuracy`, and its `raw_baseline`. Any of them can be the objective of a
    tuner, with its direction, which keras-tuner cannot guess.

    Numbers that are no longer finite end a trial as a failed one, with the reason.

    Args:
        settings: Settings that do not vary; what is left out is default.
        space: Those that do: lists of choices, and mappings with `min` and `max`; see
            `Space.resolve`.
        data: Data set to use instead of loading `settings["dataset"]`. Its test split
            is what trials are measured on; `held_out` makes one that is not the test
            split of the final result.
        callbacks: Function of the settings of a trial to further callbacks. They are
            made anew for each, so they may hold what keras-tuner cannot copy.
        baselines: Folder in which trials on the same views share their raw
            baselines. By default each fits its own.

    Raises:
        ValueError: If a setting is unknown or bad, or cannot vary.

    Example:
    ```python
    import keras_tuner

    tuner = keras_tuner.RandomSearch(
        kim.tuning.HyperModel(
            settings={"steps": 1000, "eval_every": 250},
            space={
                "critic": ["bilinear", "separable", "mlp"],
                "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"},
            },
        ),
        objective=keras_tuner.Objective("probe_accuracy", "max"),
        max_trials=10,
        directory="runs",
    )
    tuner.search()
    ```
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        space: Mapping[str, Any],
        data: datasets.Dataset | None = None,
        callbacks: Callable[[Settings], Sequence[keras.callbacks.Callback]]
        | None = None,
        baselines: str | os.PathLike | None = None,
    ):
        super().__init__()
        checks.mapping("settings", settings, "Write, for example, settings={}.")
        checks.function(
            "callbacks",
            callbacks,
            "a function of the settings of a trial to a list of callbacks",
            "Write, for example, callbacks=lambda settings: [].",
            optional=True,
        )
        checks.instance(
            "data",
            data,
            datasets.Dataset,
            "a data set, as of datasets.from_arrays",
            "Leave it out to load the data set that the settings name.",
            optional=True,
        )
        if baselines is not None:
            baselines = checks.path("baselines", baselines, "runs/baselines")
        self.fixed = Settings.resolve(settings)
        if self.fixed.strategy != "one_device":
            raise ValueError(
                "A trial trains on one device; received "
                f"strategy={self.fixed.strategy!r}. Run several workers instead."
            )
        self.space = Space.resolve(space, self.fixed)
        self.data = experiments.load_data(self.fixed, data)
        self.callbacks = callbacks
        self.baselines = baselines
        self._experiment: experiments.Experiment | None = None

    def declare_hyperparameters(self, hp: Any) -> None:
        """Declares the whole space, without building anything."""
        self.space.declare(hp)

    def settings(self, hp: Any) -> Settings:
        """The settings of a trial.

        Args:
            hp: The `keras_tuner.HyperParameters` of the trial.

        Raises:
            ValueError: If their combination is unfit.
        """
        return self.space.applied(self.fixed, self.space.declare(hp))

    def build(self, hp: Any) -> keras.Model:
        """Builds and compiles the model of a trial."""
        self._experiment = training.make_experiment(self.settings(hp), self.data)
        if self.baselines is not None:
            remember(self._experiment.measuring, self.baselines)
        return self._experiment.model

    def fit(
        self,
        hp: Any,
        model: keras.Model,
        *,
        epochs: int | None = None,
        initial_epoch: int = 0,
        callbacks: Any = (),
        verbose: Any = 0,
    ) -> keras.callbacks.History:
        """Trains the model that was built last.

        Args:
            hp: The `keras_tuner.HyperParameters` of the trial.
            model: What `build` has returned.
            epochs: Epochs in all, of `eval_every` steps each. Defaults to those that
                make up `steps`.
            initial_epoch: Epochs that the model has been trained before.
            callbacks: Further ones, which may use all of the logs.
            verbose: As for `keras.Model.fit`.

        Returns:
            The history.

        Raises:
            ValueError: If a number is not finite any more.
        """
        experiment, settings = self._experiment, self.settings(hp)
        if experiment is None or experiment.model is not model:
            raise ValueError(
                "model must be the one that build has returned last; received "
                f"{model.name!r}. Build it anew."
            )
        for callback in callbacks:
            if _only_relays(callback):
                # Or every step would be a call of its own, and slower than in a run.
                callback.steps_between_looks = None
        # keras-tuner's own come last: they look for the objective in the logs.
        own = self.callbacks(settings) if self.callbacks else ()
        return trials.fit(
            experiment, settings, [*own, *callbacks], epochs, initial_epoch, verbose
        )


def _only_relays(callback: keras.callbacks.Callback) -> bool:
    """Whether it is keras-tuner's and tells of batches a tuner that does not ask."""
    tuner = getattr(callback, "tuner", None)
    of_keras_tuner = type(callback).__module__.startswith("keras_tuner.")
    if not (of_keras_tuner and isinstance(tuner, keras_tuner.Tuner)):
        return False
    hooks = ("on_batch_begin", "on_batch_end")
    return all(getattr(type(tuner), h) is getattr(keras_tuner.Tuner, h) for h in hooks)
