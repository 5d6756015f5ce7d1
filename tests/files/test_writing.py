import pathlib
import signal
import subprocess
import sys

import pytest

from keras_infomax import private
from keras_infomax.files import writing


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_replaces_text(tmp_path):
    path = tmp_path / "a.txt"
    writing.write_text(path, "old")
    writing.write_text(path, "new")
    assert path.read_text() == "new"
    assert listing(tmp_path) == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), writing.replaced_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert listing(tmp_path) == ["a.txt"]


def test_temporary_files_keep_the_suffix(tmp_path):
    with writing.replaced_file(tmp_path / "model.keras") as temporary:
        assert temporary.suffix == ".keras"
        assert temporary.parent == tmp_path
        temporary.touch()


def test_folders_appear_whole(tmp_path):
    path = tmp_path / "deep" / "folder"
    with writing.new_folder(path) as temporary:
        (temporary / "a").write_text("1")
        assert not path.exists()
    assert (path / "a").read_text() == "1"
    assert listing(path.parent) == ["folder"]


def test_an_existing_folder_is_refused_or_replaced(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(ValueError, match="exists already"), writing.new_folder(path):
        pass
    with writing.new_folder(path, overwrite=True) as temporary:
        (temporary / "new").touch()
    assert listing(path) == ["new"]
    assert listing(tmp_path) == ["folder"]


@pytest.mark.parametrize("existing", [False, True])
def test_a_failed_folder_leaves_the_old_one_alone(tmp_path, existing):
    path = tmp_path / "folder"
    if existing:
        path.mkdir()
        (path / "old").touch()
    with (
        pytest.raises(RuntimeError),
        writing.new_folder(path, overwrite=True) as temporary,
    ):
        (temporary / "new").touch()
        raise RuntimeError
    assert listing(tmp_path) == (["folder"] if existing else [])
    if existing:
        assert listing(path) == ["old"]


KILLED = """
import os, runpy, signal, sys
files = runpy.run_path(sys.argv[1])
with files["new_folder"](sys.argv[2] + "/folder", overwrite=True) as folder:
    (folder / "half").touch()
    with files["replaced_file"](sys.argv[2] + "/a.txt") as file:
        file.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    command = [sys.executable, "-c", KILLED, writing.__file__, str(tmp_path)]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert len(listing(tmp_path)) == 2
    assert all(name.startswith(".") for name in listing(tmp_path))
    writing.write_text(tmp_path / "a.txt", "new")
    with writing.new_folder(tmp_path / "folder"):
        pass
    assert listing(tmp_path) == ["a.txt", "folder"]


def test_a_writer_that_is_alive_is_left_alone(tmp_path):
    path = tmp_path / "a.txt"
    with writing.replaced_file(path) as first:
        first.write_text("first")
        writing.write_text(path, "second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"


def test_what_is_held_cannot_be_held_again(tmp_path):
    with writing.locked(tmp_path) as held:
        assert held
        with pytest.raises(BlockingIOError), writing.locked(tmp_path):
            pass
    with writing.locked(tmp_path) as held:
        assert held


def test_an_old_folder_is_there_until_the_new_one_is(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    # Where it cannot be done in one step, a failure puts the old one back.
    monkeypatch.setattr(private, "exchange", lambda *paths: False)
    replace = writing.os.replace

    def fail(source, destination):
        if (pathlib.Path(source) / "new").exists():
            raise OSError("gone")
        replace(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(writing.os, "replace", fail)
        with (
            pytest.raises(OSError, match="gone"),
            writing.new_folder(path, overwrite=True) as temporary,
        ):
            (temporary / "new").touch()
    assert listing(path) == ["old"]
    with writing.new_folder(path, overwrite=True) as temporary:
        (temporary / "new").touch()
    assert listing(path) == ["new"]
    assert listing(tmp_path) == ["folder"]
