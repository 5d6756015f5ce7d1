"""`trainers.search` in processes that are killed, that fail, and that share trials."""

import csv
import functools
import json
import signal
import socket

import pytest
from run_checks import finish, start

from keras_infomax.training import runs

SMALL = [
    "--config=configs/search_critics.py:smoke",
    "--config.steps=2",
    "--config.eval_every=1",
]


search = functools.partial(start, "trainers.search", *SMALL)


def table(workdir):
    with open(workdir / "trials.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_search_without_a_success_exits_with_the_reasons(tmp_path):
    code, _, err = finish(
        search(
            f"--workdir={tmp_path}",
            "--config.space.target=(90.0, 80.0)",
            "--config.space.bound=('infonce',)",
        )
    )
    assert code == 1
    (line,) = (line for line in err.splitlines() if line.startswith("error: "))
    assert "Every trial failed" in line
    assert "Traceback" not in err
    rows = table(tmp_path)
    assert len(rows) == 3
    assert all(row["failure"] and not row["score"] for row in rows)
    assert not (tmp_path / "best").exists()


@pytest.mark.slow
def test_a_search_killed_in_a_trial_and_in_the_last_run_ends_as_one_left_alone(
    tmp_path,
):
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    code, out, err = finish(search(f"--workdir={calm}"))
    assert code == 0, err
    assert out.count("\ntrial ") + out.startswith("trial ") == 3
    for sign in ("trial 1", "step 0/"):
        process = search(f"--workdir={killed}")
        for line in process.stdout:
            if line.startswith(sign):
                process.send_signal(signal.SIGKILL)
        assert finish(process)[0] == -signal.SIGKILL
    code, out, err = finish(search(f"--workdir={killed}"))
    assert code == 0, err
    assert "trial 0:" not in out  # Nothing that was finished is done again.
    for name in ("trials.csv", "best/metrics.csv", "best/config.json"):
        assert (killed / name).read_text() == (calm / name).read_text()
    for workdir in (calm, killed):
        assert (workdir / "trials.png").stat().st_size > 10_000
        assert (workdir / "encoder" / "saved_model.pb").exists()
    # The table that is printed is that of the file.
    ranked = [row["trial"] for row in table(calm)]
    printed = [line.split() for line in out.splitlines() if line[:1].isdigit()]
    assert [words[1] for words in printed] == ranked
    rows = runs.read_metrics(calm / "best" / "metrics.csv")
    assert rows[-1]["step"] == int(table(calm)[0]["steps"])
    accuracy, information = (rows[-1][name] for name in ("probe_accuracy", "val_mi"))
    assert f"on the test images, probe accuracy  {accuracy:.4f}\n" in out
    assert f"on the test images, MI in nats      {information:.4f}\n" in out


def free_port():
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]


@pytest.mark.slow
def test_a_chief_and_two_workers_share_the_trials(tmp_path):
    """A trial that fails on a worker keeps its reason, and a lost worker may return."""
    address = {
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(free_port()),
    }
    flags = [
        f"--workdir={tmp_path}",
        "--config.search.max_trials=6",
        "--config.space.target=(None, 90.0)",
        "--config.space.bound=('infonce',)",
    ]
    processes = {
        name: search(*flags, KERASTUNER_TUNER_ID=name, **address)
        for name in ("chief", "tuner0", "tuner1")
    }
    lost = processes["tuner1"]
    begun = next(line for line in lost.stdout if line.startswith("trial "))
    lost.kill()
    finish(lost)
    processes["tuner1"] = search(*flags, KERASTUNER_TUNER_ID="tuner1", **address)
    results = {name: finish(process) for name, process in processes.items()}
    assert {name: code for name, (code, _, _) in results.items()} == dict.fromkeys(
        processes, 0
    ), results
    ran = {
        name: {line.split(":")[0] for line in out.splitlines() if line[:6] == "trial "}
        for name, (_, out, _) in results.items()
    }
    assert ran["chief"] == set()
    assert ran["tuner0"].isdisjoint(ran["tuner1"])
    assert begun in results["tuner1"][1].splitlines(keepends=True)
    rows = table(tmp_path)
    assert len(rows) == len(ran["tuner0"] | ran["tuner1"]) == 6
    for row in rows:
        assert bool(row["score"]) == (row["target"] == "None")
        assert ("cannot be reached" in row["failure"]) == (row["target"] != "None")
    scores = [float(row["score"]) for row in rows if row["score"]]
    assert scores == sorted(scores, reverse=True)
    assert 0 < len(scores) < 6
    best = json.loads((tmp_path / "best" / "config.json").read_text())
    assert best["critic"] == rows[0]["critic"]
    assert (tmp_path / "encoder" / "saved_model.pb").exists()
    assert "the chief reports" in results["tuner0"][1]
