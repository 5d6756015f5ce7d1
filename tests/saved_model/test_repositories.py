"""Exports on the Hugging Face Hub, by a stand-in whose repositories are folders."""

import copy
import fnmatch
import pathlib
import shutil
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
from export_checks import make_views

from keras_infomax import files, saved_model
from keras_infomax.files import hugging_face, manifest
from keras_infomax.programs import pull as pulling
from keras_infomax.programs import push as pushing
from keras_infomax.programs.mistakes import UsageError

ADDRESS = "hf://user/digits"


class Hub:
    """What `push` and `pull` ask of the Hub; a repository is a folder of `root`."""

    def __init__(self, root):
        self.root = root
        self.broken = ""
        self.calls = []

    def __call__(self, **options):
        return self

    def folder(self, repo_id):
        return self.root / repo_id

    def create_repo(self, repo_id, private, exist_ok):
        assert exist_ok
        self.calls.append(("create_repo", private))
        if self.broken == "create_repo":
            raise RuntimeError("401 Client Error\n\nInvalid token")
        self.folder(repo_id).mkdir(parents=True, exist_ok=True)
        return f"https://hub.example/{repo_id}"

    def create_branch(self, repo_id, branch, exist_ok):
        self.calls.append(("create_branch", branch))

    def upload_folder(
        self, repo_id, folder_path, commit_message, revision, delete_patterns
    ):
        self.calls.append(("upload_folder", revision, commit_message))
        if self.broken == "upload_folder":
            raise ConnectionError("the connection was closed")
        source, target = pathlib.Path(folder_path), self.folder(repo_id)
        for file in [f for f in target.rglob("*") if f.is_file()]:
            name = file.relative_to(target).as_posix()
            if any(fnmatch.fnmatch(name, pattern) for pattern in delete_patterns):
                file.unlink()
        shutil.copytree(source, target, dirs_exist_ok=True)

    def snapshot_download(self, repo_id, revision=None, allow_patterns=None):
        self.calls.append(("snapshot_download", revision))
        if self.broken == "snapshot_download":
            raise ConnectionError("no route to host")
        return str(self.folder(repo_id))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    found = Hub(tmp_path / "hub")
    try:
        import huggingface_hub
    except ImportError:
        huggingface_hub = types.ModuleType("huggingface_hub")
        monkeypatch.setitem(sys.modules, "huggingface_hub", huggingface_hub)
    monkeypatch.setattr(huggingface_hub, "HfApi", found, raising=False)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", found.snapshot_download, raising=False
    )
    hugging_face.forget()
    return found


@pytest.fixture
def repository(hub, exported):
    """A repository that holds an export, as `push` writes it but for the card."""
    shutil.copytree(exported, hub.folder("user/digits"))
    return hub.folder("user/digits")


def test_an_address_is_taken_apart():
    parsed = hugging_face.parse("a", "hf://user-1/n.a_m@v1.2/folder/x.keras")
    assert parsed == hugging_face.Address("user-1/n.a_m", "folder/x.keras", "v1.2")
    assert str(parsed) == "hf://user-1/n.a_m@v1.2/folder/x.keras"
    for wrong in ("user/name", "hf://", "hf://a", "hf://a/b/../c", "hf://a/b//c", 3):
        with pytest.raises(ValueError, match="^a must be the address .* received"):
            hugging_face.parse("a", wrong)
    with pytest.raises(ValueError, match="received 'hf://a/b/c'"):
        hugging_face.parse("a", "hf://a/b/c", file=False)


def test_a_pulled_export_encodes_as_what_was_pushed(repository, encoder, tmp_path):
    (repository / ".gitattributes").write_text("*.pb filter=lfs")
    (repository / "LICENSE").write_text("MIT")
    path = tmp_path / "pulled"
    saved_model.pull(ADDRESS, path)
    views = make_views(6)
    np.testing.assert_allclose(saved_model.load(path)(views), encoder(views), 1e-5)
    manifest.check(path)
    # A repository holds no empty folder, such as that of assets.
    found, there = (
        {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        for folder in (path, repository)
    )
    assert found == there - {"LICENSE", ".gitattributes"}
    with pytest.raises(ValueError, match="exists already.*overwrite"):
        saved_model.pull(ADDRESS, path)
    saved_model.pull(f"{ADDRESS}@v1", path, overwrite=True)
    other = tmp_path / "home"
    other.mkdir()
    (other / "letter.txt").touch()
    with pytest.raises(ValueError, match="must be an export"):
        saved_model.pull(ADDRESS, other, overwrite=True)
    assert [*other.iterdir()] == [other / "letter.txt"]


def damage(repository, kind):
    def rewritten(name, content):
        (repository / name).write_bytes(content)
        manifest.write(repository)

    if kind == "flipped":
        file = repository / "variables" / "variables.index"
        file.write_bytes(file.read_bytes() + b"x")
    elif kind == "unlisted":
        (repository / "weights.pkl").write_bytes(b"\x80\x04.")
    elif kind == "listed":
        rewritten("notes.txt", b"hello")
    elif kind == "pickled":
        np.savez(repository / "reference.npz", views=np.array([{}], dtype=object))
        manifest.write(repository)
    elif kind == "archive":
        rewritten("encoder.tar.gz", b"not one")
    elif kind == "no manifest":
        (repository / "manifest.json").unlink()
    elif kind == "program":
        root = tf.train.Checkpoint()

        @tf.function(input_signature=[tf.TensorSpec((None, 3))])
        def call(inputs):
            tf.io.write_file("stolen", "x")
            return inputs

        root.__call__ = call
        tf.saved_model.save(root, str(repository))
        manifest.write(repository)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("flipped", "hf://user/digits is damaged, .*variables.index differs"),
        ("unlisted", "nothing but an export.*'weights.pkl', which may be a program"),
        ("listed", "is damaged, or was changed.* notes.txt is missing"),
        ("pickled", "reference.npz must hold arrays of numbers"),
        ("archive", "encoder.tar.gz cannot be read as a .tar.gz"),
        ("no manifest", "'hf://user/digits' has no manifest.json"),
        ("program", "nothing but compute.*WriteFile.*pull"),
    ],
)
def test_what_is_no_safe_export_leaves_nothing(kind, message, repository, tmp_path):
    damage(repository, kind)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        saved_model.pull(ADDRESS, tmp_path / "to" / "pulled")
    assert [*(tmp_path / "to").iterdir()] == []
    if kind == "program":
        saved_model.pull(ADDRESS, tmp_path / "to" / "pulled", safe_mode=False)
        assert (tmp_path / "to" / "pulled" / "saved_model.pb").is_file()


def test_a_broken_download_leaves_nothing(repository, hub, tmp_path):
    hub.broken = "snapshot_download"
    with pytest.raises(OSError, match="hf://user/digits cannot be read: no route"):
        saved_model.pull(ADDRESS, tmp_path / "to" / "pulled")
    assert [*(tmp_path / "to").iterdir()] == []
    hub.broken = ""
    saved_model.pull(ADDRESS, tmp_path / "to" / "pulled")


def test_what_is_pushed_must_be_an_export(hub, exported, tmp_path):
    with pytest.raises(ValueError, match="path must be an export .*no manifest.json"):
        saved_model.push(tmp_path, ADDRESS)
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    (copy / "weights.pkl").touch()
    with pytest.raises(ValueError, match="'weights.pkl', which may be a program"):
        saved_model.push(copy, ADDRESS)
    assert hub.calls == []


@pytest.fixture
def library(hub):
    return pytest.importorskip("huggingface_hub.repocard_data")


def test_a_pushed_export_has_a_card_that_the_library_reads(
    library, hub, encoder, tmp_path
):
    card = {"dataset": "digits", "probe_accuracy": 0.854, "raw_baseline": 0.798}
    card |= {"mi": 4.7284, "val_mi": 3.7251, "license": "mit"}
    path = tmp_path / "out"
    saved_model.export(encoder, path, card=card)
    before = files.read_json(path / "manifest.json")
    place = saved_model.push(path, f"{ADDRESS}@v1", private=True, message="Once.")
    assert place == "https://hub.example/user/digits"
    assert hub.calls == [
        ("create_repo", True),
        ("create_branch", "v1"),
        ("upload_folder", "v1", "Once."),
    ]
    assert files.read_json(path / "manifest.json") == before
    from huggingface_hub import ModelCard

    found = ModelCard.load(hub.folder("user/digits") / "README.md")
    assert found.data.library_name == "keras"
    assert found.data.license == "mit"
    assert found.data.pipeline_tag == "image-feature-extraction"
    told = found.data.to_dict()["model-index"]
    name, results = library.model_index_to_eval_results(told)
    assert name == "digits"
    assert [(r.metric_type, r.metric_value, r.dataset_name) for r in results] == [
        ("accuracy", 0.854, "digits"),
        ("accuracy", 0.798, "digits"),
        ("mutual_information", 3.7251, "digits"),
        ("mutual_information", 4.7284, "digits"),
    ]
    assert "## Loading" in found.text
    assert "nats" in results[-1].metric_name
    # There and back: the manifest is that of what lies there.
    saved_model.pull(ADDRESS, tmp_path / "back")
    views = make_views(4)
    np.testing.assert_array_equal(
        saved_model.load(tmp_path / "back")(views), saved_model.load(path)(views)
    )


def test_a_second_push_removes_old_formats_and_nothing_else(
    library, hub, exported, tmp_path
):
    saved_model.push(exported, ADDRESS)
    repository = hub.folder("user/digits")
    assert (repository / "README.md").read_text().count("## From the Hub") == 1
    (repository / "encoder.onnx").write_bytes(b"old")
    (repository / "assets_of_mine.csv").touch()
    (repository / "LICENSE").write_text("MIT")
    saved_model.push(exported, ADDRESS)
    assert not (repository / "encoder.onnx").exists()
    assert (repository / "LICENSE").read_text() == "MIT"
    assert (repository / "variables" / "variables.index").is_file()
    assert (repository / "assets_of_mine.csv").is_file()
    saved_model.pull(ADDRESS, tmp_path / "pulled")
    # Pushed elsewhere, it tells of the other place alone.
    saved_model.push(tmp_path / "pulled", "hf://user/copy")
    page = (hub.folder("user/copy") / "README.md").read_text()
    assert page.count("library_name: keras") == page.count("## From the Hub") == 1
    assert "hf://user/copy" in page
    assert "hf://user/digits" not in page


@pytest.mark.parametrize(
    ("call", "remains"),
    [
        ("create_repo", "401 Client Error. Nothing was written. Log in with"),
        ("upload_folder", "connection was closed. The repository is there and holds"),
    ],
)
def test_a_push_that_breaks_says_what_remains(library, hub, exported, call, remains):
    hub.broken = call
    with pytest.raises(
        OSError, match=f"hf://user/digits cannot be written to.*{remains}"
    ):
        saved_model.push(exported, ADDRESS)
    manifest.check(exported)


def test_programs_take_addresses(repository, tmp_path, capsys, monkeypatch):
    with pytest.raises(UsageError, match="ADDRESS must be the address"):
        pulling.main("user/digits")
    with pytest.raises(UsageError, match="ADDRESS must be the address"):
        pushing.main(str(tmp_path), "digits")
    monkeypatch.setattr(pulling, "FLAGS", copy.deepcopy(pulling.FLAGS))
    parsed = pulling.FLAGS(["pull", f"--output={tmp_path / 'out'}", ADDRESS])
    for name in ("output", "overwrite", "safe_mode"):
        monkeypatch.setattr(pulling, f"_{name.upper()}", pulling.FLAGS[name])
    pulling.main(*parsed[1:])
    assert f"The export is in {tmp_path / 'out'}" in capsys.readouterr().out
    assert (tmp_path / "out" / "saved_model.pb").is_file()
