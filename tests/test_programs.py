"""The programs as a user runs them, in processes of their own."""

import json
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from run_checks import finish, start

SMALL = [
    "--config=configs/digits_halves.py",
    "--config.steps=40",
    "--config.eval_every=8",
    "--config.batch_size=32",
    "--config.encoder_units=(16,)",
    "--config.encoding_dim=6",
]


def test_the_demo_prints_and_writes_its_facts(tmp_path):
    code = (
        "import pathlib, sys\n"
        "from trainers import demo\n"
        "workdir = pathlib.Path(sys.argv[1])\n"
        "print(demo.table(demo.demonstrate(workdir, 'smoke'), workdir))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert 0.77 < summary["raw_baseline"] < 0.83
    # The export, in another process, encodes as the model did.
    assert abs(summary["probe_accuracy_of_export"] - summary["probe_accuracy"]) <= 0.002
    assert summary["probe_accuracy_start"] != summary["probe_accuracy"]
    assert 0 < summary["mi"] < summary["mi_ceiling"]
    assert (tmp_path / "encoder" / "saved_model.pb").is_file()
    assert f"{summary['probe_accuracy']:.4f}" in result.stdout


def test_mistakes_are_one_line(tmp_path):
    for flags, expected, message in (
        (["--config=configs/digits_halves.py:smok"], 2, "Did you mean 'smoke'"),
        ([*SMALL, "--config.critic=mlpp"], 2, "Did you mean 'mlp'"),
    ):
        process = start("trainers.train", *flags, f"--workdir={tmp_path}")
        code, _, err = finish(process)
        assert code == expected
        (line,) = err.splitlines()
        assert line.startswith("error: ")
        assert message in line


@pytest.mark.slow
def test_a_stopped_training_says_where_and_goes_on_there(tmp_path):
    flags = [*SMALL, "--config.steps=100000", f"--workdir={tmp_path}"]
    reached = 0
    for sent, exit_code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = start("trainers.train", *flags)
        for line in process.stdout:
            if reached:
                assert line.split()[-4:] == ["step", str(reached), "of", "100000."]
            if reached or line.startswith("step     16/"):
                break
        process.send_signal(sent)
        code, _, err = finish(process)
        assert code == exit_code
        assert "Traceback" not in err
        last = max((tmp_path / "checkpoints").iterdir()).name
        reached = int(last.removeprefix("step-"))
        (line,) = (line for line in err.splitlines() if "stopped" in line)
        assert line == (
            f"stopped at step {reached} of 100000; repeat the command to go on"
        )
    assert reached >= 16


def test_a_program_that_is_stopped_while_it_starts_says_so():
    # Its own line is printed by code that runs before TensorFlow is imported.
    code = (
        "import os, signal, sys\n"
        "sys.argv = ['-m']\n"
        "import trainers\n"
        "assert 'tensorflow' not in sys.modules\n"
        "os.kill(os.getpid(), int(sys.stdin.read()))\n"
        "signal.pause()\n"
    )
    for sent, exit_code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        found = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            input=str(int(sent)),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert found.returncode == exit_code
        assert found.stderr == "stopped; repeat the command\n"
