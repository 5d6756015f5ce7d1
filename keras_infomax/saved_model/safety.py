"""Turns a SavedModel from elsewhere into one that can do nothing but compute.

A SavedModel is a program of TensorFlow's operations. Most of them compute. Some read
and write files, call Python, or talk to other machines. Loading a SavedModel already
runs a part of it, the initializers of tables, as TensorFlow's SECURITY.md says.

The SavedModel is checked and copied to a private folder, and the copy is loaded, so
that nobody can change it in between. The copy leaves out whatever TensorFlow 2 does not
load, and all hints by which the runtime could choose another function, device or
optimizer. It does not protect against faults in TensorFlow's own kernels, or against a
program that takes all time or memory.
"""

import contextlib
import os
import pathlib
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Set
from typing import Any

from google.protobuf import descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError

from keras_infomax import files
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.saved_model import harmless_operations

# Functions that save and restore checkpoints. TensorFlow 1 calls them; the copy lacks
# them.
_SAVING = harmless_operations.OPERATIONS | {
    "DisableCopyOnRead",
    "MergeV2Checkpoints",
    "RestoreV2",
    "SaveV2",
    "ShardedFilename",
    "StaticRegexFullMatch",
    "StringJoin",
}
# Objects that TensorFlow makes of the SavedModel.
_KINDS = {
    "bare_concrete_function",
    "captured_tensor",
    "constant",
    "function",
    "user_object",
    "variable",
}
# Of the attributes of functions, arguments and nodes that are no parameters, those
# without which a function would compute something else, or gradients would fail.
_KEPT_HINTS = {
    "_construction_context",
    "_gradient_op_type",
    "_has_manual_control_dependencies",
    "_input_shapes",
    "_lower_using_switch_merge",
    "_num_original_outputs",
    "_output_shapes",
    "_read_only_resource_inputs",
    "_user_specified_name",
}
# How a function is optimized and scheduled.
_EXECUTION = {"config", "config_proto", "executor_type"}


def check_local(handle: str) -> None:
    """Refuses the address of another machine, from which anything may come.

    Raises:
        ValueError: If the handle has a scheme, such as `gs://`, or is a share of
            Windows.
    """
    if "://" in handle or handle.startswith("\\\\"):
        raise ValueError(
            "handle must be a path on this machine in safe mode; received "
            f"{handle!r}. Copy it first, or pass safe_mode=False to "
            "keras.saving.load_model."
        )


def check_regular(folder: str | os.PathLike, handle: str, parts: Iterable[str]) -> None:
    """Refuses pipes and devices, of which reading may never come to an end.

    Args:
        folder: Folder of a SavedModel.
        handle: What messages call it.
        parts: Names of its files, and of its folders of files.

    Raises:
        ValueError: If one of them is neither a file nor a folder.
    """
    for part in parts:
        path = pathlib.Path(folder, part)
        for each in (path, *(path.rglob("*") if path.is_dir() else ())):
            if each.exists() and not (each.is_file() or each.is_dir()):
                raise ValueError(
                    f"{handle} must be a folder of regular files; received "
                    f"{each.relative_to(folder)}, a pipe or a device. Remove it, or "
                    "write the SavedModel anew."
                )


@contextlib.contextmanager
def harmless_copy(folder: str | os.PathLike, handle: str) -> Iterator[str]:
    """Yields a copy of a SavedModel that can do nothing but compute.

    The copy is removed when the block ends.

    Args:
        folder: Folder of the SavedModel, which is not loaded.
        handle: What messages call it.

    Raises:
        ValueError: If it has a function with an operation that is not one of
            `harmless_operations.OPERATIONS`, a function that the runtime may exchange
            for another, an asset, or a graph of TensorFlow 1, or cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="keras_infomax-") as private:
        copy = pathlib.Path(private)
        try:
            for name in ("saved_model.pb", "saved_model.pbtxt"):
                _copy_file(pathlib.Path(folder, name), copy / name)
            # Weights are only numbers. Changing them later cannot change the program.
            files.link(_regular_files(folder, "variables"), copy / "variables")
            parsed = _parsed(copy)
        except (
            OSError,
            DecodeError,
            UnicodeDecodeError,
            RecursionError,
            text_format.ParseError,
        ) as error:
            raise ValueError(
                f"{handle} cannot be read; it may be damaged: {error}"
            ) from error
        fault = _fault(parsed)
        if fault:
            raise ValueError(
                "In safe mode a SavedModel must do nothing but compute; received "
                f"{handle!r}, which {fault}. If you trust its author as you would a "
                "program's, pass safe_mode=False to keras.saving.load_model."
            )
        _reduce(parsed.meta_graphs[0])
        (copy / "saved_model.pbtxt").unlink(missing_ok=True)
        (copy / "saved_model.pb").write_bytes(parsed.SerializeToString())
        yield private


def _parsed(folder: pathlib.Path) -> Any:
    """The SavedModel of a folder, in the order in which TensorFlow looks for it."""
    # The class has no public name in TensorFlow; the format that it is of has one.
    pool = descriptor_pool.Default()
    kind = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("tensorflow.SavedModel")
    )
    binary, text = folder / "saved_model.pb", folder / "saved_model.pbtxt"
    if binary.exists():
        return kind.FromString(binary.read_bytes())
    if text.exists():
        return text_format.Parse(text.read_bytes().decode("utf-8"), kind())
    raise OSError("it has neither saved_model.pb nor saved_model.pbtxt")


def _regular_files(folder: str | os.PathLike, name: str) -> pathlib.Path:
    """A folder of files, once it is known that reading each of them comes to an end."""
    files_of = pathlib.Path(folder, name)
    if files_of.is_dir():
        for file in files_of.iterdir():
            if not file.is_file():
                raise OSError(f"{name}/{file.name} is no regular file")
    return files_of


def _copy_file(file: pathlib.Path, to: pathlib.Path) -> None:
    """Copies a regular file, if there is one; a pipe or device may have no end."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(file, flags)
    except (FileNotFoundError, IsADirectoryError):
        return
    with open(descriptor, "rb") as source:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            with open(to, "wb") as target:
                shutil.copyfileobj(source, target)


def _fault(parsed: Any) -> str | None:
    """What a SavedModel does that it must not, or `None`."""
    graphs = parsed.meta_graphs
    # Anything else would be loaded as TensorFlow 1 did, which runs nodes of the graph.
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        return "is no SavedModel of TensorFlow 2"
    (graph,) = graphs
    if graph.asset_file_def:
        return "brings files for its graph to read"
    functions = graph.graph_def.library.function
    loaded = _loaded_functions(graph)
    strange = {
        node.op
        for function in functions
        for node in function.node_def
        if node.op not in loaded
        and node.op
        not in (
            harmless_operations.OPERATIONS
            if function.signature.name in loaded
            else _SAVING
        )
    }
    if strange:
        return f"has operations that may do more: {', '.join(sorted(strange))}"
    if len({f.signature.name for f in functions}) < len(functions):
        return "has two functions of one name"
    for function in functions:
        chosen = [name for name in function.attr if name.startswith("api_")]
        if chosen:
            return (
                "lets TensorFlow exchange functions for others, by the attributes "
                f"{', '.join(sorted(chosen))} of {function.signature.name}"
            )
        if function.signature.attr or any(map(_is_open, _attributes(function))):
            return f"has a function that is incomplete, {function.signature.name}"
    for node in [*graph.graph_def.node, *(n for f in functions for n in f.node_def)]:
        if any(map(_holds_handle, node.attr.values())):
            return f"names things outside of it, by the constant {node.name}"
    for item in graph.object_graph_def.nodes:
        kind = item.WhichOneof("kind") or "user_object"
        registered = item.registered_name not in ("", "tf.TrackableConstant")
        if kind not in _KINDS or registered or item.registered_saver:
            return f"has an object that is made by code, {item.registered_name or kind}"
    return None


def _loaded_functions(graph: Any) -> Set[str]:
    """Names of the functions that TensorFlow 2 can reach from the loaded object."""
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    waiting = set(_entries(graph)) & functions.keys()
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for node in functions[name].node_def:
            mentioned = {node.op, *_mentioned(node.attr.values())}
            waiting |= (mentioned & functions.keys()) - seen
    return seen


def _entries(graph: Any) -> Iterator[str]:
    """Names of the functions that a loaded object holds, and of gradients."""
    objects = graph.object_graph_def
    yield from objects.concrete_functions
    for node in objects.nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name
        yield node.captured_tensor.concrete_function
    for gradient in graph.graph_def.library.registered_gradients:
        yield gradient.gradient_func


def _attributes(function: Any) -> Iterator[Any]:
    for node in function.node_def:
        yield from node.attr.values()


def _mentioned(attributes: Iterable[Any]) -> Iterator[str]:
    """Functions that attributes of a node name."""
    for value in attributes:
        yield from (function.name for function in (value.func, *value.list.func))


def _is_open(value: Any) -> bool:
    """Whether the caller of a function decides what an attribute is."""
    return bool(value.placeholder) or any(
        function.attr for function in (value.func, *value.list.func)
    )


def _holds_handle(value: Any) -> bool:
    """Whether an attribute has a handle as a constant, to whatever has that name."""
    return any(
        tensor.dtype in {t.as_datatype_enum for t in (tf.resource, tf.variant)}
        for tensor in (value.tensor, *value.list.tensor)
    )


def _reduce(graph: Any) -> None:
    """Leaves of a graph only what TensorFlow 2 needs to load and compute."""
    loaded = _loaded_functions(graph)
    constants = {item.constant.operation for item in graph.object_graph_def.nodes}
    nodes = [n for n in graph.graph_def.node if n.op == "Const" and n.name in constants]
    library = graph.graph_def.library
    functions = [f for f in library.function if f.signature.name in loaded]
    for function in functions:
        for hints in (function.attr, *(a.attr for a in function.arg_attr.values())):
            _drop(hints, hints.keys() - _KEPT_HINTS)
        for node in function.node_def:
            hints = {name for name in node.attr if name.startswith("_")}
            _drop(node.attr, (hints - _KEPT_HINTS) | (_EXECUTION & node.attr.keys()))
            node.device = ""
    _replace(library.function, functions)
    _replace(graph.graph_def.node, nodes)
    del library.gradient[:]
    graph.collection_def.clear()
    graph.signature_def.clear()
    graph.ClearField("saver_def")
    graph.meta_info_def.ClearField("stripped_op_list")


def _drop(attributes: Any, names: Iterable[str]) -> None:
    for name in names:
        del attributes[name]


def _replace(repeated: Any, values: list[Any]) -> None:
    copies = [type(value).FromString(value.SerializeToString()) for value in values]
    del repeated[:]
    repeated.extend(copies)
