"""Files from elsewhere: damage is found, and nothing in them is executed."""

import io
import os
import subprocess
import sys
import tarfile
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from export_checks import VIEW, make_trained_encoder, make_views
from keras import layers
from keras.src.saving import serialization_lib

import keras_infomax as kim
from keras_infomax import private, saved_model
from keras_infomax.saved_model import archives, hub_encoder


@pytest.fixture
def exported(tmp_path):
    path = tmp_path / "encoder"
    saved_model.export(make_trained_encoder(), path, formats=["saved_model", "archive"])
    return path


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_damage_to_any_file_of_a_saved_model_is_found(exported, damage):
    files = [
        path.relative_to(exported)
        for part in hub_encoder.SAVED_MODEL_PARTS
        for path in [exported / part, *(exported / part).rglob("*")]
        if path.is_file()
    ]
    assert len(files) == 4
    for file in files:
        path = exported / file
        original = path.read_bytes()
        data = bytearray(original)
        if damage == "flipped":
            data[len(data) // 2] ^= 4
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else data)
        if damage == "missing":
            path.unlink()
        fault = "is missing" if damage == "missing" else "differs"
        with pytest.raises(ValueError, match=f"damaged.*{file.as_posix()} {fault}"):
            saved_model.load(exported)
        path.write_bytes(original)
    saved_model.load(exported)


def test_notes_on_the_card_do_no_harm(exported):
    with open(exported / "README.md", "a") as file:
        file.write("\nMeasured again.\n")
    (exported / "encoder.tar.gz").unlink()
    assert saved_model.load(exported)(make_views(2)).shape == (2, 5)


def test_damage_is_found_without_a_manifest_too(exported):
    (exported / "manifest.json").unlink()
    path = exported / "variables/variables.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="cannot be read; it may be damaged"):
        saved_model.load(exported)


def test_damage_inside_an_archive_is_found(exported, tmp_path):
    archives.unpack(exported / "encoder.tar.gz", tmp_path / "copy")
    path = tmp_path / "copy/variables/variables.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[100] ^= 4
    path.write_bytes(data)
    archives.pack(tmp_path / "copy", tmp_path / "x.tar.gz")
    with pytest.raises(ValueError, match="variables.data-00000-of-00001 differs"):
        saved_model.load(tmp_path / "x.tar.gz")


def test_archive_that_reaches_outside_is_not_loaded(exported, tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(hub_encoder.tempfile, "tempdir", str(tmp_path / "scratch"))
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(exported, ".")
        member = tarfile.TarInfo("../../sprung")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(ValueError, match="Do not trust this archive"):
        saved_model.load(path)
    assert not list(tmp_path.rglob("sprung"))
    assert not list(tmp_path.rglob("scratch/*/unpacked"))


def test_code_in_the_model_of_a_run_is_not_executed(tmp_path):
    ran = tmp_path / "sprung"
    trap = layers.Lambda(
        lambda x, path=str(ran): (os.makedirs(path, exist_ok=True), x)[1]
    )
    model = kim.InfoMax(keras.Sequential([keras.Input(VIEW), layers.Flatten(), trap]))
    model.save(tmp_path / "model.keras")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "metrics.csv").write_text("step\n1\n")
    ran.rmdir()
    with pytest.raises(ValueError, match="model.keras cannot be read"):
        saved_model.export_workdir(tmp_path, tmp_path.parent / "out")
    assert not ran.exists()


def assert_loads(program, folder):
    """Runs a program that prints "loaded" at its end, in a folder and a new process."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
    )
    assert result.stdout == "loaded\n", result.stderr


def test_nothing_is_unpickled(exported, tmp_path):
    model = kim.InfoMax(kim.encoders.mlp(VIEW, (8,), 4))
    model.save(tmp_path / "model.keras")
    (tmp_path / "config.json").write_text('{"dataset": "digits"}')
    (tmp_path / "metrics.csv").write_text("step,mi\n1,0.5\n")
    program = """
        import pickle, sys
        import keras_infomax as kim
        from keras_infomax import runs

        unpickled = []
        sys.addaudithook(
            lambda event, args: unpickled.append(args) if "pickle" in event else None
        )
        kim.saved_model.load("encoder")
        kim.saved_model.load("encoder/encoder.tar.gz")
        runs.read_metrics("metrics.csv")
        kim.saved_model.export_workdir(".", "../out")
        assert not unpickled, unpickled
        pickle.loads(pickle.dumps(kim.InfoMax))  # The hook does hear of it.
        assert len(unpickled) == 1
        print("loaded")
    """
    assert_loads(program, tmp_path)


def test_python_function_in_a_saved_model_is_not_called(tmp_path):
    """TensorFlow saves the token of such a function, which no other process knows."""
    called = []

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2))])
        def __call__(self, x):
            y = tf.py_function(lambda v: called.append(1) or v, [x], tf.float32)
            return tf.ensure_shape(y, (None, 2))

    tf.saved_model.save(Module(), str(tmp_path / "module"))
    saved_model.load(tmp_path / "module")
    assert called == []
    assert np.shape(tf.saved_model.load(str(tmp_path / "module"))(np.ones((1, 2)))) == (
        1,
        2,
    )
    assert called == [1]


# Keras's safe mode, in which a `.keras` file may be anybody's.


def classifier_of(saved, folder):
    """A `.keras` file with a layer of the SavedModel of this object."""
    tf.saved_model.save(saved, str(folder / "saved"))
    inputs = keras.Input((2,))
    outputs = kim.HubEncoder(folder / "saved", trainable=False)(inputs)
    keras.Model(inputs, outputs).save(folder / "model.keras")
    return folder / "model.keras"


class Writing(tf.Module):
    """Writes a file when it is called, by one of TensorFlow's ways."""

    def __init__(self, path, write):
        super().__init__()
        self.path, self.write = str(path), write

    @tf.function(input_signature=[tf.TensorSpec((None, 2))])
    def __call__(self, x):
        if self.write == "WriteFile":
            tf.io.write_file(self.path, "x")
        elif self.write == "SaveV2":
            tf.raw_ops.SaveV2(
                prefix=self.path, tensor_names=["x"], shape_and_slices=[""], tensors=[x]
            )
        elif self.write == "ReadFile":
            size = tf.strings.length(tf.io.read_file(self.path))
            return x + tf.cast(size, tf.float32)
        else:  # Inside of a loop, which is a function of its own.
            return tf.map_fn(self.printed, x)
        return x

    def printed(self, row):
        tf.print(row, output_stream="file://" + self.path)
        return row


@pytest.mark.parametrize("operation", ["WriteFile", "SaveV2", "ReadFile", "PrintV2"])
def test_a_graph_that_touches_files_is_refused_in_safe_mode(operation, tmp_path):
    (tmp_path / "sprung").touch()
    path = classifier_of(Writing(tmp_path / "sprung", operation), tmp_path)
    (tmp_path / "sprung").unlink(missing_ok=True)
    with pytest.raises(ValueError, match="nothing but compute") as error:
        keras.saving.load_model(path)
    assert operation in str(error.value)
    assert not list(tmp_path.glob("sprung*"))


class WritingWhenLoaded(tf.Module):
    """A table of a file, which TensorFlow reads while it loads the SavedModel."""

    def __init__(self, path):
        super().__init__()
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(path), tf.string, 0, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
            ),
            default_value=-1,
        )

    @tf.function(input_signature=[tf.TensorSpec((None, 2))])
    def __call__(self, x):
        return x + tf.cast(self.table.lookup(tf.constant("word")), tf.float32)


def test_a_graph_that_reads_files_when_loaded_is_refused_in_safe_mode(tmp_path):
    (tmp_path / "words").write_text("word\n")
    path = classifier_of(WritingWhenLoaded(tmp_path / "words"), tmp_path)
    with pytest.raises(ValueError, match="brings files for its graph to read"):
        keras.saving.load_model(path)
    model = keras.saving.load_model(path, safe_mode=False)
    np.testing.assert_array_equal(model(np.ones((1, 2))), [[1, 1]])


def test_python_is_refused_in_safe_mode(tmp_path):
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2))])
        def __call__(self, x):
            y = tf.py_function(lambda v: v, [x], tf.float32)
            return tf.ensure_shape(y, (None, 2))

    path = classifier_of(Module(), tmp_path)
    with pytest.raises(ValueError, match="operations that may do more: EagerPyFunc"):
        keras.saving.load_model(path)


def test_other_machines_and_old_graphs_are_refused_in_safe_mode(tmp_path):
    with private.safe_mode(True):
        with pytest.raises(ValueError, match="a path on this machine in safe mode"):
            kim.HubEncoder("gs://bucket/encoder")
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 2))
        tf.compat.v1.saved_model.simple_save(
            session, str(tmp_path / "old"), {"x": x}, {"y": x + 1}
        )
    with private.safe_mode(True):
        with pytest.raises(ValueError, match="no SavedModel of TensorFlow 2"):
            kim.HubEncoder(tmp_path / "old")


def test_an_archive_that_reaches_outside_is_refused_in_safe_mode(exported, tmp_path):
    handle = tmp_path / "x.tar.gz"
    archives.pack(exported, handle)
    keras.Sequential([keras.Input(VIEW), kim.HubEncoder(handle)]).save(
        tmp_path / "model.keras"
    )
    with tarfile.open(handle, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../sprung"))
    with pytest.raises(ValueError, match="Do not trust this archive"):
        keras.saving.load_model(tmp_path / "model.keras")


@pytest.mark.slow
def test_a_model_with_an_encoder_loads_in_safe_mode_in_a_fresh_process(
    exported, tmp_path
):
    """From a folder and an archive; tuned weights are those of the `.keras` file."""
    views = make_views(4)
    for name, handle in (("a", exported), ("b", exported / "encoder.tar.gz")):
        model = keras.Sequential([kim.HubEncoder(handle), layers.Dense(3)])
        model.compile("adam", "mse")
        model.fit(make_views(8), np.zeros((8, 3)), verbose=0)
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", model(views))
    np.save(tmp_path / "views.npy", views)
    program = """
        import keras, numpy as np
        import keras_infomax

        for name in "ab":
            model = keras.saving.load_model(f"{name}.keras", safe_mode=True)
            outputs = np.asarray(model(np.load("views.npy")))
            np.testing.assert_allclose(outputs, np.load(f"{name}.npy"), rtol=1e-6)
        print("loaded")
    """
    assert_loads(program, tmp_path)


@pytest.mark.parametrize("safe_mode", [True, False])
@pytest.mark.parametrize(
    "name", ["saved_model.pb", "saved_model.pbtxt", "variables/more", "assets/more"]
)
def test_what_may_never_end_is_not_read(exported, name, safe_mode):
    (exported / name).unlink(missing_ok=True)
    (exported / "manifest.json").unlink()
    if name == "saved_model.pb":
        os.symlink("/dev/zero", exported / name)
    else:
        os.mkfifo(exported / name)
    with serialization_lib.SafeModeScope(safe_mode):
        with pytest.raises(ValueError, match=f"regular files; received {name}"):
            saved_model.load(exported)


@pytest.mark.parametrize("depth", [200, 5000])
def test_a_text_nested_deeply_is_refused_in_safe_mode(tmp_path, depth):
    value = "func { name: 'f' attr { key: 'k' value { " * depth + " } } }" * depth
    (tmp_path / "saved_model.pbtxt").write_text(
        "meta_graphs { graph_def { library { function { attr { key: 'z' value { "
        f"{value} }} }} }} }} }} }}"
    )
    with serialization_lib.SafeModeScope(True):
        with pytest.raises(ValueError, match="cannot be read; it may be damaged"):
            saved_model.load(tmp_path)
