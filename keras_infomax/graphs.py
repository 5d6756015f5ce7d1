"""Looks into a SavedModel before it is loaded: what could its graph do?

A SavedModel is a program of TensorFlow's operations. Most compute; some read and write
files, call Python, or talk to other machines. As TensorFlow's SECURITY.md says, to load
a SavedModel is to run its program, since initialisers of tables run at once.
"""

import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.python.saved_model import loader_impl

# Modules of TensorFlow with nothing but mathematics, random numbers and variables.
_COMPUTING = (
    "gen_array_ops",
    "gen_bitwise_ops",
    "gen_cudnn_rnn_ops",
    "gen_image_ops",
    "gen_linalg_ops",
    "gen_list_ops",
    "gen_manip_ops",
    "gen_math_ops",
    "gen_nn_ops",
    "gen_random_ops",
    "gen_resource_variable_ops",
    "gen_rnn_ops",
    "gen_special_math_ops",
    "gen_spectral_ops",
    "gen_stateful_random_ops",
    "gen_stateless_random_ops",
    "gen_stateless_random_ops_v2",
)
_CALLING = ("PartitionedCall", "StatefulPartitionedCall", "Assert", "NoOp")
_BRANCHING = ("If", "StatelessIf", "While", "StatelessWhile", "Case", "StatelessCase")


def harmless_operations() -> set[str]:
    """Names of the operations that do nothing but compute."""
    modules = (import_module(f"tensorflow.python.ops.{name}") for name in _COMPUTING)
    computing = {name for module in modules for name in dir(module)}
    return {n for n in computing if hasattr(tf.raw_ops, n)} | {*_CALLING, *_BRANCHING}


def check_local(handle: str) -> None:
    """Refuses the address of another machine, from which anything may come.

    Raises:
        ValueError: If the handle has a scheme, such as `gs://`.
    """
    if "://" in handle:
        raise ValueError(
            "handle must be a path on this machine in safe mode; received "
            f"{handle!r}. Copy it first, or pass safe_mode=False to "
            "keras.saving.load_model."
        )


def check_harmless(folder: str | os.PathLike, handle: str) -> None:
    """Refuses a SavedModel that could do more than compute, without loading it.

    Args:
        folder: Folder of the SavedModel.
        handle: What messages call it.

    Raises:
        ValueError: If it has an operation that is not one of `harmless_operations`
            where loading or calling it could reach one, an asset, or a graph of
            TensorFlow 1, or cannot be read.
    """
    try:
        parsed = loader_impl.parse_saved_model(os.fspath(folder))
    except (OSError, DecodeError) as error:
        raise ValueError(
            f"{handle} cannot be read; it may be damaged: {error}"
        ) from error
    graphs = parsed.meta_graphs
    # Anything else would be loaded as TensorFlow 1 did, which runs nodes of the graph.
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        _refuse(handle, "is no SavedModel of TensorFlow 2")
    (graph,) = graphs
    if graph.asset_file_def:
        _refuse(handle, "brings files for its graph to read")
    strange = sorted(set(_reachable_operations(graph)) - harmless_operations())
    if strange:
        _refuse(handle, f"has operations that may do more: {', '.join(strange)}")


def _refuse(handle: str, fault: str) -> None:
    raise ValueError(
        "In safe mode a SavedModel must do nothing but compute; received "
        f"{handle!r}, which {fault}. If you trust its author as you would a program's, "
        "pass safe_mode=False to keras.saving.load_model."
    )


def _reachable_operations(graph: Any) -> Iterator[str]:
    """Operations of all functions but those that only TensorFlow 1 would call.

    Those save and restore checkpoints; TensorFlow 2 does so by itself.
    """
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    waiting = set(_entries(graph)) & functions.keys()
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for node in functions[name].node_def:
            yield node.op
            mentioned = {node.op, *_mentioned(node.attr.values())}
            waiting |= (mentioned & functions.keys()) - seen


def _entries(graph: Any) -> Iterator[str]:
    """Names of the functions that a loaded object holds, and of gradients."""
    objects = graph.object_graph_def
    yield from objects.concrete_functions
    for node in objects.nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name
    library = graph.graph_def.library
    for gradient in library.gradient:
        yield from (gradient.function_name, gradient.gradient_func)
    for gradient in library.registered_gradients:
        yield gradient.gradient_func


def _mentioned(attributes: Any) -> Iterator[str]:
    """Functions that attributes of a node name, in whichever way."""
    for value in attributes:
        functions = [value.func, *value.list.func]
        yield from (function.name for function in functions)
        for function in functions:
            yield from _mentioned(function.attr.values())
        for text in (value.s, *value.list.s):
            yield text.decode("utf-8", "replace")
