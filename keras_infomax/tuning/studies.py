"""A bridge to Optuna: what `search` does with keras-tuner, as the objective of a study.

Optuna is imported nowhere here but to prune: a study brings it.
"""

import importlib.util
import math
import os
from collections.abc import Mapping
from typing import Any

import keras

from keras_infomax import checks, datasets
from keras_infomax.training import experiments, make_experiment
from keras_infomax.training.baselines import remember
from keras_infomax.training.settings import Settings
from keras_infomax.tuning import trials
from keras_infomax.tuning.results import Trial, Trials, rank
from keras_infomax.tuning.space import Space
from keras_infomax.tuning.splitting import held_out

# What a trial notes of itself, as attributes of Optuna.
_STEPS, _METRICS = "steps", "metrics"


class StudyObjective:
    """What an Optuna study optimizes: trains a trial, and returns its best metric.

    A trial is trained as `training.train` would, from the seed of its settings. After
    every `eval_every` steps it reports the metric to the study, whose pruner may end it
    there. Its value is the best of its evaluations, as in `search`; the steps after
    which it had it, and all that was logged then, are attributes of the trial.

    Numbers that are no longer finite end a trial with a `ValueError`: a study goes on
    with `study.optimize(..., catch=ValueError)`.

    Args:
        settings: Settings that do not vary; what is left out is default.
        space: Those that do, as in `Space.resolve`. Optuna has no `"reverse_log"`, and
            no `step` together with `"log"`.
        data: Data set to use instead of loading `settings["dataset"]`.
        metric: What is reported: any metric that is logged. Defaults to
            `"probe_accuracy"`.
        direction: `"maximize"` or `"minimize"`, that of the study. Defaults to
            `"maximize"`.
        validation: Part of the training images that trials are measured on, instead of
            being trained on them; 0 for the test images. Defaults to 0.2.
        seed: Seed of the choice of these images. Defaults to 0.
        baselines: Folder in which trials on the same views share their raw baselines.
            By default each fits its own.

    Raises:
        ValueError: If a setting is unknown or bad, cannot vary, or cannot vary in
            Optuna; in a call if the metric is not logged.
        ImportError: If Optuna is missing.

    Example:
    ```python
    import optuna

    objective = kim.tuning.StudyObjective(
        settings={"steps": 1000, "eval_every": 250},
        space={
            "critic": ["bilinear", "separable", "mlp"],
            "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"},
        },
    )
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
    )
    study.optimize(objective, n_trials=20, catch=ValueError)
    best = objective.best_settings(study)
    kim.training.train(best.as_dict(), "runs/best")
    ```
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        space: Mapping[str, Any],
        data: datasets.Dataset | None = None,
        metric: str = "probe_accuracy",
        direction: str = "maximize",
        validation: float = 0.2,
        seed: int = 0,
        baselines: str | os.PathLike | None = None,
    ):
        if importlib.util.find_spec("optuna") is None:
            raise ImportError(
                "A study needs Optuna. Install it with "
                '`pip install "keras_infomax[optuna]"`.'
            )
        checks.mapping("settings", settings, "Write, for example, settings={}.")
        checks.instance(
            "data",
            data,
            datasets.Dataset,
            "a data set, as of datasets.from_arrays",
            "Leave it out to load the data set that the settings name.",
            optional=True,
        )
        self.metric = checks.text("metric", metric, "probe_accuracy")
        self.direction = checks.one_of("direction", direction, ("maximize", "minimize"))
        validation = checks.probability("validation", validation, "[)", 0.2)
        seed = checks.seed("seed", seed)
        if baselines is not None:
            baselines = checks.path("baselines", baselines, "runs/baselines")
        self.baselines = baselines
        self.fixed = experiments.named(Settings.resolve(settings), data)
        self.space = Space.resolve(space, self.fixed)
        self.space.check_for_optuna()
        self.data = held_out(experiments.load_data(self.fixed, data), validation, seed)

    def settings(self, trial: Any) -> Settings:
        """The settings of a trial.

        Args:
            trial: A running `optuna.Trial`, a finished one of a study, or
                `optuna.trial.FixedTrial`.

        Raises:
            ValueError: If their combination is unfit.
        """
        return self.space.applied(self.fixed, self.space.suggest(trial))

    def __call__(self, trial: Any) -> float:
        """Trains a trial.

        Args:
            trial: The `optuna.Trial`.

        Returns:
            The best of its evaluations.
        """
        settings = self.settings(trial)
        experiment = make_experiment(settings, self.data)
        if self.baselines is not None:
            remember(experiment.measuring, self.baselines)
        reporter = _Reporter(trial, self.metric, self.direction, settings.eval_every)
        trials.fit(experiment, settings, [reporter])
        return reporter.best

    def best_settings(self, study: Any) -> Settings:
        """Settings with which the best trial is trained anew, on all images.

        For as many steps as were best.

        Args:
            study: The `optuna.Study`.

        Raises:
            ValueError: If no trial has completed.
        """
        best = study.best_trial
        values = self.settings(best).as_dict()
        return Settings.resolve({**values, "steps": best.user_attrs[_STEPS]})

    def trials(self, study: Any) -> Trials:
        """The trials of a study as those of `search`, for `report` and `write_table`.

        Args:
            study: The `optuna.Study`.

        Returns:
            The trials, best first. Those that were pruned or have failed come last.
        """
        found = [self._as_trial(trial) for trial in study.trials]
        return rank(found, self.direction[:3])

    def _as_trial(self, trial: Any) -> Trial:
        chosen = self.space.suggest(trial)
        values = {".".join(path): value for path, value in chosen.items()}
        state = trial.state.name.lower()
        return Trial(
            str(trial.number),
            values,
            trial.value if state == "complete" else None,
            trial.user_attrs.get(_STEPS),
            trial.user_attrs.get(_METRICS, {}),
            "" if state == "complete" else state,
        )


class _Reporter(keras.callbacks.Callback):
    """Reports every evaluation, and ends the trial if the study asks for it."""

    # It looks at epochs alone.
    steps_between_looks = None

    def __init__(self, trial, metric, direction, every):
        super().__init__()
        self.trial = trial
        self.metric = metric
        self.every = every
        self.best = math.nan
        self._better = max if direction == "maximize" else min

    def on_epoch_end(self, epoch, logs=None):
        import optuna

        if self.metric not in logs:
            raise ValueError(
                f"metric must be one that is logged, one of {', '.join(sorted(logs))}; "
                f"received {self.metric!r}."
            )
        value, step = float(logs[self.metric]), (epoch + 1) * self.every
        if math.isnan(self.best) or self._better(value, self.best) != self.best:
            self.best = value
            self.trial.set_user_attr(_STEPS, step)
            measured = {name: float(found) for name, found in logs.items()}
            self.trial.set_user_attr(_METRICS, measured)
        self.trial.report(value, step)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"{self.metric} is {value:.4g} at step {step}.")
