"""Runs what the README and the docs tell a newcomer to type."""

import os
import re
import runpy
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(page):
    """Every line of the shell blocks, continued lines joined, comments removed."""
    text = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line]


def run(command, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


# What the README's checkpoint has kept is worth what it was kept for.
KEPT = """
import numpy

kept = keras.saving.load_model("best.keras").encoder_x
found = kim.probes.LogisticProbe().fit(
    kim.probes.encode(kept, probe.train[0]), probe.train[1]
).score(kim.probes.encode(kept, probe.test[0]), probe.test[1])
logged = history.history["probe_accuracy"]
assert found == best.best == numpy.nanmax(logged), (found, best.best, logged)
assert numpy.isnan(logged).tolist() == [False, False, True, False], logged
"""


@pytest.mark.parametrize(
    ("page", "check"),
    [(README, KEPT), (ROOT / "docs/methods/README.md", "")],
    ids=["README", "methods"],
)
def test_python_blocks_run_in_order(page, check, tmp_path):
    script = tmp_path / "page.py"
    parts = blocks(page, "python")
    # Before the names that it reads mean something else.
    (index,) = [i for i, part in enumerate(parts) if "best.keras" in part] or [0]
    parts.insert(index + 1, check)
    script.write_text("\n".join(parts), encoding="utf-8")
    run([sys.executable, "-W", "ignore", str(script)], tmp_path)


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like the checkout to the commands, but gets their output."""
    for name in ("configs", "trainers", "export", "keras_infomax"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize(
    "page",
    [README, *(pytest.param(page, marks=pytest.mark.slow) for page in PAGES[1:])],
    ids=lambda page: f"{page.parent.name}/{page.stem}",
)
def test_commands_run_in_order(page, checkout):
    """With `:smoke` behind every config, and TensorBoard only looking."""
    ran = []
    for program, *arguments in commands(page):
        if program == "nice":
            program, *arguments = arguments[2:]
        if program == "make":
            assert re.search(rf"^{arguments[0]}:", makefile(), re.MULTILINE)
        elif program == "tensorboard":
            command = [sys.executable, "-m", "tensorboard.main", *arguments]
            assert "mi" in run([*command, "--inspect"], checkout)
        else:
            assert program == "python"
            if "trainers.sweep" in arguments:
                arguments = [a for a in arguments if not a.startswith("--seeds=")]
                arguments += [
                    f"--config.grid.{key}=('{value}',)"
                    if isinstance(value, str)
                    else f"--config.grid.{key}=({value},)"
                    for key, value in first_points(arguments)
                ]
            run([sys.executable, *map(smoke, arguments)], checkout)
            ran.append(arguments[1])
    if page == README:
        assert set(ran) >= {"trainers.train", "trainers.sweep", "export.saved_model"}
        assert (checkout / "runs/digits_encoder/model_card.json").exists()


def first_points(arguments):
    """The first value of every axis of a sweep's grid."""
    (flag,) = (a for a in arguments if a.startswith("--config="))
    path = flag.removeprefix("--config=").partition(":")[0]
    grid = runpy.run_path(str(ROOT / path))["get_config"]().grid
    return [(key, points[0]) for key, points in grid.items()]


def makefile():
    return (ROOT / "Makefile").read_text(encoding="utf-8")


def smoke(argument):
    if argument.startswith("--config="):
        return argument.partition(":")[0] + ":smoke"
    for key, value in (("steps", 20), ("eval_every", 10), ("dataset", "digits")):
        if argument.startswith(f"--config.{key}="):
            return f"--config.{key}={value}"
    for key in ("steps", "draws"):
        if argument.startswith(f"--{key}="):
            return f"--{key}=2"
    return argument


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_files_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`(configs/[\w/]+\.py)`", text):
        assert (ROOT / name).is_file()
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for name in re.findall(r"\]\(((?!http)[^)]+)\)", prose):
        assert (page.parent / name).is_file()
