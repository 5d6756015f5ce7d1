"""Checks that every run must pass, and programs in processes of their own."""

import os
import shutil
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from keras_infomax import training
from keras_infomax.training import runs

# Settings of a run of seconds.
SMALL = {
    "encoder_units": (24,),
    "encoding_dim": 12,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "steps": 24,
    "eval_every": 8,
}


def free_ports(count):
    """Ports of this machine on which nobody listens yet."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


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


def hyper_parameters_of(folder):
    """What the HParams page is told of the runs in a folder."""
    found = []
    for path in folder.glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag == metadata.SESSION_START_INFO_TAG:
                    info = metadata.parse_session_start_info_plugin_data(
                        value.metadata.plugin_data.content
                    )
                    found.append(
                        {
                            name: getattr(value, value.WhichOneof("kind"))
                            for name, value in info.hparams.items()
                        }
                    )
    return found


def start(*arguments, **environment):
    """Starts `python -m` with these arguments, where what it prints can be read."""
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """Exit code and what was printed to both streams."""
    out, err = process.communicate(timeout=500)
    return process.returncode, out, err
