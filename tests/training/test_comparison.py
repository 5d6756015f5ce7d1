"""Finished runs and what the probes make of them."""

import csv
import dataclasses
import shutil

import keras
import numpy as np
import pytest
from conftest import ROOT
from run_checks import SMALL

from keras_infomax import files, probes, training, version
from keras_infomax.training import comparison, experiments
from keras_infomax.training.settings import IDENTITY, identity

KEYS = {"figure": "f", "budget": "smoke"}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, digits):
    """A folder of two finished runs and one that never finished."""
    folder = tmp_path_factory.mktemp("sweep")
    for seed in (0, 1):
        settings = {**SMALL, **KEYS, "seed": seed}
        training.train(settings, folder / f"seed{seed}", digits)
    (folder / "broken").mkdir()
    return folder


@pytest.fixture
def loads_digits(monkeypatch, digits):
    monkeypatch.setattr(experiments, "load_data", lambda settings, data: digits)


@pytest.mark.slow
def test_a_loaded_run_has_the_trained_encoder_and_the_views_of_its_probe(
    sweep, digits, loads_digits
):
    run = comparison.FinishedRun.load(sweep / "seed1")
    assert run.settings.seed == 1
    np.testing.assert_allclose(run.train[0], digits.train_images[:, :14] / 255)
    np.testing.assert_array_equal(run.test[1], digits.test_labels)
    recorded = training.runs.read_metrics(sweep / "seed1" / "metrics.csv")[-1]
    (found,) = probes.judge(
        {"linear": probes.LogisticProbe()}, run.encoder, run.train, run.test
    ).values()
    assert found.accuracy == recorded["probe_accuracy"]


def test_methods_are_judged_on_whole_images_as_in_training(
    digits, loads_digits, tmp_path
):
    options = {"encoder": "mlp", "encoding_dim": 8, "projection_units": (8,)}
    method = {"experiment": "augmented_views", "views": "augmented", "options": options}
    budget = {"batch_size": 32, "steps": 4, "eval_every": 4}
    last = training.train({**KEYS, **method, **budget}, tmp_path, digits)
    run = comparison.FinishedRun.load(tmp_path)
    np.testing.assert_allclose(run.test[0], digits.test_images / 255)
    linear = {"linear": probes.LogisticProbe()}
    found = probes.judge(linear, run.encoder, run.train, run.test)["linear"]
    assert found.accuracy == last["probe_accuracy"]


def test_the_table_holds_every_run_and_probe_beside_the_pixels(
    sweep, tmp_path, loads_digits, capsys
):
    output = tmp_path / "new" / "table.csv"
    rows = comparison.compare(sweep, output, ["linear", "few_labels", "fine_tuning"])
    assert [(row["seed"], row["probe"]) for row in rows] == [
        (seed, name)
        for seed in "01"
        for name in ("linear", "few_labels", "fine_tuning")
    ]
    run = comparison.FinishedRun.load(sweep / "seed1")
    few = probes.get("few_labels")
    found = probes.judge({"few": few}, run.encoder, run.train, run.test)["few"]
    pixels = probes.judge({"few": few}, None, run.train, run.test)["few"]
    encodings = probes.encode(run.encoder, run.train[0])
    assert rows[4] == {
        **dict(zip(IDENTITY, identity(run.settings), strict=True)),
        "probe": "few_labels",
        **dataclasses.asdict(found),
        "raw_accuracy": pixels.accuracy,
        "raw_information": pixels.information,
        "covariance_log_condition": probes.covariance_log_condition(encodings),
        "commit": version.commit(),
    }
    assert rows[4]["settings"] == (
        '{"encoder_units":[24],"encoding_dim":12,"eval_every":8,"learning_rate":0.001}'
    )
    with open(output, newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert [row["accuracy"] for row in read] == [f"{r['accuracy']:.6g}" for r in rows]
    assert read[0]["standard_error"] == read[2]["raw_accuracy"] == ""
    assert read[0]["figure"] == "f"
    assert "seed1 evaluated by 3 probes" in capsys.readouterr().out


def test_a_table_goes_on_where_it_stopped(
    sweep, tmp_path, loads_digits, monkeypatch, capsys
):
    folder, output = tmp_path / "runs", tmp_path / "table.csv"
    folder.mkdir()
    shutil.copytree(sweep / "seed0", folder / "seed0")
    comparison.compare(folder, output, ["linear"])
    shutil.copytree(sweep / "seed1", folder / "seed1")
    before = output.read_text().splitlines()
    capsys.readouterr()
    # What the pixels gave is on disk, and what was judged is not judged again.
    monkeypatch.setattr(comparison.callbacks.Probes, "judge_raw", lambda probe: 1 / 0)
    rows = comparison.compare(folder, output, ["linear"])
    assert output.read_text().splitlines()[:2] == before
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert rows[0]["raw_accuracy"] == pytest.approx(rows[1]["raw_accuracy"], rel=1e-5)
    said = capsys.readouterr().out
    assert "seed1 evaluated by 1 probes" in said
    assert "seed0" not in said
    monkeypatch.undo()


def test_a_table_of_an_earlier_version_is_gone_on_with(sweep, tmp_path, loads_digits):
    output = tmp_path / "table.csv"
    comparison.compare(sweep, output, ["linear"])
    header, *lines = csv.reader(output.read_text().splitlines())
    assert header[-3:] == ["covariance_log_condition", "commit", "settings"]
    old = [header[:-3], *(line[:-3] for line in lines)]
    files.write_csv(output, *old)
    rows = comparison.compare(sweep, output, ["linear"])
    assert [row["commit"] for row in rows] == ["", ""]


def test_another_table_is_not_overwritten(sweep, tmp_path):
    output = tmp_path / "results.csv"
    output.write_text("figure,seed\nf,0\n")
    with pytest.raises(
        ValueError, match="results.csv lacks the columns dataset, .*prob"
    ):
        comparison.compare(sweep, output, ["linear"])
    assert output.read_text() == "figure,seed\nf,0\n"


def row(**values):
    key = dict.fromkeys(comparison.KEY, "same")
    found = {"accuracy": 0.5, "information": 1.0, "standard_error": None}
    pixels = {"raw_accuracy": 0.25, "raw_information": 1.5}
    return {**key, "probe": "linear", **found, **pixels, **values}


def test_the_summary_is_of_means_over_seeds():
    none = {"raw_accuracy": None, "raw_information": None}
    table = comparison.summary(
        [
            row(critic="mlp", probe="fine_tuning", **none),
            row(critic="mlp", seed=0),
            row(critic="mlp", seed=1, accuracy=0.7, information=1.2),
            row(critic="bilinear", raw_accuracy=0.625),
        ]
    )
    assert table.splitlines()[2:] == [
        "| linear | mlp | 0.600 | +0.350 | 1.100 | -0.400 | 2 |",
        "| linear | bilinear | 0.500 | -0.125 | 1.000 | -0.500 | 1 |",
        "| fine_tuning | mlp | 0.500 |  | 1.000 |  | 1 |",
    ]
    assert table.splitlines()[0].startswith("| probe | critic | accuracy")


def test_the_summary_tells_runs_apart_by_all_settings():
    table = comparison.summary(
        [
            row(settings='{"learning_rate":0.1}', accuracy=0.5),
            row(settings='{"learning_rate":0.2}', accuracy=0.7),
        ]
    )
    assert table.splitlines()[2:] == [
        '| linear | {"learning_rate":0.1} | 0.500 | +0.250 | 1.000 | -0.500 | 1 |',
        '| linear | {"learning_rate":0.2} | 0.700 | +0.450 | 1.000 | -0.500 | 1 |',
    ]


@pytest.mark.parametrize("text", ["", "[]", "null", '{"seed"', '{"sed": 1}'])
def test_a_damaged_config_is_named(sweep, tmp_path, text):
    shutil.copytree(sweep / "seed0", tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"run/config\.json (cannot be|does not fit)"):
        comparison.FinishedRun.load(tmp_path / "run")


def test_the_committed_summary_is_that_of_the_committed_table():
    rows = comparison.read_table(ROOT / "docs/probes/probes.csv")
    assert len(rows) == 9 * len(probes.PROBES)
    readme = (ROOT / "docs/probes/README.md").read_text(encoding="utf-8")
    assert comparison.summary(rows) in readme


def test_one_run_may_be_judged_alone_and_none_is_an_error(sweep, tmp_path):
    assert comparison.finished_workdirs(sweep / "seed0") == [sweep / "seed0"]
    assert comparison.finished_workdirs(sweep) == [sweep / "seed0", sweep / "seed1"]
    with pytest.raises(ValueError, match="workdir must be a finished run.*train"):
        comparison.finished_workdirs(tmp_path)


def test_runs_without_labels_are_refused(sweep, digits, monkeypatch):
    blind = dataclasses.replace(digits, train_labels=None)
    monkeypatch.setattr(experiments, "load_data", lambda settings, data: blind)
    with pytest.raises(ValueError, match="needs labels .*seed0"):
        comparison.FinishedRun.load(sweep / "seed0")


def test_an_unknown_probe_is_refused_before_anything_is_judged(sweep, tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'linear'"):
        comparison.compare(sweep, tmp_path / "table.csv", ["linaer"])
    assert list(tmp_path.iterdir()) == []


def test_saved_encoders_are_tuned(sweep, loads_digits):
    run = comparison.FinishedRun.load(sweep / "seed0")
    assert isinstance(run.encoder, keras.Model)
    before = run.encoder.get_weights()
    probe = probes.FineTuning(epochs=3).of(run.encoder).fit(*run.train)
    # Ten digits: three epochs are well above a guess.
    assert probe.score(*run.test) > 0.2
    for weight, old in zip(run.encoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
