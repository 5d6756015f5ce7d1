import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from conftest import ROOT
from export_checks import make_trained_encoder

from keras_infomax import saved_model
from keras_infomax.files import manifest
from keras_infomax.programs import standalone, verify
from keras_infomax.training import processes


@pytest.fixture
def exported(tmp_path):
    path = tmp_path / "encoder"
    saved_model.export(make_trained_encoder(), path)
    return path


def run_program(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "export.verify", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_other_encodings_than_the_reference_are_found(exported):
    with np.load(exported / "reference.npz") as file:
        reference = dict(file)
    reference["encodings"] = reference["encodings"] + np.float32(0.5)
    np.savez(exported / "reference.npz", **reference)
    with pytest.raises(ValueError, match=r"reference\.npz differs"):
        verify.verify(exported)
    manifest.write(exported)
    result = run_program(exported)
    assert result.returncode == 1
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["format", "entry", "largest", "difference"]
    entries = ("call", "serve", "encode", "serving_default")
    assert [line[:2] for line in lines[1:]] == [["saved_model", e] for e in entries]
    assert result.stdout.count("5.0e-01  too large") == 4
    assert "is not fit for use" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_format_that_does_not_load_is_told(exported):
    (exported / "encoder.onnx").write_bytes(b"no model")
    (exported / "encoder.tflite").write_bytes(b"no model")
    (exported / "encoder.tar.gz").write_bytes(b"no archive")
    results = list(standalone.compare(exported))
    failed = [result["format"] for result in results if "error" in result]
    assert failed == ["archive", "tflite", "onnx"]
    lines, good = verify.table(results, 1e-4)
    assert not good
    assert lines.count("failed: ") == 3


def test_an_archive_with_a_link_is_refused(exported):
    with tarfile.open(exported / "encoder.tar.gz", "w:gz") as archive:
        for name in ("saved_model.pb", "variables"):
            archive.add(exported / name, name)
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "saved_model.pb"
        archive.addfile(link)
    manifest.write(exported)
    with pytest.raises(ValueError, match="a link to 'saved_model.pb'"):
        verify.verify(exported)


def test_what_is_no_export_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no manifest\.json"):
        verify.verify(tmp_path)


def test_nothing_found_is_not_good():
    assert not verify.table([], 1e-4)[1]


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_in_the_reference_is_not_opened(exported, tmp_path):
    traps = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.savez(exported / "reference.npz", views=traps, encodings=traps)
    manifest.write(exported)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        list(standalone.compare(exported))
    with pytest.raises(ValueError, match="could not be checked"):
        verify.verify(exported)
    assert not (tmp_path / "sprung").exists()


def test_the_process_that_checks_ends_with_the_one_that_started_it(
    exported, monkeypatch
):
    called = []

    def run(command, env, **_):
        called.append((command, env))
        return subprocess.CompletedProcess(command, 0, "[]", "")

    monkeypatch.setattr(verify.subprocess, "run", run)
    assert verify.verify(exported) == []
    ((command, env),) = called
    # It watches for the end of its parent, and then runs the script.
    assert command[-3:-1] == [processes.__file__, standalone.__file__]
    assert env[processes._PARENT] == str(os.getpid())
