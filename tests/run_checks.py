"""Checks that every run must pass."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_infomax import runs, training

# Settings of a run of seconds.
SMALL = {
    "encoder_units": (24,),
    "encoding_dim": 12,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "steps": 24,
    "eval_every": 8,
}


def assert_same_run(workdir, other):
    """Checks that weights and metrics of two runs are equal to the last bit."""
    metrics = [(w / "metrics.csv").read_text() for w in (workdir, other)]
    assert metrics[0] == metrics[1]
    models = [keras.saving.load_model(w / "model.keras") for w in (workdir, other)]
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(a, b)


def summaries(workdir):
    """What the event files of a workdir hold, as `logged` returns it."""
    return logged(workdir / "tensorboard")


def logged(log_dir):
    """What event files hold: {run: {tag: [(step, array), ...]}}."""
    found = {}
    for folder in sorted(p for p in log_dir.iterdir() if p.is_dir()):
        events = EventAccumulator(str(folder), {"tensors": 0}).Reload()
        found[folder.name] = {
            tag: [
                (e.step, tf.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)
            ]
            for tag in events.Tags()["tensors"]
        }
    return found


def assert_same_summaries(workdir, other):
    """Checks that TensorBoard shows the same of two runs, each step once."""
    one, another = summaries(workdir), summaries(other)
    assert {run: list(tags) for run, tags in one.items()} == {
        run: list(tags) for run, tags in another.items()
    }
    for run, tags in one.items():
        for tag, values in tags.items():
            steps = [step for step, _ in values]
            assert steps == sorted(set(steps))
            assert steps == [step for step, _ in another[run][tag]]
            for (_, a), (_, b) in zip(values, another[run][tag], strict=True):
                np.testing.assert_array_equal(a, b)


def assert_resumes(config, data, folder, monkeypatch):
    """Checks that an interrupted run ends as an uninterrupted one, to the last bit.

    Args:
        config: Config of three evaluations or more.
        data: Data set, or `None`.
        folder: Empty folder.
        monkeypatch: The fixture.

    Returns:
        Workdir of the uninterrupted run.
    """
    whole, resumed = folder / "whole", folder / "resumed"
    training.train(config, whole, data)
    with monkeypatch.context() as patch:
        patch.setattr(runs.plots, "plot_curves", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.train(config, resumed, data)
    last = max((resumed / "checkpoints").iterdir())
    shutil.rmtree(last)
    training.train(config, resumed, data)
    assert_same_run(resumed, whole)
    return whole
