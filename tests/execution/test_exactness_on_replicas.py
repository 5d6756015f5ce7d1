"""Four replicas, and two workers, end at the weights of one device."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from distributed_cases import CASES
from run_checks import free_ports

TOLERANCES = {
    # Dividing by small deviations magnifies rounding, as the case in float64 shows.
    "batch normalisation": 1e-3,
    "batch normalisation, float64": 1e-11,
    # Rounding of half precision is that of the gradient of each shard.
    "mixed_bfloat16": 0.05,
    "mixed_float16": 0.01,
}


def start(result, devices, **environment):
    return subprocess.Popen(
        [sys.executable, "tests/distributed_cases.py", str(result), str(devices)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_equal_to_one_device(result, replicas):
    facts = json.loads(result.read_text(encoding="utf-8"))
    assert facts["replicas"] == replicas
    assert set(facts["distances"]) == set(CASES)
    distances = facts["distances"].items()
    far = {k: d for k, d in distances if d > TOLERANCES.get(k, 1e-4)}
    assert not far, far


@pytest.mark.slow
def test_four_replicas(tmp_path):
    process = start(tmp_path / "result.json", 4)
    with process:
        try:
            _, errors = process.communicate(timeout=1800)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert_equal_to_one_device(tmp_path / "result.json", 4)


@pytest.mark.slow
def test_two_workers(tmp_path):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    workers = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        cluster = json.dumps({"cluster": {"worker": addresses}, "task": task})
        result = tmp_path / "result.json"
        workers.append(start(result, 1, TF_CONFIG=cluster))
    try:
        for worker in workers:
            _, errors = worker.communicate(timeout=1800)
            assert worker.returncode == 0, errors
    finally:
        for worker in workers:
            with worker:
                worker.kill()
    assert_equal_to_one_device(tmp_path / "result.json", 2)
