"""Checks that every experiment must pass."""

import shutil

import keras
import numpy as np
import pytest

from keras_infomax import runs, training


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
    assert (resumed / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    models = [keras.saving.load_model(w / "model.keras") for w in (whole, resumed)]
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(a, b)
    return whole
