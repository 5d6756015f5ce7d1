import hashlib
import json

import pytest

from keras_infomax.files import manifest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "variables/b.txt").write_text("second")
    manifest.write(tmp_path)
    return tmp_path


def test_the_manifest_lists_size_and_digest_of_every_file(folder):
    files = json.loads((folder / "manifest.json").read_text())["files"]
    digests = [hashlib.sha256(text).hexdigest() for text in (b"first", b"second")]
    assert files == {
        "a.txt": {"bytes": 5, "sha256": digests[0]},
        "variables/b.txt": {"bytes": 6, "sha256": digests[1]},
    }
    manifest.check(folder)
    manifest.write(folder)  # It does not list itself.
    assert json.loads((folder / "manifest.json").read_text())["files"] == files


def test_files_that_differ_or_are_missing_are_named(folder):
    (folder / "a.txt").write_text("First")
    (folder / "variables/b.txt").unlink()
    with pytest.raises(ValueError, match="is damaged") as error:
        manifest.check(folder)
    assert "a.txt differs, variables/b.txt is missing" in str(error.value)
    manifest.check(folder, "saved_model.pb")
    with pytest.raises(ValueError, match="written: variables/b.txt is missing"):
        manifest.check(folder, "variables", "saved_model.pb")


def test_files_that_came_later_do_not_matter(folder):
    (folder / "notes.txt").touch()
    manifest.check(folder)


def test_a_folder_without_manifest_is_not_checked(tmp_path):
    manifest.check(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"files": 1}', '{"files": {"../a": {}}}']
)
def test_a_damaged_manifest_is_refused(folder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=r"manifest\.json cannot be read"):
        manifest.check(folder)
