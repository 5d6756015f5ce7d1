"""What a user gets: the wheel, and what importing costs."""

import configparser
import email
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from conftest import ROOT

import keras_infomax as kim

HEAVY = ["absl.flags", "ml_collections", "sklearn", "matplotlib", "keras_tuner"]
HEAVY += ["tensorflow_datasets", "mlxtend"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What `make release` builds, from a copy without what else lies in a checkout."""
    folder = tmp_path_factory.mktemp("built")
    others = shutil.ignore_patterns(
        *(".*", "runs", "build", "dist", "*.egg-info", "__pycache__")
    )
    copy = shutil.copytree(ROOT, folder / "checkout", ignore=others)
    for name in (".ci", ".gitignore"):
        place = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        place(ROOT / name, copy / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, copy],
        check=True,
        capture_output=True,
    )
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def test_the_wheel_holds_the_package_and_the_configs(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
        (points,) = (wheel.read(n) for n in names if n.endswith("entry_points.txt"))
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "keras_infomax"
    }
    modules = {
        str(path.relative_to(ROOT)) for path in ROOT.glob("keras_infomax/**/*.py")
    }
    configs = {
        f"keras_infomax/{path.relative_to(ROOT)}"
        for path in ROOT.glob("configs/**/*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules | configs
    assert "keras_infomax/py.typed" in names
    assert points.decode().split("\n")[:2] == [
        "[console_scripts]",
        "keras-infomax = keras_infomax.programs.command:main",
    ]


def test_the_source_holds_all_that_tests_need(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    kept = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], capture_output=True, text=True
    )
    if kept.returncode:
        pytest.skip("this is no checkout")
    missing = {name for name in kept.stdout.splitlines() if (ROOT / name).exists()}
    assert missing - names == set()


def test_the_page_of_the_registry(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = (n for n in wheel.namelist() if n.endswith("METADATA"))
        message = email.message_from_bytes(wheel.read(name))
    page = message.get_payload()
    source = dict(u.split(", ") for u in message.get_all("Project-URL"))["Source"]
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    assert f"{source}/blob/main/docs/performance.md" in links
    assert f"{source}/raw/main/docs/demo/curves.png" in links
    assert [link for link in links if not link.startswith("https://")] == []
    for link in links:
        if link.startswith(source):
            assert (ROOT / link.split("/main/")[1]).exists()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"```.*?```", page, re.DOTALL) == re.findall(
        r"```.*?```", readme, re.DOTALL
    )
    for field in ("Author", "Keywords", "License", "Summary"):
        assert message[field]
    assert "Typing :: Typed" in message.get_all("Classifier")


def test_the_registry_would_take_it(built):
    pytest.importorskip("twine")
    command = [sys.executable, "-m", "twine", "check", "--strict", *built]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_lowest_declared_versions_are_those_that_are_tested():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = dict(settings["options.extras_require"])
    # What `make test-oldest` leaves out, and what only tests need.
    for name in ("docs", "keras_hub", "signals", "tables", "test"):
        del extras[name]
    lines = [settings["options"]["install_requires"], *extras.values()]
    declared = dict(
        line.partition(",")[0].split(">=")
        for line in "\n".join(lines).split()
        if not line.startswith("#")
    )
    text = (ROOT / "tests" / "requirements-oldest.txt").read_text(encoding="utf-8")
    tested = dict(line.split("==") for line in text.split() if "==" in line)
    assert len(declared) > 15
    for name, version in declared.items():
        # 1.2 and 1.2.0 are one version.
        assert re.fullmatch(rf"{re.escape(version)}(\.0)*", tested[name]), name


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """Function that runs the command of the installed wheel in an empty folder."""
    site, empty = (tmp_path_factory.mktemp(name) for name in ("site", "empty"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", site, built[0]], check=True)

    environment = {**os.environ, "PYTHONPATH": str(site)}
    # As a user has it: `conftest` asks TensorFlow for less.
    del environment["TF_CPP_MIN_LOG_LEVEL"]

    def run(*arguments):
        result = subprocess.run(
            [site / "bin" / "keras-infomax", *arguments],
            cwd=empty,
            env=environment,
            capture_output=True,
            text=True,
        )
        return result.returncode, result.stdout, result.stderr, empty

    return run


def test_help_of_the_installed_command(installed):
    code, out, err, _ = installed("--help")
    assert (code, err) == (0, "")
    for path in (ROOT / "configs").rglob("*.py"):
        name = path.relative_to(ROOT / "configs").with_suffix("").as_posix()
        assert f"  {name} " in out


@pytest.mark.slow
def test_a_config_by_name_and_one_by_path_in_an_empty_folder(installed):
    code, _, err, folder = installed(
        "train",
        *("--config=digits_halves:smoke", "--workdir=runs/a", "--config.critic=mlp"),
    )
    assert (code, err) == (0, "")
    config = json.loads((folder / "runs/a/config.json").read_text())
    assert (config["critic"], config["dataset"]) == ("mlp", "digits")
    (folder / "mine.py").write_text(
        "from keras_infomax.programs.configuration import configuration\n"
        "def get_config():\n"
        "    grid = {'critic': ('bilinear', 'inner_product')}\n"
        "    return configuration('smoke', 'mine', grid)\n"
    )
    code, _, err, _ = installed("sweep", "--config=mine.py", "--workdir=runs/mine")
    # Nor do the processes that it starts say anything.
    assert (code, err) == (0, "")
    assert (folder / "runs/mine/inner_product-seed0/model.keras").exists()


def test_importing_decides_no_dtype():
    code = (
        "import keras, keras_infomax\n"
        "keras.config.set_floatx('float64')\n"
        "print(keras.layers.Dense(1).compute_dtype)"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(
        command, check=True, capture_output=True, cwd=ROOT, text=True
    )
    assert printed.stdout == "float64\n"


def test_import_pulls_in_nothing_heavy():
    code = (
        "import json, sys, time\n"
        "import keras\n"
        "before = set(sys.modules)\n"
        "start = time.process_time()\n"
        "import keras_infomax\n"
        "seconds = time.process_time() - start\n"
        "print(json.dumps([seconds, sorted(set(sys.modules) - before)]))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    seconds, modules = json.loads(printed.splitlines()[-1])
    assert [name for name in HEAVY if name in modules] == []
    assert len([name for name in modules if not name.startswith("keras_infomax")]) < 60
    assert seconds < 0.5  # Importing Keras takes several seconds.


def test_names_of_earlier_versions_say_where_they_are_now():
    for old, new in sorted(kim._MOVED.items()):
        place = f"keras_infomax.{new}"
        with pytest.warns(DeprecationWarning, match=f"{old} is now {place}\\."):
            assert getattr(kim, old) is importlib.import_module(place)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = kim.nothing
