"""Runs a search from a config in a workdir; trains and exports its best trial.

search.json   what is searched
trials/       keras-tuner's own files
trials.csv    the ranked table
trials.png    accuracy against MI, and the score over each setting
best/         the best trial trained anew: a run, as `runs` describes it
encoder/      its encoder as a SavedModel
tensorboard/  the curves of all trials, and by which settings they differ
raw_baselines/  what the probes of all trials are compared with
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_infomax import (
    callbacks,
    checks,
    datasets,
    files,
    plots,
    saved_model,
    training,
)
from keras_infomax.training import experiments, processes
from keras_infomax.training.settings import Settings, differences
from keras_infomax.tuning import pictures, results, tuners, workers
from keras_infomax.tuning.description import Search
from keras_infomax.tuning.hypermodel import HyperModel
from keras_infomax.tuning.splitting import held_out

TABLE, PICTURE = "trials.csv", "trials.png"


def search(
    config: Mapping[str, Any],
    workdir: str | os.PathLike,
    data: datasets.Dataset | None = None,
) -> list[results.Trial]:
    """Runs the trials of a search, or those that are left of it.

    Called again after it was killed, it goes on with the trial that it was at, from
    the beginning of that trial; after it has finished, it runs nothing. A trial that
    fails, such as one whose numbers are not finite any more, is recorded with its
    reason, and the search goes on.

    With keras-tuner's environment variables, the chief hands out the trials, and
    workers run them. All of them call this with the same arguments, and a workdir that
    all of them see.

    Args:
        config: Config of the search, as in `Search.resolve`.
        workdir: Folder of the search, made if it does not exist.
        data: Data set to use instead of loading `config["dataset"]`; its name is
            recorded.

    Returns:
        The trials, best first. A worker, which does not know them, returns none.

    Raises:
        ValueError: If the config, the data or the environment are unfit, the workdir
            belongs to another search or process, the objective is not logged, or every
            trial failed.
        ConnectionError: If chief and workers do not find each other.
    """
    plots.check_installed()
    workers.check_environment()
    workdir = pathlib.Path(checks.path("workdir", workdir))
    if files.has_wildcards(workdir):
        raise ValueError(
            "workdir of a search must have none of * ? [ and \\ in its path, which "
            "keras-tuner takes for a pattern, so that it would not find its trials "
            f"again; received {str(workdir)!r}. Choose another workdir."
        )
    described = Search.resolve(config, data)
    settings = Settings.resolve(described.settings)
    whole = experiments.load_data(settings, data)
    model = HyperModel(
        described.settings,
        described.space,
        held_out(whole, described.validation, described.seed),
        baselines=workdir / "raw_baselines",
    )
    _check_labels(described, model.data)
    oracle = described.oracle()
    _claim(workdir, described)
    where = processes.noted(lambda: "in the midst of the trials")
    with where, _sole(workdir), workers.connected():
        tuner = tuners.Tuner(oracle, model, workdir / "trials")
        # keras-tuner gives each trial a folder in there, and its hyper-parameters.
        board = callbacks.TensorBoard(workdir / "tensorboard")
        tuner.search(verbose=0, callbacks=[board])
    if workers.is_worker():
        return []
    trials = results.rank(_trials(tuner, settings), str(described.direction))
    results.write_table(trials, workdir / TABLE)
    if not trials or trials[0].score is None:
        reasons = "; ".join(f"trial {t.name}: {t.failure}" for t in trials)
        raise ValueError(f"Every trial failed, so there is no best one. {reasons}")
    return trials


def train_best(
    config: Mapping[str, Any],
    workdir: str | os.PathLike,
    trials: list[results.Trial],
    data: datasets.Dataset | None = None,
) -> dict[str, float | int | None]:
    """Trains the best trial of a search anew, on all training examples, and exports it.

    It is trained for as many steps as were best, and judged on the test examples. A
    repeated call continues an interrupted run, or changes nothing. If a later search
    has found a better trial, that trial replaces the former one.

    Args:
        config: Config of the search.
        workdir: Folder of the search.
        trials: The trials, best first.
        data: Data set to use instead of loading `config["dataset"]`.

    Returns:
        The last row of the metrics of the run `best/`, as `training.train`.
    """
    workdir = pathlib.Path(checks.path("workdir", workdir))
    described = Search.resolve(config, data)
    results.check_trials(trials)
    if not trials:
        raise checks.refusal(
            "trials", "at least one Trial", trials, "Take what search has returned."
        )
    settings = best_settings(described, trials[0])
    best, encoder = workdir / "best", workdir / "encoder"
    is_float = isinstance(data, datasets.ImageDataset) and (
        data.train_images.dtype != np.uint8
    )
    with _sole(workdir):
        _retire(best, encoder, settings)
        last = training.train(settings.as_dict(), best, data)
        if not encoder.exists():
            image_dtype = "float32" if is_float else "uint8"
            saved_model.export_workdir(best, encoder, image_dtype=image_dtype)
    return last


def _retire(best: pathlib.Path, encoder: pathlib.Path, settings: Settings) -> None:
    """Removes the run of another trial, which was the best before, and its encoder."""
    if not (best / "config.json").exists():
        return
    found = files.read_json(best / "config.json")
    if differences(found, settings.as_dict()):
        # Renamed, so that a half removed run is never taken for one to go on with.
        retired = best.with_name(".retired")
        shutil.rmtree(encoder, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)
        best.rename(retired)
        shutil.rmtree(retired)


def best_settings(described: Search, trial: results.Trial) -> Settings:
    """The settings with which a trial is trained anew.

    Args:
        described: The search.
        trial: The trial.
    """
    checks.instance(
        "described", described, Search, "a Search", "Make one with Search.resolve."
    )
    checks.instance(
        "trial", trial, results.Trial, "a Trial", "Take one that search has returned."
    )
    settings = {**described.settings, "steps": trial.steps}
    options = dict(settings["options"])
    for name, value in trial.values.items():
        of, _, option = name.partition(".")
        if of == "options":
            options[option] = value
        else:
            settings[name] = value
        if name.rpartition(".")[2] == "encoder":
            settings["encoder_digest"] = None  # That of another encoder.
    return Settings.resolve({**settings, "options": options})


def report(
    trials: list[results.Trial], folder: str | os.PathLike, objective: str = "score"
) -> None:
    """Writes the ranked table and the page of plots.

    Args:
        trials: The trials, best first.
        folder: Where `trials.csv` and `trials.png` go.
        objective: What the score is, for the plots.
    """
    folder = pathlib.Path(checks.path("folder", folder))
    checks.text("objective", objective, "probe_accuracy")
    results.write_table(trials, folder / TABLE)
    pictures.draw(trials, folder / PICTURE, objective)


def _trials(tuner: tuners.Tuner, settings: Settings) -> list[results.Trial]:
    """What keras-tuner knows of its trials."""
    found = []
    for name, trial in tuner.oracle.trials.items():
        hp = trial.hyperparameters
        chosen = tuner.hypermodel.space.declare(hp)
        values = {".".join(path): value for path, value in chosen.items()}
        if trial.status == "COMPLETED":
            epochs = hp.values.get("tuner/initial_epoch", 0) + trial.best_step + 1
            metrics = {
                metric: float(trial.metrics.get_last_value(metric))
                for metric in trial.metrics.metrics
            }
            steps = int(epochs) * settings.eval_every
            score = float(trial.score)
            found.append(results.Trial(name, values, score, steps, metrics))
            continue
        note = pathlib.Path(tuner.get_trial_dir(name)) / tuners.FAILURE
        failure = f"{tuner.oracle.objective.name} is not a number"
        if note.exists():
            failure = tuners.reason(note.read_text(encoding="utf-8"))
        found.append(results.Trial(name, values, failure=failure))
    return found


def _check_labels(described: Search, data: datasets.Dataset) -> None:
    """Refuses to train a trial before it turns out that it cannot be judged."""
    measured = described.objective.startswith(("probe_", "raw_", "stopped_"))
    if measured and (data.train_labels is None or data.test_labels is None):
        raise ValueError(
            "config.search.objective must be a metric that is logged; received "
            f"{described.objective!r}, which takes labels, and {data.name!r} has none. "
            "Take 'val_mi', for instance."
        )


def _sole(workdir: pathlib.Path) -> contextlib.AbstractContextManager:
    """Refuses to start the same search twice at a time; workers may join it."""
    if workers.is_worker():
        return contextlib.nullcontext()
    return files.sole(workdir, "searching")


def _claim(workdir: pathlib.Path, described: Search) -> None:
    """Takes the workdir for this search, which it may hold a part of already."""
    wanted = _as_json(dataclasses.asdict(described))
    path = workdir / "search.json"
    if path.exists():
        found = files.read_json(path)
        if not isinstance(found.get("settings"), dict):
            raise ValueError(
                f"{path} cannot be read; it may be damaged: it has no settings."
            )
        differing = [
            f"{key}: {found.get(key)!r} there, {wanted[key]!r} here"
            for key in wanted
            if key not in ("settings", "max_trials") and found.get(key) != wanted[key]
        ]
        if of_settings := differences(found["settings"], wanted["settings"]):
            differing.append(f"settings: {of_settings}")
        if differing:
            raise ValueError(
                f"workdir {workdir} holds another search ({'; '.join(differing)}). "
                "Choose another workdir, remove this one, or repeat that search."
            )
    if workers.is_worker():
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        files.write_text(path, json.dumps(wanted, indent=2) + "\n")
    except OSError as error:
        raise ValueError(
            f"workdir must be a folder that can be written to; received {workdir} "
            f"({error.strerror}). Choose another one."
        ) from error


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as a file would give them back."""
    return json.loads(json.dumps(values))
