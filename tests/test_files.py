import pytest

from keras_infomax import files


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_replaces_text(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    files.write_text(path, "new")
    assert path.read_text() == "new"
    assert listing(tmp_path) == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.replaced_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert listing(tmp_path) == ["a.txt"]


def test_temporary_files_keep_the_suffix(tmp_path):
    with files.replaced_file(tmp_path / "model.keras") as temporary:
        assert temporary.suffix == ".keras"
        assert temporary.parent == tmp_path
        temporary.touch()


def test_folders_appear_whole(tmp_path):
    path = tmp_path / "deep" / "folder"
    with files.new_folder(path) as temporary:
        (temporary / "a").write_text("1")
        assert not path.exists()
    assert (path / "a").read_text() == "1"
    assert listing(path.parent) == ["folder"]


def test_an_existing_folder_is_refused_or_replaced(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(ValueError, match="exists already"), files.new_folder(path):
        pass
    with files.new_folder(path, overwrite=True) as temporary:
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
        files.new_folder(path, overwrite=True) as temporary,
    ):
        (temporary / "new").touch()
        raise RuntimeError
    assert listing(tmp_path) == (["folder"] if existing else [])
    if existing:
        assert listing(path) == ["old"]
