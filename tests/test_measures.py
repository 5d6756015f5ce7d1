"""One name for each quantity, in histories, tables and TensorBoard."""

import csv

import numpy as np
import pytest
from run_checks import SMALL, logged

import keras_infomax as kim
from keras_infomax import measures, training
from keras_infomax.callbacks.tensorboard import scalars
from keras_infomax.training import runs, sweeps


def test_names_are_those_of_a_history():
    x = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
    model = kim.InfoMax(kim.encoders.mlp((6,), (4,), 3))
    model.compile("sgd", "infonce")
    probe = kim.callbacks.LinearProbe((x, np.arange(32) % 2), (x, np.arange(32) % 2))
    history = model.fit(
        (x, x), validation_data=((x, x),), callbacks=[probe], verbose=0
    ).history
    assert set(history) <= set(measures.NAMES)
    assert {"mi", "val_mi", "probe_accuracy"} <= set(history)


@pytest.mark.parametrize(
    ("name", "curve", "chart", "unit"),
    [
        ("mi", "train", "mi", "nats"),
        ("val_mi", "held_out", "mi", "nats"),
        ("mi_ceiling", "ceiling", "mi", "nats"),
        ("mi_global_local", "train", "mi/global_local", "nats"),
        ("val_mi_global_local", "held_out", "mi/global_local", "nats"),
        ("raw_baseline", "raw_views", "probe_accuracy", "share of rows"),
        ("probe_information", "held_out", "probe_information", "nats"),
        ("log_condition_20", "train", "log_condition/20", ""),
        ("accuracy", "train", "accuracy", ""),
        ("val_accuracy", "held_out", "accuracy", ""),
    ],
)
def test_every_measure_has_its_place(name, curve, chart, unit):
    found = measures.place(name)
    assert (found.name, found.curve, found.chart, found.unit) == (
        *(name, curve, chart, unit),
    )


def test_measures_without_a_column_get_one(tmp_path):
    rows = [{"step": 0, "mi": None}, {"step": 8, "mi": 0.1 + 0.2, "mi_x_y": 1 / 3}]
    path = tmp_path / "metrics.csv"
    runs.write_metrics(path, rows)
    assert path.read_text().splitlines()[0] == "step,mi,mi_x_y"
    first, second = runs.read_metrics(path)
    assert (first["mi_x_y"], second["mi_x_y"], second["mi"]) == (None, 1 / 3, 0.1 + 0.2)
    scalars.ScalarWriter(tmp_path, [second]).close()
    assert logged(tmp_path)["train"]["mi/x_y"] == [(8, pytest.approx(1 / 3))]


def table_of(tmp_path, **measured):
    (settings,) = sweeps.Sweep({**SMALL, "steps": 8}, {}).runs(1)
    path = tmp_path / "results.csv"
    table = sweeps.Table(path)
    rows = [{**dict.fromkeys(measures.NAMES), "step": step} for step in (0, 8)]
    rows[-1].update(measured)
    table.append(sweeps.key(settings), rows)
    return path


def test_a_table_of_results_has_them_too(tmp_path):
    path = table_of(tmp_path, mi=0.25, mi_x_y=0.5)
    with open(path, newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    start = header.index("step")
    known = len(measures.NAMES)
    assert header[start : start + known] == list(measures.NAMES)
    assert header[start + known :] == ["mi_x_y", "backend", "commit", "settings"]
    (_, last) = sweeps.read_table(path)
    assert (last["mi"], last["mi_x_y"]) == ("0.25", "0.5")


def test_tables_with_earlier_names_are_read(tmp_path):
    path = table_of(tmp_path, mi=0.25, val_mi=0.125, loss=-0.25, val_loss=-0.125)
    expected = sweeps.read_table(path)
    earlier = {new: old for old, new in measures.EARLIER.items()}
    header, nl, rest = path.read_text().partition("\n")
    named = ",".join(earlier.get(name, name) for name in header.split(","))
    path.write_text(named + nl + rest)
    assert "mi_test" in named
    assert sweeps.read_table(path) == expected
    # It is written anew by the names of today.
    with sweeps.Table(path).changing():
        pass
    assert path.read_text().startswith(header)


def test_a_workdir_with_earlier_names_is_read(tmp_path):
    row = {**dict.fromkeys(measures.NAMES), "step": 8, "mi": 0.25, "raw_baseline": 0.5}
    path = tmp_path / "metrics.csv"
    runs.write_metrics(path, [row])
    header, nl, rest = path.read_text().partition("\n")
    path.write_text(header.replace("raw_baseline", "pixel_baseline") + nl + rest)
    (found,) = runs.read_metrics(path)
    assert found == row
    with pytest.warns(DeprecationWarning, match="pixel_baseline is now raw_baseline"):
        assert found["pixel_baseline"] == 0.5
    with pytest.raises(KeyError, match="pixel"):
        found["pixel"]


def test_estimates_of_terms_are_in_the_files_of_a_run(digits, tmp_path):
    settings = {
        "batch_size": SMALL["batch_size"],
        **{"experiment": "deep_infomax", "views": "whole", "steps": 2, "eval_every": 2},
    }
    training.train(settings, tmp_path, digits)
    last = runs.read_metrics(tmp_path / "metrics.csv")[-1]
    terms = [name for name in last if name.startswith("val_mi_")]
    assert len(terms) == 2
    shown = logged(tmp_path / "tensorboard")["held_out"]
    for name in terms:
        (*_, (step, value)) = shown[measures.place(name).chart]
        assert (step, value) == (2, pytest.approx(last[name], rel=1e-6))
