"""Two workers on loopback train what one device would, and stop together."""

import json
import os
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from run_checks import free_ports

from keras_infomax.training import runs

STEPS, EVERY = 40, 10


def train(workdir, log, steps=STEPS, strategy="one_device", environment=None):
    command = [
        *(sys.executable, "-m", "trainers.train"),
        "--config=configs/digits_halves.py:smoke",
        f"--workdir={workdir}",
        f"--config.steps={steps}",
        f"--config.eval_every={EVERY}",
        f"--config.strategy={strategy}",
    ]
    with open(log, "w") as file:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def two_workers(folder, steps=STEPS):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    workers = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        cluster = {"cluster": {"worker": addresses}, "task": task}
        environment = {"TF_CONFIG": json.dumps(cluster)}
        log = folder / f"worker{index}.log"
        workers.append(
            train(folder / "workers", log, steps, "multi_worker", environment)
        )
    return workers


def assert_equal_runs(workdir, other):
    rows, others = (runs.read_metrics(w / "metrics.csv") for w in (workdir, other))
    assert [row["step"] for row in rows] == [row["step"] for row in others]
    for row, expected in zip(rows[1:], others[1:], strict=True):
        for name in ("loss", "mi", "val_mi"):
            assert row[name] == pytest.approx(expected[name], rel=1e-4)


@pytest.mark.slow
def test_two_workers_equal_one_device(tmp_path):
    workers = two_workers(tmp_path)
    assert [worker.wait(300) for worker in workers] == [0, 0]
    single = train(tmp_path / "single", tmp_path / "single.log")
    assert single.wait(300) == 0
    assert_equal_runs(tmp_path / "workers", tmp_path / "single")


@pytest.mark.slow
def test_a_lost_worker_stops_the_other_and_the_run_resumes(tmp_path):
    steps = 20_000
    workers = two_workers(tmp_path, steps)
    metrics = tmp_path / "workers" / "metrics.csv"
    started = time.monotonic()
    while not metrics.exists() or len(metrics.read_text().splitlines()) < 4:
        assert time.monotonic() - started < 300
        time.sleep(0.2)
    workers[1].kill()
    workers[1].wait()
    assert workers[0].wait(60) != 0
    assert "A worker can no longer be reached" in (
        (tmp_path / "worker0.log").read_text()
    )
    reached = runs.read_metrics(metrics)[-1]["step"]
    again = two_workers(tmp_path, steps)
    while runs.read_metrics(metrics)[-1]["step"] < reached + 2 * EVERY:
        assert time.monotonic() - started < 600
        time.sleep(0.2)
    for worker in again:
        worker.kill()
        worker.wait()
    single = train(tmp_path / "single", tmp_path / "single.log", reached + 2 * EVERY)
    assert single.wait(300) == 0
    ours = runs.read_metrics(metrics)
    for row, expected in zip(
        ours, runs.read_metrics(tmp_path / "single" / "metrics.csv"), strict=False
    ):
        assert row["step"] == expected["step"]
        assert row["val_mi"] == pytest.approx(expected["val_mi"], rel=1e-3)
