"""keras-tuner's tuner and oracles, made robust against interruptions."""

import copy
import json
import os
import pathlib
import re
import time
import warnings
from typing import Any

import keras_tuner
from sklearn.exceptions import ConvergenceWarning

from keras_infomax import files, private
from keras_infomax.spelling import nearest
from keras_infomax.tuning import workers
from keras_infomax.tuning.hypermodel import HyperModel

FAILURE = "failure.txt"
_ENDED = ("COMPLETED", "FAILED")


class _DurableOracle(private.WritesTrials, keras_tuner.Oracle):
    """Saves its state atomically: a search killed in between keeps the old state."""

    trials: dict[str, Any]

    def save(self):
        files.write_text(private.oracle_file(self), json.dumps(self.get_state()))

    def write_trial(self, trial):
        folder = private.oracle_file(self).parent / f"trial_{trial.trial_id}"
        folder.mkdir(exist_ok=True)
        with files.replaced_file(folder / "trial.json") as temporary:
            trial.save(str(temporary))

    def reload(self):
        file = private.oracle_file(self)
        folder = file.parent
        # Otherwise the error of a damaged file would not name it.
        for path in (*sorted(folder.glob("trial_*/trial.json")), file):
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
        state = self.get_state()
        waiting = [name for name in state["retry_queue"] if name not in ended]
        running = sorted(self.trials.keys() - ended - set(waiting))
        self.set_state({**state, "retry_queue": waiting + running})


class RandomSearchOracle(keras_tuner.oracles.RandomSearchOracle, _DurableOracle):
    """keras-tuner's, saved in one step."""


class HyperbandOracle(keras_tuner.oracles.HyperbandOracle, _DurableOracle):
    """keras-tuner's, saved in one step."""


class BayesianOptimizationOracle(
    private.LearnsFromOthers,
    keras_tuner.oracles.BayesianOptimizationOracle,
    _DurableOracle,
):
    """keras-tuner's, saved in one step, which learns from failures, too.

    Version 1.4.8 ignores failed trials, and so proposes the same ones for ever. Here a
    failed trial gets the score of the worst one that succeeded.
    """

    def populate_space(self, trial_id):
        # keras-tuner's own generator would start over when a search goes on.
        private.draw_from(self, self.seed + len(self.trials))
        with warnings.catch_warnings():
            # With few trials the length scale is uncertain. No user can change that.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().populate_space(trial_id)

    def trials_to_learn_from(self):
        trials = self.trials
        scores = [t.score for t in trials.values() if t.status == "COMPLETED"]
        worst = min(scores) if self.objective.direction == "max" else max(scores)
        return {name: _completed(t, worst) for name, t in trials.items()}


def _completed(trial: Any, score: float) -> Any:
    """The trial, or if it failed a copy that has this score."""
    if trial.status != "FAILED":
        return trial
    trial = copy.copy(trial)
    trial.status, trial.score = "COMPLETED", score
    return trial


class GridSearchOracle(keras_tuner.oracles.GridSearchOracle, _DurableOracle):
    """keras-tuner's, saved in one step, with its place in the grid.

    Version 1.4.8 loses that place when it is loaded again, and believes that the grid
    is exhausted.
    """

    def reload(self):
        super().reload()
        private.find_place_in_grid(self)


ORACLES = {
    "random": RandomSearchOracle,
    "bayesian": BayesianOptimizationOracle,
    "hyperband": HyperbandOracle,
    "grid": GridSearchOracle,
}


class Tuner(keras_tuner.Hyperband):
    """Runs trials, keeps the reasons of failures, and reports progress.

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
        space = oracle.get_space()
        hypermodel.declare_hyperparameters(space)
        oracle.update_space(space)
        # Past the constructor of Hyperband, which makes an oracle of its own. Without
        # the hypermodel, of which keras-tuner would build models to find the space that
        # has just been declared: the first may be unfit.
        keras_tuner.Tuner.__init__(
            self,
            oracle=oracle,
            hypermodel=None,
            directory=str(directory.parent),
            project_name=directory.name,
        )
        self.hypermodel = hypermodel

    def save(self):
        if not workers.is_worker():
            self.oracle.save()
        files.write_text(private.tuner_file(self), json.dumps(self.get_state()))

    def reload(self):
        files.read_json(private.tuner_file(self))
        super().reload()

    def search(self, *args, **kwargs):
        with private.without_tracebacks_of_trials():
            super().search(*args, **kwargs)

    def run_trial(self, trial, **kwargs):
        histories = super().run_trial(trial, **kwargs)
        objective, found = self.oracle.objective.name, histories[0].history
        if objective not in found:
            raise keras_tuner.errors.FatalValueError(
                f"objective must be one of the metrics that are logged, "
                f"{', '.join(sorted(found))}; received {objective!r}."
                f"{nearest(objective, found)}"
            )
        return histories

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
