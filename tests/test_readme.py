"""Runs what the README and the docs tell a newcomer to type.

`README_PYTHON` names the Python of an environment in which the package is installed;
the README is then run there and in an empty folder, as `make release` does.
"""

import importlib
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT

from keras_infomax.programs import command, config_files, running

README = ROOT / "README.md"
INSTALLED = os.environ.get("README_PYTHON")
# What `make docs` has written is no page.
WRITTEN = {"_build", "generated"}
DOCS = sorted(p for p in (ROOT / "docs").rglob("*.md") if not WRITTEN & {*p.parts})
DOCS = [] if INSTALLED else DOCS
PAGES = [README, *DOCS]
PYTHON = os.path.abspath(INSTALLED) if INSTALLED else sys.executable


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(page):
    """Every line of the shell blocks, continued lines joined, comments removed."""
    text = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line]


def run(words, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if INSTALLED:
        del environment["PYTHONPATH"]
    result = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True
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
    [(README, KEPT), *((page, "") for page in DOCS if page.parent.name == "methods")],
    ids=lambda value: getattr(getattr(value, "parent", None), "name", ""),
)
def test_python_blocks_run_in_order(page, check, tmp_path):
    script = tmp_path / "page.py"
    parts = blocks(page, "python")
    # Before the names that it reads mean something else.
    (index,) = [i for i, part in enumerate(parts) if "best.keras" in part] or [0]
    parts.insert(index + 1, check)
    script.write_text("\n".join(parts), encoding="utf-8")
    run([PYTHON, "-W", "ignore", str(script)], tmp_path)


@pytest.fixture
def folder(page, tmp_path):
    """An empty folder; for the docs, one that looks like the checkout to commands."""
    if page != README:
        for name in ("configs", "trainers", "export", "keras_infomax"):
            (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}"
)
def test_commands_run_in_order(page, folder):
    """With `:smoke` behind every config, and TensorBoard only looking."""
    ran = []
    for program, *arguments in commands(page):
        if program == "nice":
            program, *arguments = arguments[2:]
        if program == "make":
            assert re.search(rf"^{arguments[0]}:", makefile(), re.MULTILINE)
        elif program == "pip":
            assert arguments == ["install", "keras_infomax[programs]"]
        elif program == "tensorboard":
            board = [PYTHON, "-m", "tensorboard.main", *arguments, "--inspect"]
            assert "mi" in run(board, folder)
        else:
            printed = run(typed(program, arguments), folder)
            assert "0 runs to do" not in printed.splitlines()
            ran.append(arguments[0 if program == "keras-infomax" else 1])
    if page == README:
        wanted = {"demo", "train", "sweep", "search", "report", "export", "verify"}
        assert set(ran) == wanted
        assert (folder / "runs/digits_encoder/model_card.json").exists()
        assert sorted(p.name for p in folder.iterdir()) == ["runs"]


def typed(program, arguments):
    """The command of a page, shrunk to seconds."""
    if program == "keras-infomax":
        words, rest = [*called(), arguments[0]], arguments[1:]
    else:
        assert program == "python"
        words, rest = [PYTHON, *arguments[:2]], arguments[2:]
    if words[-1] in ("sweep", "trainers.sweep"):
        rest = [a for a in rest if not a.startswith("--seeds=")]
        rest += [
            f"--config.grid.{key}=('{value}',)"
            if isinstance(value, str)
            else f"--config.grid.{key}=({value},)"
            for key, value in first_points(rest)
        ]
    if words[-1] == "demo":
        # It has no variant; its config is the one of the first training.
        words[-1], rest = "train", ["--config=digits_halves:smoke", *rest]
    return [*words, *map(smoke, rest)]


def called():
    """The command `keras-infomax`, of whichever environment."""
    if INSTALLED:
        return [str(pathlib.Path(PYTHON).parent / "keras-infomax")]
    return [PYTHON, "-m", "keras_infomax"]


def first_points(arguments):
    """The first value of every axis of a sweep's grid."""
    (flag,) = (a for a in arguments if a.startswith("--config="))
    path = flag.removeprefix("--config=").partition(":")[0]
    name = path.removeprefix("configs/").removesuffix(".py")
    grid = config_files.load(name).grid
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
def test_flags_keys_and_configs_of_commands_are_known(page):
    for program, *arguments in commands(page):
        if program == "keras-infomax":
            name, *rest = arguments
            module = importlib.import_module(
                f"keras_infomax.programs.{command.COMMANDS[name]}"
            )
            positional = getattr(module, "POSITIONAL", ())
            assert running._checked(rest, module.FLAGS, program, positional)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_programs_are_called_as_an_installed_package_has_them(page):
    """`trainers` and `export` are in a checkout alone, and so are the benchmarks."""
    for block in blocks(page, "(?:sh|text)"):
        assert not re.search(r"-m (trainers|export)\b|--config=configs/", block)


def test_commands_of_the_readme_write_below_runs():
    for program, *arguments in commands(README):
        if program == "keras-infomax":
            flags = dict(a.split("=", 1) for a in arguments if a.startswith("--"))
            for name in ("--workdir", "--output", "--results"):
                assert flags.get(name, "runs/").startswith("runs/")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_files_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`(configs/[\w/]+\.py)`", text):
        assert (ROOT / name).is_file()
    for name in re.findall(r"--config=([\w/]+)(?![\w/.])", text):
        assert name in config_files.names()
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for name in re.findall(r"\]\(((?!http)[^)]+)\)", prose):
        assert (page.parent / name).exists()
