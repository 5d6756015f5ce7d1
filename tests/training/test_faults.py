"""Runs that are killed end as one that nobody touched."""

import csv
import re
import shutil

import keras
import pytest
from conftest import ROOT

from benchmarks import faults, processes
from benchmarks.processes import Kill, Moment

SMALL = [
    "--config=configs/digits_halves.py:smoke",
    "--config.steps=30",
    "--config.encoder_units=(16,)",
    "--config.encoding_dim=6",
]


@pytest.mark.slow
def test_a_run_killed_four_times_ends_as_one_left_alone(tmp_path):
    moments = [
        Moment("probing"),
        Moment("writing a checkpoint"),
        Moment("training", 0.5),
        Moment("saving the model"),
    ]
    kills = faults.compare(tmp_path / "runs", SMALL, moments)
    assert [kill.awaited for kill in kills] == [moment.activity for moment in moments]
    steps = [kill.step for kill in kills]
    assert steps[0] is None
    assert steps[-1] == 30
    # Differences are seen.
    workdir = tmp_path / "runs/killed"
    before = faults.facts(workdir)
    metrics = workdir / "metrics.csv"
    metrics.write_text(metrics.read_text().replace("1", "2", 1))
    (events,) = (workdir / "tensorboard/ceiling").iterdir()
    shutil.copy(events, workdir / "tensorboard/ceiling/again.tfevents")
    found = faults.differing(faults.facts(workdir), before)
    assert found == ["metrics.csv", "scalars"]


@pytest.mark.slow
def test_fifty_kills(tmp_path):
    kills = faults.long_form(tmp_path / "runs", 50, seed=1)
    programs = [kill.program for kill in kills]
    assert programs.count("trainers.train") >= 41
    assert programs.count("export.saved_model") >= 4
    assert len({kill.activity for kill in kills}) >= 6


def test_activities_are_functions_that_there_are():
    # Nothing is killed in a function that has moved.
    for file, function in processes.ACTIVITIES.values():
        if file == "trainer.py":
            assert callable(getattr(keras.Model, function))
            continue
        defined = re.compile(rf"^ *def {function}\(", re.MULTILINE)
        there = (ROOT / "keras_infomax").rglob(file)
        assert any(defined.search(path.read_text()) for path in there), function


def test_moments_are_seeded_and_in_the_table(tmp_path):
    plan = faults.plan(9, 4.0, seed=3)
    assert plan == faults.plan(9, 4.0, seed=3) != faults.plan(9, 4.0, seed=4)
    assert [moment.delay == 0 for moment in plan] == [False, False, True] * 3
    assert max(moment.delay for moment in plan) <= 4
    kill = Kill(1, "trainers.train", "probing", 0.0, 7.25, "probing", None)
    faults.write_table(tmp_path / "kills.csv", [kill])
    assert (tmp_path / "kills.csv").read_text() == (
        "number,program,awaited,delay,seconds,activity,step\n"
        "1,trainers.train,probing,0.0,7.25,probing,\n"
    )


def test_the_page_tells_what_its_table_holds():
    with open(ROOT / "docs/faults.csv", newline="", encoding="utf-8") as file:
        programs = [row["program"] for row in csv.DictReader(file)]
    page = " ".join((ROOT / "docs/faults.md").read_text(encoding="utf-8").split())
    trainings = programs.count("trainers.train")
    exports = programs.count("export.saved_model")
    said = f"All {len(programs)} kills, {trainings} in training and {exports} in the"
    assert said in page
