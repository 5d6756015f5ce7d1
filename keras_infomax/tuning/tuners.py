"""keras-tuner's tuner and oracles, made to survive what happens to a long search."""

import copy
import functools
import os
import pathlib
import re
import time
import warnings
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.src import config
from keras_tuner.src.engine import stateful
from sklearn.exceptions import ConvergenceWarning

from keras_infomax import files
from keras_infomax.tuning.hypermodel import HyperModel

FAILURE = "failure.txt"
_ENDED = ("COMPLETED", "FAILED")


class _Durable(stateful.Stateful):
    """Saves its state in one step: a search that is killed meanwhile keeps the old."""

    def save(self, fname):
        with files.replaced_file(fname) as temporary:
            super().save(str(temporary))

    def reload(self, *fname):
        for path in fname:  # Or their damage would name no file.
            files.read_json(path)
        super().reload(*fname)


class _DurableOracle(keras_tuner.Oracle, _Durable):
    trials: dict
    _retry_queue: list[str]

    def _save_trial(self, trial):
        path = pathlib.Path(self._get_trial_dir(trial.trial_id)) / "trial.json"
        with files.replaced_file(path) as temporary:
            trial.save(str(temporary))

    def reload(self):
        folder = pathlib.Path(self._project_dir)
        for path in sorted(folder.glob("trial_*/trial.json")):
            files.read_json(path)
        try:
            super().reload()
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise ValueError(
                f"The trials in {folder} cannot be read; they may be damaged, or of "
                f"another version of keras-tuner: {error!r}. Copy them back, or search "
                "anew in another workdir."
            ) from error
        # They come as the file system lists them, and sums depend on the order.
        self.trials = dict(sorted(self.trials.items()))
        # A trial is written down before the oracle knows that it is running, and when
        # it has ended, the oracle still takes it for running.
        ended = {n for n, t in self.trials.items() if t.status in _ENDED}
        waiting = [name for name in self._retry_queue if name not in ended]
        running = sorted(self.trials.keys() - ended - set(waiting))
        self._retry_queue = waiting + running


class RandomSearchOracle(keras_tuner.oracles.RandomSearchOracle, _DurableOracle):
    """keras-tuner's, saved in one step."""


class HyperbandOracle(keras_tuner.oracles.HyperbandOracle, _DurableOracle):
    """keras-tuner's, saved in one step."""


class BayesianOptimizationOracle(
    keras_tuner.oracles.BayesianOptimizationOracle, _DurableOracle
):
    """keras-tuner's, saved in one step, which learns from failures, too.

    Version 1.4.8 leaves failed trials out, and so proposes the same ones for ever.
    Here they count as much as the worst one that succeeded.
    """

    def populate_space(self, trial_id):
        # Its own generator would begin anew when a search goes on.
        self._random_state = np.random.RandomState(self.seed + len(self.trials))
        with warnings.catch_warnings():
            # Few trials say little about lengths, and nobody can do anything about it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().populate_space(trial_id)

    def _vectorize_trials(self):
        trials = self.trials
        scores = [t.score for t in trials.values() if t.status == "COMPLETED"]
        worst = min(scores) if self.objective.direction == "max" else max(scores)
        self.trials = {name: _completed(t, worst) for name, t in trials.items()}
        try:
            return super()._vectorize_trials()
        finally:
            self.trials = trials


def _completed(trial: Any, score: float) -> Any:
    """The trial, or if it failed a copy that has this score."""
    if trial.status != "FAILED":
        return trial
    trial = copy.copy(trial)
    trial.status, trial.score = "COMPLETED", score
    return trial


class GridSearchOracle(keras_tuner.oracles.GridSearchOracle, _DurableOracle):
    """keras-tuner's, saved in one step, with its place in the grid.

    Version 1.4.8 forgets that place when it is loaded again, and takes the grid for
    exhausted.
    """

    def reload(self):
        super().reload()
        values = {name: t.hyperparameters.values for name, t in self.trials.items()}
        ordered = sorted(
            values,
            key=functools.cmp_to_key(lambda a, b: self._compare(values[a], values[b])),
        )
        previous = None
        for name in ordered:
            self._ordered_ids.insert(name, previous)
            previous = name
        self._populate_next = ordered


ORACLES = {
    "random": RandomSearchOracle,
    "bayesian": BayesianOptimizationOracle,
    "hyperband": HyperbandOracle,
    "grid": GridSearchOracle,
}


class Tuner(keras_tuner.Hyperband, _Durable):
    """Runs trials, keeps the reason of those that fail, and tells how far it is.

    keras-tuner's Hyperband trains each trial as long, and from such weights, as its
    oracle says; other oracles say nothing about it, so it serves them all.

    Args:
        oracle: One of `ORACLES`.
        hypermodel: The `HyperModel`.
        directory: Folder of the search.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel: HyperModel,
        directory: str | os.PathLike,
    ):
        directory = pathlib.Path(directory)
        # Past the constructor of Hyperband, which makes an oracle of its own.
        keras_tuner.Tuner.__init__(
            self,
            oracle=oracle,
            hypermodel=hypermodel,
            directory=str(directory.parent),
            project_name=directory.name,
        )

    def _populate_initial_space(self):
        # Not by building models, as keras-tuner would: the first may be unfit.
        hp = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(hp)
        self.oracle.update_space(hp)

    def run_trial(self, trial, **kwargs):
        histories = super().run_trial(trial, **kwargs)
        objective, found = self.oracle.objective.name, histories[0].history
        if objective not in found:
            raise keras_tuner.errors.FatalValueError(
                f"objective must be one of the metrics that are logged, "
                f"{', '.join(sorted(found))}; received {objective!r}."
            )
        return histories

    def _try_run_and_update_trial(self, trial, *args, **kwargs):
        # Or it would print the traceback of a trial whose failure is a result.
        debug, config.DEBUG = config.DEBUG, False
        try:
            super()._try_run_and_update_trial(trial, *args, **kwargs)
        finally:
            config.DEBUG = debug

    def on_trial_begin(self, trial):
        self._started = time.monotonic()
        self._failure(trial).unlink(missing_ok=True)
        chosen = self.hypermodel.space.declare(trial.hyperparameters)
        text = ", ".join(f"{'.'.join(k)}={_short(v)}" for k, v in chosen.items())
        print(f"trial {trial.trial_id}: {text}", flush=True)

    def on_trial_end(self, trial):
        if trial.message:
            # keras-tuner does not send it to a chief.
            files.write_text(self._failure(trial), trial.message)
        super().on_trial_end(trial)
        seconds = time.monotonic() - self._started
        print(f"  {self._outcome(trial)} ({seconds:.0f} s)", flush=True)

    def _failure(self, trial) -> pathlib.Path:
        return pathlib.Path(self.get_trial_dir(trial.trial_id)) / FAILURE

    def _outcome(self, trial) -> str:
        if trial.message:
            return f"failed: {reason(trial.message)}"
        trial = self.oracle.get_trial(trial.trial_id)
        return f"{self.oracle.objective.name} {trial.score:.4f}"


def reason(traceback: str) -> str:
    """The line of a traceback that names the error."""
    errors = re.findall(r"^[\w.]+(?:Error|Exception)\b.*$", traceback, re.MULTILINE)
    return (errors or traceback.strip().splitlines())[-1]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
