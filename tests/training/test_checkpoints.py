"""Checkpoints that are damaged or of others are told from one's own."""

import json

import keras
import numpy as np
import pytest

from keras_infomax.training import checkpoints
from keras_infomax.training.settings import Settings

SETTINGS = Settings(seed=3, encoder_units=(5, 4)).as_dict()


def make_model(units=3, optimizer="adam"):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
    model.compile(optimizer, "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def write(folder, steps, model=None, settings=SETTINGS):
    model = model or make_model()
    ours = checkpoints.Checkpoints(folder, settings)
    for step in steps:
        ours.write(step, model, lambda path: (path / "metrics.csv").write_text("step"))
    return ours, model


def state(model):
    return [np.array(v) for v in [*model.variables, *model.optimizer.variables]]


def test_weights_and_optimizer_come_back(tmp_path):
    ours, model = write(tmp_path, [])
    model.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0)
    write(tmp_path, [7], model)
    (folder,) = ours.newest_first()
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json",
        "metrics.csv",
        "run.json",
        "state.keras",
    ]
    other = make_model()
    ours.load(folder, other)
    for a, b in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_folder_of_another_name_is_no_step(tmp_path):
    (tmp_path / "step-old").mkdir()
    ours = checkpoints.Checkpoints(tmp_path, SETTINGS)
    assert ours.last_step == 0
    write(tmp_path, [7])
    assert ours.last_step == 7


def flip(folder):
    path = folder / "state.keras"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(folder):
    path = folder / "state.keras"
    path.write_bytes(path.read_bytes()[:2000])


DAMAGES = {
    "a bit of the weights": (flip, "state.keras differs"),
    "half of the weights": (truncate, "state.keras differs"),
    "all metrics": (
        lambda folder: (folder / "metrics.csv").unlink(),
        "metrics.csv is missing",
    ),
    "the checksums": (
        lambda folder: (folder / "manifest.json").write_text("{"),
        "manifest.json cannot be read",
    ),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_damage_is_found_before_anything_is_loaded(tmp_path, damage):
    ours, _ = write(tmp_path, [7])
    (folder,) = ours.newest_first()
    spoil, message = DAMAGES[damage]
    spoil(folder)
    model = make_model()
    before = state(model)
    with pytest.raises(ValueError, match=message):
        ours.load(folder, model)
    for a, b in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ({"units": 2}, SETTINGS, "of another model"),
        ({"optimizer": "sgd"}, SETTINGS, "8 variables .* where this one has 4"),
        ({}, {**SETTINGS, "seed": 4}, "another config .seed: 3 there, 4 here"),
    ],
    ids=["shapes", "optimizer", "settings"],
)
def test_checkpoints_of_others_are_refused(tmp_path, model, settings, message):
    _, _ = write(tmp_path, [7])
    ours = checkpoints.Checkpoints(tmp_path, settings)
    (folder,) = ours.newest_first()
    with pytest.raises(ValueError, match=message):
        ours.load(folder, make_model(**model))


def test_a_setting_that_came_later_had_its_default(tmp_path):
    earlier = {key: SETTINGS[key] for key in SETTINGS if key != "chunk_size"}
    _, model = write(tmp_path, [7], settings=earlier)
    ours = checkpoints.Checkpoints(tmp_path, SETTINGS)
    (folder,) = ours.newest_first()
    assert "chunk_size" not in json.loads((folder / "run.json").read_text())["settings"]
    ours.load(folder, model)


def test_two_of_ours_are_kept_whatever_lies_there(tmp_path):
    write(tmp_path, [800, 900], make_model(units=2))
    for step in (8, 16, 24):
        write(tmp_path, [step])
    assert [folder.name for folder in write(tmp_path, [])[0].newest_first()] == [
        f"step-{step:09d}" for step in (900, 800, 24, 16)
    ]


def test_a_failed_write_leaves_the_others(tmp_path):
    ours, model = write(tmp_path, [8, 16])

    def fail(path):
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        ours.write(24, model, fail)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "step-000000008",
        "step-000000016",
    ]
