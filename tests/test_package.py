"""What a user gets: the wheel, and what importing costs."""

import importlib
import json
import os
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT

import keras_infomax as kim

HEAVY = ["absl.flags", "ml_collections", "sklearn", "matplotlib", "keras_tuner"]
HEAVY += ["tensorflow_datasets", "mlxtend"]


def test_the_wheel_holds_the_library_alone(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    subprocess.run(
        [*command, "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "keras_infomax"
    }
    modules = {
        str(path.relative_to(ROOT)) for path in ROOT.glob("keras_infomax/**/*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules
    assert "keras_infomax/py.typed" in names


@pytest.mark.parametrize("programs", ["trainers", "export"])
def test_programs_quieten_tensorflow_before_it_starts(programs):
    code = (
        f"import os, sys, {programs}\n"
        "print(os.environ['TF_CPP_MIN_LOG_LEVEL'], 'tensorflow' in sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    printed = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        cwd=ROOT,
        env=environment,
        text=True,
    ).stdout
    assert printed == "3 False\n"


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
