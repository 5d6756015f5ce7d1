import csv
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from export_checks import VIEW, make_views, read_card

import keras_infomax as kim
from keras_infomax import measures, saved_model


@pytest.fixture
def workdir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    model = kim.InfoMax(*(kim.encoders.mlp(VIEW, (8,), size) for size in (5, 3)))
    model.save(folder / "model.keras")
    config = {"dataset": "digits", "batch_size": 64, "target": None}
    (folder / "config.json").write_text(json.dumps(config))
    rows = [
        {"step": 10, "mi": 1.5, "val_mi": 1.25, "probe_accuracy": 0.5},
        {"step": 20, "mi": 2.5, "val_mi": 2.25, "probe_accuracy": 0.75}
        | {"raw_baseline": 0.625},
    ]
    with open(folder / "metrics.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, measures.NAMES)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_workdir_exports_the_encoder_with_config_and_last_metrics(workdir, tmp_path):
    saved_model.export_workdir(workdir, tmp_path / "out")
    model = keras.saving.load_model(workdir / "model.keras")
    views = make_views(4)
    loaded = saved_model.load(tmp_path / "out")
    np.testing.assert_array_equal(loaded(views), model.encoder_x(views))
    card = read_card(tmp_path / "out")
    assert card["dataset"] == "digits"
    assert card["input_range"] == [0, 1]
    assert (card["step"], card["mi"], card["val_mi"]) == (20, 2.5, 2.25)
    assert (card["probe_accuracy"], card["raw_baseline"]) == (0.75, 0.625)
    assert card["mi_ceiling"] is None
    assert card["config"]["batch_size"] == 64
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "Trained without labels by mutual information (MI)" in page


def test_workdir_exports_serve_the_images_of_the_data_set(workdir, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 12, 4, 1), dtype="uint8")
    model = keras.saving.load_model(workdir / "model.keras")
    for encoder, half in (("x", images[:, :6]), ("y", images[:, 6:])):
        saved_model.export_workdir(workdir, tmp_path / encoder, encoder=encoder)
        root = tf.saved_model.load(str(tmp_path / encoder))
        served = root.signatures["serving_default"](inputs=tf.constant(images))
        chosen = model.encoder_x if encoder == "x" else model.encoder_y
        expected = chosen(half / np.float32(255))
        np.testing.assert_allclose(served["encoding"], expected, rtol=0, atol=1e-6)
    card = read_card(tmp_path / "y")
    assert (card["raw_shape"], card["raw_dtype"]) == ([12, 4, 1], "uint8")
    assert (
        "raw inputs `(rows, 12, 4, 1)`, uint8" in (tmp_path / "y/README.md").read_text()
    )


def test_second_encoder_does_not_claim_the_probe_of_the_first(workdir, tmp_path):
    saved_model.export_workdir(workdir, tmp_path / "out", encoder="y")
    card = read_card(tmp_path / "out")
    assert card["encoding_size"] == 3
    assert card["mi"] == 2.5
    assert (card["probe_accuracy"], card["raw_baseline"]) == (None, None)


@pytest.mark.parametrize("name", ["model.keras", "config.json", "metrics.csv"])
def test_unfinished_or_damaged_run_is_refused(workdir, tmp_path, name):
    (workdir / name).write_bytes(b'{"step": 1')
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        saved_model.export_workdir(workdir, tmp_path / "out")
    (workdir / name).unlink()
    with pytest.raises(ValueError, match=f"has no {name}"):
        saved_model.export_workdir(workdir, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_model_of_another_kind_is_refused(workdir, tmp_path):
    kim.encoders.mlp(VIEW).save(workdir / "model.keras")
    with pytest.raises(ValueError, match="holds a Sequential, not an InfoMax"):
        saved_model.export_workdir(workdir, tmp_path / "out")


def test_export_never_replaces_the_run_it_comes_from(workdir, tmp_path):
    for output in (workdir, tmp_path):
        with pytest.raises(ValueError, match="must not contain the training run"):
            saved_model.export_workdir(workdir, output, overwrite=True)
    with pytest.raises(ValueError, match="encoder must be 'x' or 'y'"):
        saved_model.export_workdir(workdir, tmp_path / "out", encoder="z")
    assert len(os.listdir(workdir)) == 3


def run_program(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "export.saved_model", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_program_exports(workdir, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    result = run_program(
        f"--workdir={workdir}",
        f"--output={output}",
        "--encoder=y",
        "--overwrite",
        "--formats=saved_model,archive,tflite,onnx",
        "--image_dtype=float32",
    )
    assert result.returncode == 0, result.stderr
    assert str(output) in result.stdout
    assert "Assets" not in result.stderr  # Their path is one that no longer exists.
    assert saved_model.load(output)(make_views(2)).shape == (2, 3)
    for name in ("encoder.tar.gz", "encoder.tflite", "encoder.onnx"):
        assert (output / name).is_file()
    assert read_card(output)["raw_dtype"] == "float32"


def test_program_fails_with_one_line(tmp_path):
    result = run_program(f"--workdir={tmp_path}", f"--output={tmp_path / 'out'}")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: --workdir must name a folder with a file model.ker")
    assert "Let the training finish first." in line
    assert result.stdout == ""
