import csv
import multiprocessing
import os

import pytest

from keras_infomax import runs, sweeps

SETTINGS = {"figure": "figure3", "budget": "quick", "eval_every": 10, "seed": 3}
SWEEP = sweeps.Sweep(
    settings={**SETTINGS, "steps": 20},
    grid={"critic": ("bilinear", "mlp"), "bound": ("infonce", "nwj")},
)


def fake_train(settings, workdir, baselines):
    """Stands for training: fails for one run, dies in another."""
    with open(workdir / "started", "a", encoding="utf-8") as file:
        file.write("x")
    if (settings["critic"], settings["bound"]) == ("mlp", "nwj"):
        if not (workdir / "mended").exists():
            raise ValueError("the loss is nan")
    if (settings["critic"], settings["bound"]) == ("bilinear", "nwj"):
        if not (workdir / "mended").exists():
            os._exit(9)
    rows = [dict.fromkeys(runs.COLUMNS) | {"step": step, "mi": 0.5} for step in (0, 20)]
    runs.write_metrics(workdir / "metrics.csv", rows)


def cells(path, *columns):
    with open(path, newline="", encoding="utf-8") as file:
        return [tuple(row[c] for c in columns) for row in csv.DictReader(file)]


def test_a_grid_is_run_seed_by_seed():
    settings = SWEEP.runs(seeds=2)
    assert [(s.seed, s.critic, s.bound) for s in settings] == [
        (seed, critic, bound)
        for seed in (3, 4)
        for critic in ("bilinear", "mlp")
        for bound in ("infonce", "nwj")
    ]
    assert SWEEP.name(settings[1]) == "bilinear-nwj-seed3"
    assert len({sweeps.key(s) for s in settings}) == 8


def test_keys_tell_budgets_apart():
    settings = SWEEP.runs(1)[0]
    longer = sweeps.Sweep({**SETTINGS, "steps": 30}, {})
    assert sweeps.key(settings) != sweeps.key(longer.runs(1)[0])


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("sweep")
    results = workdir / "deep" / "results.csv"
    failures = sweeps.sweep(SWEEP, workdir, results=results, train=fake_train)
    return workdir, results, failures


def test_failed_runs_are_named_with_their_reason_and_stop_nothing(swept):
    workdir, results, failures = swept
    assert set(failures) == {"mlp-nwj-seed3", "bilinear-nwj-seed3"}
    assert "ValueError: the loss is nan" in failures["mlp-nwj-seed3"]
    assert "exit code 9" in failures["bilinear-nwj-seed3"]
    assert set(cells(results, "critic", "bound", "seed", "budget", "steps")) == {
        ("bilinear", "infonce", "3", "quick", "20"),
        ("mlp", "infonce", "3", "quick", "20"),
    }
    assert cells(results, "step", "mi_train") == [("0", "0.5"), ("20", "0.5")] * 2
    assert all(commit for (commit,) in cells(results, "commit"))


def test_repeated_it_does_what_is_left(swept):
    workdir, results, _ = swept
    for name in ("mlp-nwj-seed3", "bilinear-nwj-seed3"):
        (workdir / name / "mended").touch()
    assert sweeps.sweep(SWEEP, workdir, results=results, train=fake_train) == {}
    assert len(cells(results, "step")) == 8
    started = {p.parent.name: len(p.read_text()) for p in workdir.glob("*/started")}
    assert started == {
        "bilinear-infonce-seed3": 1,
        "mlp-infonce-seed3": 1,
        "mlp-nwj-seed3": 2,
        "bilinear-nwj-seed3": 2,
    }


def test_runs_that_the_table_holds_are_skipped(tmp_path):
    table = sweeps.Table(tmp_path / "results.csv")
    row = dict.fromkeys(runs.COLUMNS) | {"step": 20}
    for settings in SWEEP.runs(2):
        table.append(sweeps.key(settings), [row])
    failures = sweeps.sweep(
        SWEEP, tmp_path / "work", seeds=2, results=table.path, train=None
    )
    assert failures == {}
    assert list((tmp_path / "work").iterdir()) == []


def append_many(path, seed):
    """In a process of its own: appends to a table that others append to."""
    table = sweeps.Table(path)
    for steps in range(10, 110, 10):
        settings = sweeps.Sweep({**SETTINGS, "seed": seed, "steps": steps}, {}).runs(1)
        table.append(sweeps.key(settings[0]), [dict.fromkeys(runs.COLUMNS)])


def test_sweeps_that_share_a_table_lose_no_run(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=append_many, args=(tmp_path / "results.csv", seed))
        for seed in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    found = cells(tmp_path / "results.csv", "seed", "steps")
    assert sorted(found) == sorted(
        (str(seed), str(steps)) for seed in range(3) for steps in range(10, 110, 10)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_measures_are_filled_in_where_a_run_ends(tmp_path):
    table = sweeps.Table(tmp_path / "results.csv")
    first, other = (sweeps.key(s) for s in SWEEP.runs(2)[:2])
    rows = [dict.fromkeys(runs.COLUMNS) | {"step": step} for step in (0, 20)]
    table.append(first, rows)
    assert table.last(first)["step"] == "20"
    assert table.last(other) is None
    table.fill(first, stopped_accuracy=0.87654321)
    assert cells(table.path, "step", "stopped_accuracy") == [
        ("0", ""),
        ("20", "0.876543"),
    ]
    with pytest.raises(ValueError, match="key must be of a run in"):
        table.fill(other, stopped_accuracy=0.5)


def test_a_table_of_other_columns_is_refused(tmp_path):
    (tmp_path / "results.csv").write_text("figure,step\nfigure3,1\n")
    with pytest.raises(ValueError, match="must be a table with the columns figure,"):
        sweeps.Table(tmp_path / "results.csv")


@pytest.mark.parametrize("argument", ["seeds", "processes"])
def test_numbers_must_be_positive(argument, tmp_path):
    with pytest.raises(ValueError, match=f"{argument} must be a positive integer"):
        sweeps.sweep(SWEEP, tmp_path, **{argument: 0})
