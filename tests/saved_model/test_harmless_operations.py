"""Safe mode against SavedModels that were made to get past it."""

import ast
import inspect
import os
import pathlib
import shutil
import uuid

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

import keras_infomax as kim
from keras_infomax import private
from keras_infomax.saved_model import harmless_operations, safety

SPEC = tf.TensorSpec((None, 2), tf.float32, name="x")


class Doubling(tf.Module):
    def __init__(self):
        super().__init__()
        self.weight = tf.Variable(2.0)

    @tf.function(input_signature=[SPEC])
    def __call__(self, x):
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x * self.weight, lambda: x)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs") / "saved"
    tf.saved_model.save(Doubling(), str(folder))
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "saved")


def read(folder):
    return saved_model_pb2.SavedModel.FromString(
        (folder / "saved_model.pb").read_bytes()
    )


def write(folder, proto):
    (folder / "saved_model.pb").write_bytes(proto.SerializeToString())


def load(folder):
    with private.safe_mode(True):
        return kim.HubEncoder(folder)


def refused(folder, message):
    with pytest.raises(ValueError, match="nothing but compute.*" + message):
        load(folder)


# What the list of operations holds.


def test_operations_are_those_of_tensorflow_and_take_no_names_or_functions():
    """By a parameter of such a name, a file, resource or function would be found."""
    names = {
        *("filename", "filenames", "file", "prefix", "dir", "path", "contents"),
        *("memory_region_name", "shared_name", "container", "address", "target"),
        *("token", "data_handle", "output_stream", "resource_name", "init"),
        *("func", "function", "fn", "body", "branches", "then_branch"),
    }
    tree = ast.parse(inspect.getsource(harmless_operations))
    # Written down: what a new release brings is not in the list.
    imports = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    assert not imports
    gone = {n for n in harmless_operations.OPERATIONS if not hasattr(tf.raw_ops, n)}
    assert not gone, f"TensorFlow has no operations of these names: {sorted(gone)}."
    for name in harmless_operations.OPERATIONS:
        parameters = inspect.signature(getattr(tf.raw_ops, name)).parameters
        if name not in harmless_operations.CALLS:
            assert not names & parameters.keys(), name
    assert len(harmless_operations.OPERATIONS) == 533
    assert not harmless_operations.OPERATIONS & {
        *("ImmutableConst", "VarHandleOp", "ReadFile", "WriteFile", "EagerPyFunc"),
        *("PyFunc", "RestoreV2", "SaveV2", "HashTableV2", "Print", "PrintV2"),
        *("RemoteCall", "XlaLaunch", "SymbolicGradient", "Empty", "DecodeJpeg"),
    }


def test_an_ordinary_saved_model_computes_the_same_from_its_copy(folder):
    x = np.float32([[1, 2], [3, -4]])
    np.testing.assert_array_equal(load(folder)(x), 2 * x)
    np.testing.assert_array_equal(load(folder)(-x), -x)


# Functions that the runtime chooses among.


def exchangeable(path, folder):
    """A harmless function, and one that writes, which claim to be the same."""
    name = f"relu_{uuid.uuid4()}"

    def make(function, device):
        attributes = {"api_implements": name, "api_preferred_device": device}
        return tf.function(
            function,
            input_signature=[SPEC],
            autograph=False,
            experimental_attributes=attributes,
        )

    def writing(x):
        with tf.control_dependencies([tf.io.write_file(str(path), "written")]):
            return tf.nn.relu(x) * 1.0

    good, bad = make(tf.nn.relu, "GPU"), make(writing, "CPU")

    class Module(tf.Module):
        @tf.function(input_signature=[SPEC])
        def __call__(self, x):
            out = good(x)
            bad.get_concrete_function().add_to_graph()
            return out

    tf.saved_model.save(Module(), str(folder))


def test_functions_that_tensorflow_may_exchange_are_refused(tmp_path):
    path, folder = tmp_path / "sprung", tmp_path / "exchanging"
    exchangeable(path, folder)
    layer = kim.HubEncoder(folder, trainable=False)
    model = keras.Sequential([keras.Input((2,)), layer])
    model(np.ones((1, 2), "float32"))
    assert path.exists()  # The attack does work where the author is trusted.
    model.save(tmp_path / "model.keras")
    path.unlink()
    with pytest.raises(ValueError, match="may do more: WriteFile"):
        keras.saving.load_model(tmp_path / "model.keras")
    proto = read(folder)  # Without the operation that gives it away.
    for function in proto.meta_graphs[0].graph_def.library.function:
        kept = [node for node in function.node_def if node.op != "WriteFile"]
        del function.node_def[:]
        function.node_def.extend(kept)
    write(folder, proto)
    refused(folder, "exchange functions for others, by the attributes api_implements")
    assert not path.exists()


@pytest.mark.parametrize("called", [True, False])
def test_every_function_is_looked_into(folder, called):
    proto = read(folder)
    library = proto.meta_graphs[0].graph_def.library
    function = library.function[-1]
    if not called:
        function = library.function.add()
        function.signature.name = "__inference_unused_7"
    function.node_def.add(name="read", op="ImmutableConst")
    write(folder, proto)
    refused(folder, "may do more: ImmutableConst")


def test_saving_functions_are_not_loaded(folder):
    functions = read(folder).meta_graphs[0].graph_def.library.function
    assert "SaveV2" in {node.op for f in functions for node in f.node_def}
    with safety.harmless_copy(folder, "x") as copy:
        (graph,) = read(pathlib.Path(copy)).meta_graphs
        assert len(graph.graph_def.library.function) < len(functions)
        operations = {
            node.op for f in graph.graph_def.library.function for node in f.node_def
        }
        assert operations <= harmless_operations.OPERATIONS
        assert not graph.signature_def
        assert not graph.graph_def.node
    assert not os.path.exists(copy)


def test_hints_to_the_runtime_are_dropped(folder):
    proto = read(folder)
    for function in proto.meta_graphs[0].graph_def.library.function:
        function.attr["implements"].s = b"something"
        for node in function.node_def:
            node.device = "/job:worker/task:1"
            node.attr["_tpu_replicate"].s = b"cluster"
            if "PartitionedCall" in node.op:
                node.attr["executor_type"].s = b"other"
    write(folder, proto)
    with safety.harmless_copy(folder, "x") as copy:
        text = pathlib.Path(copy, "saved_model.pb").read_bytes()
    for word in (b"implements", b"/job:worker", b"_tpu_replicate", b"executor_type"):
        assert word in (folder / "saved_model.pb").read_bytes()
        assert word not in text
    np.testing.assert_array_equal(load(folder)(np.ones((1, 2), "float32")), [[2, 2]])


def branch(proto):
    """The attribute that names a function of the conditional."""
    for function in proto.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if "then_branch" in node.attr:
                return node.attr["then_branch"]


def test_functions_that_their_caller_completes_are_refused(folder):
    """Such an argument may be the name of any function or operation."""
    original = read(folder)
    proto = read(folder)
    branch(proto).func.attr["g"].func.name = "WriteFile"
    write(folder, proto)
    refused(folder, "a function that is incomplete")
    branch(original).placeholder = "g"
    write(folder, original)
    refused(folder, "a function that is incomplete")


def test_handles_as_constants_are_refused(folder):
    """They name a resource of the process, such as a variable of another model."""
    proto = read(folder)
    function = proto.meta_graphs[0].graph_def.library.function[0]
    node = function.node_def.add(name="stolen", op="Const")
    node.attr["value"].tensor.dtype = types_pb2.DT_RESOURCE
    write(folder, proto)
    refused(folder, "names things outside of it, by the constant stolen")


def test_objects_made_by_code_are_refused(folder):
    proto = read(folder)
    node = proto.meta_graphs[0].object_graph_def.nodes.add()
    node.registered_name = "tf.StaticHashTable"
    node.resource.device = ""
    write(folder, proto)
    refused(folder, "an object that is made by code, tf.StaticHashTable")


def test_several_graphs_are_refused(folder):
    proto = read(folder)
    proto.meta_graphs.add().CopyFrom(proto.meta_graphs[0])
    write(folder, proto)
    refused(folder, "is no SavedModel of TensorFlow 2")


def test_a_function_hidden_behind_another_of_its_name_is_refused(folder):
    proto = read(folder)
    library = proto.meta_graphs[0].graph_def.library
    library.function.add().CopyFrom(library.function[0])
    write(folder, proto)
    refused(folder, "two functions of one name")


# Files.


def test_what_is_loaded_is_what_was_checked(folder, tmp_path, monkeypatch):
    """Whoever exchanges the SavedModel after the check is too late."""
    path = tmp_path / "sprung"
    exchangeable(path, tmp_path / "exchanging")
    check = safety._fault

    def exchanging(parsed):
        fault = check(parsed)
        shutil.copy(tmp_path / "exchanging/saved_model.pb", folder)
        return fault

    monkeypatch.setattr(safety, "_fault", exchanging)
    layer = load(folder)
    np.testing.assert_array_equal(layer(np.ones((1, 2), "float32")), [[2, 2]])
    assert not path.exists()


def test_the_file_that_tensorflow_would_read_is_checked(folder, tmp_path):
    exchangeable(tmp_path / "sprung", tmp_path / "exchanging")
    bad = text_format.MessageToString(read(tmp_path / "exchanging"))
    (folder / "saved_model.pbtxt").write_text(bad)  # Beside a .pb, it is not read.
    np.testing.assert_array_equal(load(folder)(np.ones((1, 2), "float32")), [[2, 2]])
    (folder / "saved_model.pb").unlink()
    refused(folder, "may do more: WriteFile")


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_pipes_do_not_block(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ValueError, match=f"regular files; received {name}, a pipe"):
        load(folder)


def test_a_config_is_not_trusted_unless_safe_mode_is_off(tmp_path):
    exchangeable(tmp_path / "sprung", tmp_path / "exchanging")
    config = kim.HubEncoder(tmp_path / "exchanging").get_config()
    with pytest.raises(ValueError, match="nothing but compute"):
        kim.HubEncoder.from_config(config)
    with private.safe_mode(False):
        assert kim.HubEncoder.from_config(config).handle == config["handle"]


@pytest.mark.parametrize("handle", ["gs://bucket/x", "http://a/b", "\\\\server\\x"])
def test_other_machines_are_refused(handle):
    with pytest.raises(ValueError, match="a path on this machine in safe mode"):
        load(handle)
