import csv
import dataclasses
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from process_checks import gone

from keras_infomax import files, measures, version
from keras_infomax.files import writing
from keras_infomax.training import runs, sweeps
from keras_infomax.training.settings import IDENTITY, Settings, identity

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
    empty = dict.fromkeys(measures.NAMES)
    rows = [empty | {"step": step, "mi": 0.5} for step in (0, 20)]
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


@pytest.mark.slow
def test_failed_runs_are_named_with_their_reason_and_stop_nothing(swept):
    workdir, results, failures = swept
    assert set(failures) == {"mlp-nwj-seed3", "bilinear-nwj-seed3"}
    assert "ValueError: the loss is nan" in failures["mlp-nwj-seed3"]
    assert "exit code 9" in failures["bilinear-nwj-seed3"]
    assert set(cells(results, "critic", "bound", "seed", "budget", "steps")) == {
        ("bilinear", "infonce", "3", "quick", "20"),
        ("mlp", "infonce", "3", "quick", "20"),
    }
    assert cells(results, "step", "mi") == [("0", "0.5"), ("20", "0.5")] * 2
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
    row = dict.fromkeys(measures.NAMES) | {"step": 20}
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
        row = dict.fromkeys(measures.NAMES) | {"step": steps}
        table.append(sweeps.key(settings[0]), [row])


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
    rows = [dict.fromkeys(measures.NAMES) | {"step": step} for step in (0, 20)]
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


def rows_to(steps):
    return [dict.fromkeys(measures.NAMES) | {"step": step} for step in (0, steps)]


def swept_over(name, values, **settings):
    return sweeps.Sweep({**SETTINGS, "steps": 20, **settings}, {name: values})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("learning_rate", (1e-4, 1e-3)),
        ("noise", (0.0, 0.1)),
        ("encoding_dim", (None, 8)),
        ("views", ("halves", "left_right")),
        ("temperature", (None, 0.1)),
        ("critic_units", (None, (8,), (8, 8))),
        ("shared_encoder", (False, True)),
        ("options", ({"depth": 1}, {"depth": 2})),
        ("target", (2.0, 2.0000001)),
    ],
)
def test_points_are_told_apart_by_any_setting(tmp_path, name, values):
    sweep = swept_over(name, values)
    points = sweep.runs(1)
    table = sweeps.Table(tmp_path / "results.csv")
    assert table.append(sweeps.key(points[0]), rows_to(20))
    keys = [sweeps.key(point) for point in points]
    assert list(sweeps.Table(table.path).match(keys)) == keys[:1]
    assert len({sweep.name(point) for point in points}) == len(values)


def test_names_of_folders_are_of_one_run_and_fit_any_file_system(tmp_path):
    values = [
        *("mlp", "a-b", "a", "A/b", "../x", "lr[0.1]", "~", "x y", "x_y", "-1"),
        *("b-1", "é", "folder:/data/x", "n" * 300, "n" * 299, "con*", "a\n"),
    ]
    sweep = sweeps.Sweep({}, {"figure": values, "dataset": values})
    names = [sweep.name(settings) for settings in sweep.runs(2)]
    assert len({name.lower() for name in names}) == 2 * len(values) ** 2
    for name in names[: 2 * len(values)]:
        (tmp_path / name).mkdir()
    assert {path.name for path in tmp_path.iterdir()} == set(names[: 2 * len(values)])
    assert all(name.isascii() and len(name) < 120 for name in names)
    assert not any(set(name) & set("/[]*?~ \n:") for name in names)
    # Plain values are there as they are: sweeps of earlier versions go on.
    plain = sweeps.Sweep({}, {"critic": ("mlp",), "target": (None, 2.0, 1e-05)})
    assert [plain.name(settings) for settings in plain.runs(1)] == [
        "mlp-None-seed0",
        "mlp-2.0-seed0",
        "mlp-1e-05-seed0",
    ]


@pytest.mark.parametrize(
    ("settings", "grid", "message"),
    [
        ({}, {"seed": (0, 1)}, "grid must leave out the seed.*--seeds"),
        ({}, {"critic": ()}, "grid.critic must be a tuple of at least one value"),
        ({}, {"critic": "mlp"}, "grid.critic must be a tuple of at least one value"),
        ({}, {"noise": 0.1}, "grid.noise must be a tuple of at least one value"),
        ({}, {"critic": ("mlp", "mlp")}, "received 'mlp-seed0' twice"),
        ({}, {"target": (2, 2.0)}, "received '2.0-seed0' twice"),
        ({}, {"data_dir": ("a", "b")}, "only another path of the data"),
        ({"seed": None}, {}, "config.seed must be an integer from 0"),
        ({}, {"split_seed": (None, 1)}, "config.split_seed must be an integer"),
    ],
    ids=str,
)
def test_grids_whose_points_merge_are_refused(settings, grid, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        sweeps.sweep(sweeps.Sweep(settings, grid), tmp_path, train=None)
    assert list(tmp_path.iterdir()) == []


def earlier_table(path, points):
    """A table as earlier versions wrote it, without the column of other settings."""
    table = sweeps.Table(path)
    for settings in points:
        table.append(sweeps.key(settings), rows_to(settings.steps))
    header, lines = files.read_csv(path)
    files.write_csv(path, header[:-1], *(line[:-1] for line in lines))


def test_tables_of_an_earlier_version_are_gone_on_with(tmp_path, capsys):
    sweep = swept_over("critic", ("bilinear", "mlp"), learning_rate=0.01)
    first, second = sweep.runs(1)
    path = tmp_path / "results.csv"
    earlier_table(path, [first])
    before = path.read_text().splitlines()
    table = sweeps.Table(path)
    assert {row["settings"] for row in table.rows} == {""}
    held = table.match([sweeps.key(first), sweeps.key(second)])
    assert held == {sweeps.key(first): (*sweeps.key(first)[:-1], "")}
    # Where two runs of the sweep fit the same rows, nobody knows which it was.
    both = swept_over("learning_rate", (0.01, 0.02)).runs(1)
    assert table.match([sweeps.key(settings) for settings in both]) == {}

    # Joined by rows of this version, the earlier ones stay as they were.
    assert table.append(sweeps.key(second), rows_to(20))
    after = path.read_text().splitlines()
    assert after[0] == before[0] + ",settings"
    assert after[1:3] == [line + "," for line in before[1:3]]
    assert json.loads(table.rows[-1]["settings"]) == {
        "eval_every": 10,
        "learning_rate": 0.01,
    }
    table = sweeps.Table(path)
    held = table.match([sweeps.key(first), sweeps.key(second)])
    table.fill(held[sweeps.key(first)], stopped_accuracy=0.5)
    assert cells(path, "critic", "stopped_accuracy") == [
        *[("bilinear", ""), ("bilinear", "0.5")],
        *[("mlp", ""), ("mlp", "")],
    ]
    assert sweeps.sweep(sweep, tmp_path / "work", results=path, train=None) == {}
    printed = capsys.readouterr().out
    assert "0 runs to do, 2 done before" in printed
    assert "1 of these are rows of an earlier version" in printed


def test_a_commit_is_that_of_the_code_and_not_of_what_lies_around_it(
    tmp_path, monkeypatch
):
    def git(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        return done.stdout.strip()

    for name in ("ours.py", ".gitignore", "installed.py"):
        (tmp_path / name).write_text("installed.py\n")
    git("init")
    git("add", "ours.py", ".gitignore")
    git("commit", "-m", "first")
    monkeypatch.setattr(version, "__file__", str(tmp_path / "ours.py"))
    assert version.commit() == git("rev-parse", "--short=10", "HEAD")
    (tmp_path / "ours.py").write_text("changed")
    assert version.commit().endswith("-dirty")
    monkeypatch.setattr(version, "__file__", str(tmp_path / "installed.py"))
    assert version.commit() == "unknown"


def test_committed_tables_are_read_and_gone_on_with():
    for path, config, grid in (
        ("docs/paper/results.csv", {"figure": "figure3"}, "critic"),
        ("docs/methods/results.csv", {"figure": "augmented_views"}, None),
    ):
        table = sweeps.Table(ROOT / path)
        row = next(r for r in table.rows if r["figure"] == config["figure"])
        integers = ("seed", "split_seed", "batch_size", "steps")
        values = {c: int(row[c]) if c in integers else row[c] for c in IDENTITY[:-1]}
        values |= {"target": float(row["target"]) if row["target"] else None}
        # As the config says, which has settings without a column.
        settings = Settings(**values, eval_every=1, learning_rate=0.5)
        assert table.match([identity(settings)]), grid


def test_a_run_is_appended_once(tmp_path):
    one, other = (sweeps.Table(tmp_path / "results.csv") for _ in range(2))
    first, second = (sweeps.key(settings) for settings in SWEEP.runs(1)[:2])
    assert one.append(first, rows_to(20))
    before = one.path.read_text()
    assert not other.append(first, rows_to(20))
    assert one.path.read_text() == before
    assert other.append(second, rows_to(20))
    assert len(sweeps.read_table(one.path)) == 4


def test_a_workdir_is_of_one_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_PATIENCE_SECONDS", 0.0)
    seen = []

    def second(*args):
        with pytest.raises(ValueError, match="that of another one, which is sweeping"):
            sweeps.sweep(SWEEP, tmp_path, train=None)
        seen.append((tmp_path / ".lock").exists())
        return {}

    monkeypatch.setattr(sweeps._Sweeping, "run", second)
    assert sweeps.sweep(SWEEP, tmp_path, train=None) == {}
    assert seen == [True]
    assert not (tmp_path / ".lock").exists()
    # One that was killed leaves its file, which keeps nobody out.
    (tmp_path / ".lock").touch()
    monkeypatch.setattr(sweeps._Sweeping, "run", lambda *args: {})
    assert sweeps.sweep(SWEEP, tmp_path, train=None) == {}


def damaged(change):
    """Text of a whole table of two runs, changed."""

    def write(path):
        table = sweeps.Table(path)
        for settings in SWEEP.runs(1)[:2]:
            table.append(sweeps.key(settings), rows_to(20))
        path.write_text(change(path.read_text()))

    return write


def without_line(text, number):
    lines = text.splitlines(keepends=True)
    return "".join(lines[:number] + lines[number + 1 :])


DAMAGES = {
    "cut within a cell": (lambda text: text[:-3], "it may be damaged: unexpected end"),
    "cut before its end": (lambda text: text[:-1], "last line is cut off"),
    "cut within a row": (lambda t: t[: t.rindex(",") - 60] + "\n", "cells, and the"),
    "cut between rows": (lambda t: without_line(t, 4), "only up to step 0 of 20"),
    "twice": (lambda t: t + t.splitlines(keepends=True)[-1], "holds a run twice"),
    "no step": (lambda t: t.replace(",20,20,", ",20,x,"), "step must be an integer"),
    "no number": (lambda t: t.replace(",0,,,", ",0,x,,"), "loss must be a numb"),
    "no JSON": (lambda t: t.replace('"{""', '"{{""'), "Expecting property name"),
    "a list": (lambda t: t.replace("{", "[").replace("}", "]"), "may be damaged"),
    "empty": (lambda t: "", "it is empty"),
    "no text": (lambda t: t.replace("infonce", "\0"), "results.csv"),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_damaged_tables_are_named(tmp_path, damage):
    change, message = DAMAGES[damage]
    path = tmp_path / "results.csv"
    damaged(change)(path)
    if damage == "no text":
        path.write_bytes(b"\xff" + path.read_bytes())
    with pytest.raises(ValueError, match=message) as error:
        sweeps.read_table(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_run_whose_metrics_are_damaged_has_failed(tmp_path):
    settings = SWEEP.runs(1)[0]
    name = SWEEP.name(settings)
    table = sweeps.Table(tmp_path / "results.csv")
    state = sweeps._Sweeping(SWEEP, [settings], tmp_path, table, None)

    @dataclasses.dataclass
    class Ended:
        exitcode: int

    (tmp_path / name).mkdir()
    (tmp_path / name / "metrics.csv").write_text("step,mi\n0,0.5\n20,0.")
    state.running[name] = settings, Ended(0)
    state._take(name)
    assert "last line is cut off" in state.failures[name]
    # One that died before it could open its log.
    state.running[name] = settings, Ended(-9)
    state._take(name)
    assert state.failures[name].startswith("no output (exit code -9")
    assert not table.path.exists()


def sleepy_train(settings, workdir, baselines):
    """Stands for training that takes for ever."""
    print("begun", flush=True)
    (workdir / "begun").write_text(str(os.getpid()))
    time.sleep(600)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_sweep_that_is_stopped_leaves_no_process(tmp_path, sent, code):
    script = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from keras_infomax.training import processes, sweeps\n"
        "import test_sweeps\n"
        "with processes.stopping_in_one_line():\n"
        "    sweeps.sweep(test_sweeps.SWEEP, sys.argv[1], processes=2,\n"
        "                 train=test_sweeps.sleepy_train)\n"
    )
    paths = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "training")]
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), *paths],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(begun := list(tmp_path.glob("*/begun"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    # As a terminal does, to all of them.
    (os.killpg if sent == signal.SIGINT else os.kill)(process.pid, sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    if sent != signal.SIGKILL:
        lines = [line for line in err.splitlines() if "stopped" in line]
        assert lines == [
            "stopped with 0 of 4 runs done; repeat the command to go on",
        ]
    assert "Traceback" not in err
    for path in begun:
        assert gone(path.read_text())
        assert (path.parent / "log.txt").read_text() == "begun\n"


def test_a_table_of_other_columns_is_refused(tmp_path):
    (tmp_path / "results.csv").write_text("figure,step\nfigure3,1\n")
    with pytest.raises(ValueError, match="must be a table with the columns figure,"):
        sweeps.Table(tmp_path / "results.csv")


@pytest.mark.parametrize("argument", ["seeds", "processes"])
def test_numbers_must_be_positive(argument, tmp_path):
    with pytest.raises(ValueError, match=f"{argument} must be a positive integer"):
        sweeps.sweep(SWEEP, tmp_path, **{argument: 0})


def test_what_is_no_sweep_is_refused(tmp_path):
    for wrong in (None, 3, "x", [1], {}):
        with pytest.raises(ValueError, match="experiment must be a Sweep"):
            sweeps.sweep(wrong, tmp_path)
        if wrong != {}:
            with pytest.raises(ValueError, match="config must be a dictionary"):
                sweeps.Sweep.resolve(wrong)
    for grid in (3, "x", [1]):
        with pytest.raises(ValueError, match="grid must be a dictionary"):
            sweeps.Sweep.resolve({"grid": grid})
    for seeds in (None, True, 0, 2.5, "3"):
        with pytest.raises(ValueError, match="seeds must be a positive integer"):
            SWEEP.runs(seeds)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_tells_that_time_goes_by(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(sweeps.time, "time", lambda: now[0])
    progress = sweeps._Progress(total=4, done_before=1)
    now[0] += 30
    progress.tick(2, 2, 0)
    assert capsys.readouterr().out == "4 runs to do, 1 done before.\n"
    monkeypatch.setattr(sweeps.sys.stdout, "isatty", lambda: True)
    progress.tick(2, 2, 0)
    progress.tick(2, 2, 0)
    now[0] += 30
    progress.show(1, 2, 1)
    shown = capsys.readouterr().out.split("\r")
    assert shown[0] == "0/4 runs ended, 0 failed, 2 running, 30 s"
    assert shown[1].startswith("1/4 runs ended, 1 failed, 2 running, about 3 min to go")
    assert len(shown) == 3
