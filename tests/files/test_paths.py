"""Paths that somebody, such as TensorFlow or a shell, reads in a way of its own."""

import os

import keras
import numpy as np
import pytest

import keras_infomax as kim
from keras_infomax import files, private, saved_model
from keras_infomax.programs import verify
from keras_infomax.training import checkpoints
from keras_infomax.training.settings import Settings

NAMES = ["lr[0.1]", "a*b", "a?b", "a{1,2}", "two words", "köln", "a\\b", "[a]/[b]"]


@pytest.fixture(scope="module")
def encoder():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


@pytest.mark.parametrize("name", NAMES)
def test_an_export_lies_at_any_path(encoder, tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    views = np.ones((2, 3), "float32")
    formats = ["saved_model", "archive"]
    for path in (tmp_path / name, f"{name}-relative/"):
        saved_model.export(encoder, path, formats=formats)
        for handle in (path, os.path.join(path, "encoder.tar.gz")):
            layer = saved_model.load(handle)
            np.testing.assert_array_equal(layer(views), encoder(views))
            with private.safe_mode(True):
                assert len(saved_model.load(handle).variables) == 2
        saved_model.export(encoder, path, overwrite=True)
    # And again from what was loaded, whose own files are read then.
    saved_model.export(layer, tmp_path / "again")
    np.testing.assert_array_equal(saved_model.load("again")(views), encoder(views))


@pytest.mark.slow
def test_an_export_at_such_a_path_is_verified(encoder, tmp_path):
    saved_model.export(encoder, tmp_path / "lr[0.1]", formats=["saved_model", "tflite"])
    results = verify.verify(tmp_path / "lr[0.1]")
    assert verify.table(results, tolerance=1e-5)[1], results


def test_a_model_with_a_layer_from_such_a_path_loads(encoder, tmp_path):
    folder = tmp_path / "lr[0.1]"
    saved_model.export(encoder, folder)
    layer = kim.HubEncoder(folder)
    assert layer.get_config()["handle"] == str(folder)
    keras.Sequential([keras.Input((3,)), layer]).save(folder / "model.keras")
    model = keras.saving.load_model(folder / "model.keras")
    views = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(model(views), encoder(views))


def test_the_home_is_found(encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    saved_model.export(encoder, "~/encoder")
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]
    assert saved_model.load("~/encoder")(np.ones((2, 3))).shape == (2, 2)


def test_damage_at_such_a_path_names_it(encoder, tmp_path):
    folder = tmp_path / "lr[0.1]"
    saved_model.export(encoder, folder)
    (folder / "variables/variables.index").unlink()
    with pytest.raises(ValueError, match="variables.index is missing") as error:
        saved_model.load(folder)
    assert str(folder) in str(error.value)


def test_checkpoints_lie_at_any_path(tmp_path):
    model = kim.InfoMax(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
    model.compile("adam", "infonce")
    model.optimizer.build(model.trainable_variables)
    kept = checkpoints.Checkpoints(tmp_path / "lr[0.1]*", Settings().as_dict())
    kept.write(3, model, lambda folder: (folder / "metrics.csv").touch())
    (folder,) = kept.newest_first()
    kept.load(folder, model)
    assert checkpoints.step_of(folder) == 3


def test_wildcards_are_those_of_tensorflow(tmp_path):
    marked = [name for name in NAMES if files.has_wildcards(name)]
    assert marked == ["lr[0.1]", "a*b", "a?b", "a\\b", "[a]/[b]"]
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").touch()
    files.link(tmp_path / "a", tmp_path / "b")
    assert os.listdir(tmp_path / "b") == ["x"]
    files.link(tmp_path / "none", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_search_is_refused_where_keras_tuner_would_not_find_its_trials(tmp_path):
    from keras_infomax import tuning

    with pytest.raises(ValueError, match=r"none of \* \? \[ and .*lr\[0\.1\]"):
        tuning.search({}, tmp_path / "lr[0.1]")
    assert list(tmp_path.iterdir()) == []
