"""Runs that end with the weights of their best evaluation."""

import json
import shutil

import keras
import numpy as np
import pytest
from run_checks import SMALL, assert_resumes

from keras_infomax import probes, saved_model, training
from keras_infomax.training import experiments, runs

# So fast that accuracies rise and fall: the best evaluation is neither first nor last.
CONFIG = {**SMALL, "steps": 40, "learning_rate": 0.01, "select": "best"}


@pytest.fixture(scope="module")
def run(tmp_path_factory, digits):
    workdir = tmp_path_factory.mktemp("best") / "run"
    return workdir, training.train(CONFIG, workdir, digits)


def test_the_best_evaluation_is_returned_exported_and_what_the_model_is_of(run, digits):
    workdir, row = run
    rows = runs.read_metrics(workdir / "metrics.csv")
    accuracies = [row["selection_accuracy"] for row in rows]
    best = accuracies.index(max(accuracies))
    assert len(set(accuracies)) > 1
    assert 0 < best < len(rows) - 1  # Or this run would not tell them apart.
    assert dict(row) == dict(rows[best])
    # The encoder of the model is as accurate as it was measured to be then.
    experiment = training.make_experiment(training.Settings.resolve(CONFIG), digits)
    callback = next(
        c for c in experiment.measuring if "selection" in getattr(c, "probes", {})
    )
    encoder = keras.saving.load_model(workdir / "model.keras").encoder_x
    fitted = probes.LogisticProbe().fit(
        probes.encode(encoder, callback.train[0]), callback.train[1]
    )
    found = fitted.score(probes.encode(encoder, callback.test[0]), callback.test[1])
    assert found == pytest.approx(max(accuracies))
    saved_model.export_workdir(workdir, workdir / "encoder")
    card = json.loads((workdir / "encoder" / "model_card.json").read_text())
    assert card["probe_accuracy"] == row["probe_accuracy"]


def test_of_equal_evaluations_the_first_is_the_best():
    accuracies = (None, 0.5, 0.75, 0.75, 0.625)
    rows = [{"step": i, "selection_accuracy": a} for i, a in enumerate(accuracies)]
    assert runs.selected(rows, "best")["step"] == 2
    assert runs.selected(rows, "last")["step"] == runs.selected(rows, None)["step"] == 4


def test_a_tenth_of_the_training_rows_chooses_and_is_not_trained_on(digits):
    settings = training.Settings.resolve(CONFIG)
    experiment = training.make_experiment(settings, digits)
    assert experiment.data is digits  # Whose digest a checkpoint holds.
    left, (held, labels) = experiments.building._without_validation(digits, settings)
    rows = len(digits.train_images)
    assert (len(left.train_images), len(held)) == (rows - rows // 10, rows // 10)
    every = np.concatenate([left.train_images, held]).reshape(rows, -1)
    np.testing.assert_array_equal(
        np.sort(every, axis=0), np.sort(digits.train_images.reshape(rows, -1), axis=0)
    )
    np.testing.assert_array_equal(left.test_images, digits.test_images)
    assert len(labels) == len(held)
    seen = {
        image.tobytes()
        for ((top, bottom),) in experiment.batches(0, rows // 32)
        for image in np.round(255 * np.concatenate([top, bottom], 1)).astype("uint8")
    }
    assert seen.isdisjoint(image.tobytes() for image in held)


def test_a_run_that_is_interrupted_ends_with_the_same_weights(
    digits, tmp_path, monkeypatch
):
    whole = assert_resumes(CONFIG, digits, tmp_path, monkeypatch)
    assert len(list((whole / "best").iterdir())) <= 2


def test_a_checkpoint_without_its_best_one_is_passed_over(
    digits, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        patch.setattr(runs.plots, "plot_curves", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.train(CONFIG, tmp_path, digits)
    shutil.rmtree(tmp_path / "best")
    with pytest.raises(ValueError, match="No checkpoint in .* can be used"):
        training.train(CONFIG, tmp_path, digits)
    assert "is skipped" in capsys.readouterr().out


def test_what_cannot_be_selected_is_refused(digits, tmp_path):
    with pytest.raises(ValueError, match="config.select must be 'last' or 'best'"):
        training.Settings.resolve({"select": "first"})
    with pytest.raises(ValueError, match="config.select .* which has no critic"):
        training.train({**CONFIG, "experiment": "supervised"}, tmp_path, digits)
    unlabeled = training.experiments.building.datasets.from_arrays(
        (digits.train_images, None), (digits.test_images, None)
    )
    with pytest.raises(ValueError, match="config.select must be 'last' for data with"):
        training.train(CONFIG, tmp_path, unlabeled)
