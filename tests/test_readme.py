"""Runs what the README tells a newcomer to type."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands():
    """Every line of the shell blocks, continued lines joined, comments removed."""
    text = "\n".join(blocks("sh")).replace("\\\n", " ")
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line]


def run(command, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_python_blocks_run_in_order(tmp_path):
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks("python")), encoding="utf-8")
    run([sys.executable, "-W", "ignore", str(script)], tmp_path)


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like the checkout to the commands, but gets their output."""
    for name in ("configs", "trainers", "export", "keras_infomax"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_commands_run_in_order(checkout):
    """With `:smoke` behind every config, and TensorBoard only looking."""
    ran = []
    for program, *arguments in commands():
        if program == "make":
            assert re.search(rf"^{arguments[0]}:", makefile(), re.MULTILINE)
        elif program == "tensorboard":
            command = [sys.executable, "-m", "tensorboard.main", *arguments]
            assert "mi_nats" in run([*command, "--inspect"], checkout)
        else:
            assert program == "python"
            if "trainers.sweep" in arguments:
                arguments = [a for a in arguments if not a.startswith("--seeds=")]
                if "--config=configs/digits_splits.py" in arguments:
                    arguments.append("--config.grid.split_seed=(0,)")
            run([sys.executable, *map(smoke, arguments)], checkout)
            ran.append(arguments[1])
    assert set(ran) >= {"trainers.train", "export.saved_model"}
    assert (checkout / "runs/digits_encoder/model_card.json").exists()


def makefile():
    return (ROOT / "Makefile").read_text(encoding="utf-8")


def smoke(argument):
    if argument.startswith("--config=") and ":" not in argument:
        return f"{argument}:smoke"
    return "--config.steps=20" if argument.startswith("--config.steps=") else argument


def test_the_files_that_are_named_exist():
    for name in re.findall(r"`(configs/[\w/]+\.py)`", README):
        assert (ROOT / name).is_file()
    for name in re.findall(r"\]\((docs/[^)]+)\)", README):
        assert (ROOT / name).is_file()
