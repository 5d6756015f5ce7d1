"""What a program does before TensorFlow is imported, in processes without it."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

# As TensorFlow 2.21 writes them.
NOTES = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to "
    "STDERR",
    "I0000 00:00:1795867122.931138   17531 port.cc:153] oneDNN operations are on.",
    "To enable the following instructions: AVX2 FMA, in other operations, rebuild.",
    "E0000 00:00:1795867136.397298   17607 cuda_platform.cc:52] failed call to cuInit: "
    "INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)",
)
REAL = (
    "W0000 00:00:1795867136.585976   17686 cache_dataset_ops.cc:912] partially cached",
    "E0000 00:00:1795867136.397298   17607 cuda_platform.cc:52] failed call to cuInit: "
    "INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_NO_DEVICE",
    "F0000 00:00:1795867136.585976   17686 cpu.cc:9] needs AVX instructions",
    "Information of somebody else",
)


def run(body, **environment):
    code = (
        "import os, sys\n"
        "sys.argv = ['-m']\n"
        "from keras_infomax.programs import starting\n"
        "assert 'keras' not in sys.modules\n"
        f"text = {os.linesep.join([*NOTES, *REAL])!r}.encode()\n"
        f"{body}\n"
        "os.write(2, b'later')\n"
    )
    inherited = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
    )


def test_notes_are_kept_off_the_screen_and_warnings_are_not():
    found = run("with starting.quiet():\n    os.write(2, text)")
    assert found.returncode == 0
    assert found.stderr == "\n".join(REAL) + "later"


def test_what_an_aborted_process_wrote_is_seen():
    found = run("with starting.quiet():\n    os.write(2, text); os.abort()")
    assert found.returncode == -signal.SIGABRT
    assert REAL[2] in found.stderr.splitlines()
    assert NOTES[1] not in found.stderr


def test_an_error_leaves_the_screen_as_it_was():
    found = run(
        "try:\n"
        "    with starting.quiet(): raise ValueError\n"
        "except ValueError: os.write(2, text)"
    )
    assert found.stderr.startswith(NOTES[0])


@pytest.mark.parametrize(("level", "shown"), [("0", True), ("3", False)])
def test_a_user_chooses_to_see_all(level, shown):
    body = "with starting.quiet():\n    os.write(2, text)\n"
    body += "assert os.environ['TF_CPP_MIN_LOG_LEVEL'] == " + repr(level)
    found = run(body, TF_CPP_MIN_LOG_LEVEL=level)
    assert found.returncode == 0
    assert (NOTES[1] in found.stderr) is shown


def test_later_notes_are_silenced_by_their_level():
    body = "with starting.quiet(): pass\nprint(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    assert run(body).stdout == "1\n"


@pytest.mark.parametrize(
    ("arguments", "eager"),
    [
        (["-c", "import keras_infomax"], True),
        (["-m", "keras_infomax", "--version"], False),
        (["-m", "trainers.train", "--help"], False),
        (["-m", "somebody"], True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_library_is_loaded_at_once_but_for_programs(arguments, eager, tmp_path):
    # A package of somebody who also runs it by `python -m`.
    package = tmp_path / "somebody"
    package.mkdir()
    (package / "__init__.py").write_text("import keras_infomax\n")
    (package / "__main__.py").touch()
    # Stands for the room that needs TensorFlow, and for all that follow.
    stub = "raise SystemExit('eager')"
    copy = tmp_path / "keras_infomax"
    copy.mkdir()
    (copy / "bounds.py").write_text(stub)
    for name in ("__init__.py", "__main__.py", "version.py", "spelling.py"):
        (copy / name).symlink_to(ROOT / "keras_infomax" / name)
    for name in ("programs", "training", "tuning", "datasets"):
        (copy / name).symlink_to(ROOT / "keras_infomax" / name)
    for name in ("trainers", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    found = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (found.stderr.strip() == "eager") is eager, found.stderr
    assert found.returncode == int(eager)
