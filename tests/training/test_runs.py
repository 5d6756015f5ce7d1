"""Runs whose workdir was damaged, moved, or goes on under another version."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest

from keras_infomax import training
from keras_infomax.files import manifest
from keras_infomax.training import comparison, runs, sweeps
from keras_infomax.training.settings import Settings

SETTINGS = Settings(steps=16, eval_every=8, seed=3, encoder_units=(5, 4)).as_dict()


def make_model():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The workdir of a finished run, whose weights are its steps."""
    workdir = tmp_path_factory.mktemp("runs") / "run"
    run, model = runs.Run(workdir, SETTINGS), make_model()
    assert run.restore(model) == 0
    for step in (0, 8, 16):
        model.layers[0].bias.assign(np.full(3, step))
        run.record(model, {"step": step, "mi": step / 7, "singular_examples": 128})
    run.finish(model)
    return workdir


@pytest.fixture
def workdir(whole, tmp_path):
    """A copy of it."""
    return shutil.copytree(whole, tmp_path / "run")


def restored(workdir, settings=SETTINGS):
    """The step at which a run goes on, and that of the weights it goes on with."""
    (workdir / "model.keras").unlink(missing_ok=True)
    run, model = runs.Run(workdir, settings), make_model()
    step = run.restore(model)
    run.close()
    return step, model.layers[0].bias.numpy()[0]


def newest(workdir):
    return workdir / "checkpoints" / "step-000000016"


def test_a_whole_run_goes_on_where_it_was(workdir, capsys):
    assert restored(workdir) == (16, 16)
    assert capsys.readouterr().out == ""


def cut(path, to):
    path.write_bytes(path.read_bytes()[:to])


def lose_the_checksums(folder):
    (folder / "manifest.json").unlink()


def list_no_file(folder):
    (folder / "manifest.json").write_text('{"version": 1, "files": {}}')


@pytest.mark.parametrize("lose", [lose_the_checksums, list_no_file])
@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: None,
        lambda folder: cut(folder / "state.keras", 2000),
        lambda folder: cut(folder / "metrics.csv", -5),
        lambda folder: (folder / "run.json").write_text("null"),
    ],
    ids=["nothing else", "state", "metrics", "run"],
)
def test_a_checkpoint_without_checksums_is_passed_over(workdir, damage, lose, capsys):
    lose(newest(workdir))
    damage(newest(workdir))
    assert restored(workdir) == (8, 8)
    (line,) = capsys.readouterr().out.splitlines()
    assert f"{newest(workdir)} cannot be used and is skipped" in line
    assert "manifest.json" in line or "metrics.csv" in line
    assert [row["step"] for row in runs.read_metrics(workdir / "metrics.csv")] == [0, 8]


def test_a_checkpoint_under_another_name_is_passed_over(workdir, capsys):
    newest(workdir).rename(newest(workdir).with_name("step-000000024"))
    assert restored(workdir) == (8, 8)
    assert "must end at step 24; received 16" in capsys.readouterr().out
    (workdir / "checkpoints" / "step-last").mkdir()
    assert restored(workdir) == (8, 8)


def test_a_run_without_a_whole_checkpoint_is_not_begun_anew(workdir):
    for folder in (workdir / "checkpoints").iterdir():
        lose_the_checksums(folder)
    with pytest.raises(ValueError, match="No checkpoint in .* can be used"):
        restored(workdir)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", "\0", "[" * 100_000], ids=lambda t: t[:8]
)
def test_a_damaged_config_is_named(workdir, text):
    (workdir / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json cannot be read") as error:
        runs.Run(workdir, SETTINGS)
    assert "\n" not in str(error.value)
    assert "Remove the file, and repeat the command" in str(error.value)
    # As it says.
    (workdir / "config.json").unlink()
    assert restored(workdir) == (16, 16)
    assert json.loads((workdir / "config.json").read_text())["seed"] == 3


def finished(workdir, settings=SETTINGS):
    run = runs.Run(workdir, settings)
    assert run.finished
    run.take_finished()
    return run.rows


METRICS = {
    "lost": lambda path: path.unlink(),
    "half a row": lambda path: cut(path, -40),
    "half a number": lambda path: cut(path, -3),
    "no end of line": lambda path: cut(path, -1),
    "no last row": lambda path: path.write_text(
        "".join(path.read_text().splitlines(keepends=True)[:-1])
    ),
    "no rows": lambda path: path.write_text(path.read_text().splitlines()[0] + "\n"),
    "empty": lambda path: path.write_text(""),
    "rows twice": lambda path: path.write_text(
        path.read_text() + path.read_text().splitlines()[-1] + "\n"
    ),
    "no number": lambda path: path.write_text(path.read_text().replace("128", "1x8")),
    "columns exchanged": lambda path: path.write_text(
        path.read_text().replace("step,loss,mi,", "step,mi,loss,")
    ),
    "a column twice": lambda path: path.write_text(
        path.read_text().replace("step,loss,mi,", "step,mi,mi,")
    ),
}


@pytest.mark.parametrize("damage", list(METRICS))
def test_metrics_of_a_finished_run_are_whole_or_written_anew(workdir, damage, capsys):
    before = (workdir / "metrics.csv").read_text()
    METRICS[damage](workdir / "metrics.csv")
    rows = finished(workdir)
    assert [row["mi"] for row in rows] == [0, 8 / 7, 16 / 7]
    assert (workdir / "metrics.csv").read_text() == before
    (line,) = capsys.readouterr().out.splitlines()
    assert "metrics.csv" in line
    assert f"it is restored from {newest(workdir)}" in line

    # Without the last checkpoint there is nothing to write it from.
    METRICS[damage](workdir / "metrics.csv")
    shutil.rmtree(newest(workdir))
    with pytest.raises(
        ValueError, match=r"metrics\.csv.*There is no checkpoint of the last"
    ):
        finished(workdir)
    assert (workdir / "model.keras").exists()


def test_metrics_of_a_finished_run_are_those_of_its_last_checkpoint(workdir, capsys):
    before = (workdir / "metrics.csv").read_text()
    (workdir / "metrics.csv").write_text(before.replace("128", "129"))
    assert [row["singular_examples"] for row in finished(workdir)] == [128] * 3
    assert (workdir / "metrics.csv").read_text() == before
    assert "has other values than the last checkpoint" in capsys.readouterr().out


def test_a_finished_run_is_that_of_its_settings_also_without_a_config(workdir, capsys):
    (workdir / "config.json").unlink()
    with pytest.raises(ValueError, match=r"config\.json is missing\. There is no"):
        finished(workdir, {**SETTINGS, "seed": 4})
    assert not (workdir / "config.json").exists()
    finished(workdir)
    assert json.loads((workdir / "config.json").read_text())["seed"] == 3
    assert "config.json is missing; it is restored" in capsys.readouterr().out


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty_archive(path):
    zipfile.ZipFile(path, "w").close()


@pytest.mark.parametrize(
    "damage",
    [lambda path: cut(path, 2000), flip, empty_archive],
    ids=["cut", "a bit", "empty"],
)
def test_a_damaged_model_is_named_and_can_be_written_anew(workdir, damage):
    damage(workdir / "model.keras")
    with pytest.raises(ValueError, match=r"model\.keras cannot be read.*Remove it"):
        finished(workdir)
    with pytest.raises(ValueError, match=r"model\.keras cannot be read.*Remove it"):
        training.train(SETTINGS, workdir)
    assert restored(workdir) == (16, 16)


def test_data_that_were_moved_make_no_other_run(workdir):
    assert restored(workdir, {**SETTINGS, "data_dir": "/moved"}) == (16, 16)
    with pytest.raises(ValueError, match="another config .noise: 0.0 there, 0.5 here"):
        runs.Run(workdir, {**SETTINGS, "noise": 0.5})


def versions(workdir):
    return json.loads((workdir / "versions.json").read_text())


def test_versions_are_written_down_and_told_when_they_change(
    workdir, capsys, monkeypatch
):
    now = runs._versions()
    assert set(now) == {"keras_infomax", "keras", "backend", "tensorflow"}
    assert versions(workdir) == {"0": now}
    later = {**now, "keras_infomax": "7.0", "tensorflow": "99.1"}
    monkeypatch.setattr(runs, "_versions", lambda: later)
    # What has finished is only read.
    finished(workdir)
    assert capsys.readouterr().out == ""
    shutil.rmtree(newest(workdir))
    assert restored(workdir) == (8, 8)
    (line,) = capsys.readouterr().out.splitlines()
    assert (
        f"{workdir} resumes under keras_infomax 7.0 (before: {now['keras_infomax']}), "
        f"tensorflow 99.1 (before: {now['tensorflow']})" in line
    )
    assert versions(workdir) == {"0": now, "8": later}
    # It goes on once more, and by the versions that it has now.
    assert restored(workdir) == (8, 8)
    assert capsys.readouterr().out == ""
    assert versions(workdir) == {"0": now, "8": later}


@pytest.mark.parametrize("text", ["", "[]", '{"x": {}}', '{"0": 3}', "{}"])
def test_damaged_versions_stop_nothing(workdir, text, capsys):
    (workdir / "versions.json").write_text(text)
    assert restored(workdir) == (16, 16)
    assert ("versions.json" in capsys.readouterr().out) == (text != "{}")
    assert versions(workdir) == {"16": runs._versions()}


OTHERS = {
    "config.json": "config.json: Is a directory",
    "metrics.csv": r"metrics\.csv is in the way \(Is a directory\)",
    "versions.json": r"versions\.json is in the way \(Is a directory\)",
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_folder_in_the_place_of_a_file_is_named(workdir, name):
    (workdir / name).unlink()
    (workdir / name).mkdir()
    shutil.rmtree(newest(workdir))
    (workdir / "model.keras").unlink()
    with pytest.raises((ValueError, OSError), match=OTHERS[name]):
        run = runs.Run(workdir, SETTINGS)
        with run.saving():
            run.restore(make_model())
    run.close() if name != "config.json" else None


@pytest.mark.parametrize("text", ['{"settings": null}', '{"settings": []}', "{}"])
def test_a_checkpoint_that_tells_no_settings_is_passed_over(workdir, text, capsys):
    (newest(workdir) / "run.json").write_text(text)
    manifest.write(newest(workdir))
    assert restored(workdir) == (8, 8)
    assert "run.json lacks settings" in capsys.readouterr().out


def test_a_run_is_not_resumed_on_other_data(workdir):
    (workdir / "model.keras").unlink()
    run, model = runs.Run(workdir, SETTINGS), make_model()
    # An earlier version did not write them down.
    assert run.restore(model, "first") == 16
    run.record(model, {"step": 24})
    run.close()
    run = runs.Run(workdir, SETTINGS)
    with pytest.raises(ValueError, match="data are not those of .*Put them back"):
        run.restore(model, "second")
    run.close()
    assert run.restore(model, "first") == 24
    run.close()


@pytest.mark.parametrize("workdir", [None, 3, "", b"x", "a\0b"])
def test_a_workdir_is_a_path(workdir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="workdir must be a path"):
        training.train(SETTINGS, workdir)
    with pytest.raises(ValueError, match="workdir must be a path"):
        sweeps.sweep(sweeps.Sweep({}, {}), workdir)
    with pytest.raises(ValueError, match="workdir must be a path"):
        comparison.finished_workdirs(workdir)
    assert list(tmp_path.iterdir()) == []


def test_the_home_of_a_workdir_is_found(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(whole.parent))
    monkeypatch.chdir(tmp_path)
    assert training.train(SETTINGS, f"~/{whole.name}")["step"] == 16
    assert comparison.finished_workdirs(f"~/{whole.name}") == [whole]
    assert sweeps.Table("~/none.csv").path == whole.parent / "none.csv"
    assert list(tmp_path.iterdir()) == []
