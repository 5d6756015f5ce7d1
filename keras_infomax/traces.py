"""The functions for which a SavedModel was traced: what each takes, in which mode."""

import dataclasses
import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Trace:
    """One function for which a SavedModel was traced, in one mode.

    Args:
        function: TensorFlow's concrete function.
        signature: Its parameters.
        arguments: What it is called with, by parameter.
        parameter: The one of them that takes the views.
        training: Whether it is for training; `None` if there is no such difference.
    """

    function: Any
    signature: inspect.Signature
    arguments: Mapping[str, Any]
    parameter: str
    training: bool | None

    @property
    def view(self) -> tf.TensorSpec:
        """What the views are."""
        return self.arguments[self.parameter]

    def __call__(self, views: tf.Tensor) -> Any:
        """What the function returns for views."""
        arguments = {**self.arguments, self.parameter: views}
        bound = inspect.BoundArguments(self.signature, arguments)
        return self.function(*bound.args, **bound.kwargs)


def of(call: Any, handle: str) -> list[Trace]:
    """All traces of the function that a SavedModel is called by.

    Args:
        call: The function, as it was loaded.
        handle: What messages call the SavedModel.

    Raises:
        ValueError: If it takes more or less than one tensor, beside `training`.
    """
    return [t for f in call.concrete_functions for t in _in_each_mode(call, f, handle)]


def shape_of(traces: Sequence[Trace]) -> tf.TensorShape:
    """The shape that all of the traces take; sizes in which they differ are `None`."""
    shapes = [trace.view.shape for trace in traces]
    return functools.reduce(lambda a, b: a.most_specific_compatible_shape(b), shapes)


def dtype_for(traces: Sequence[Trace], dtype: tf.DType) -> tf.DType:
    """What a tensor must be cast to: nothing else, or floats, if there is a trace."""
    taken = [trace.view.dtype for trace in traces]
    floats = [found for found in taken if found.is_floating]
    return dtype if dtype in taken or not floats else floats[0]


def choose(traces: Sequence[Trace], views: tf.Tensor, training: bool) -> Trace:
    """The trace for a tensor and a mode.

    TensorFlow would take the first that could do. While a size is unknown, as that of
    a batch is in `fit`, that may be one for another size.

    Args:
        traces: All traces of a SavedModel.
        views: The tensor.
        training: The mode.

    Raises:
        ValueError: If there is none for a tensor of this shape and dtype.
    """
    fitting = [
        trace
        for trace in traces
        if trace.training in (None, training) and trace.view.is_compatible_with(views)
    ]
    if not fitting:
        specs = " or ".join(
            sorted({f"{t.view.dtype.name} {t.view.shape}" for t in traces})
        )
        raise ValueError(
            f"inputs must be {specs}, for which the SavedModel was traced; received "
            f"{views.dtype.name} {views.shape}."
        )
    return max(fitting, key=lambda trace: _generality(trace.view.shape))


def _generality(shape: tf.TensorShape) -> float:
    return float("inf") if shape.rank is None else list(shape).count(None)


def _in_each_mode(call: Any, function: Any, handle: str) -> Iterator[Trace]:
    signature = inspect.signature(call)
    args, kwargs = function.structured_input_signature
    arguments = signature.bind(*args, **kwargs).arguments
    mode = arguments.get("training")
    others = {name: v for name, v in arguments.items() if name != "training"}
    views = [name for name, v in others.items() if isinstance(v, tf.TensorSpec)]
    if len(views) != 1 or sum(map(_is_spec, tf.nest.flatten(others))) != 1:
        raise ValueError(
            "handle must be a SavedModel that is called on one tensor; received "
            f"{handle!r}, which takes {others}. Wrap it in a tf.Module of one input, "
            "and save that."
        )
    if "training" not in arguments:
        yield Trace(function, signature, arguments, views[0], None)
    elif not _is_spec(mode):
        yield Trace(function, signature, arguments, views[0], bool(mode))
    else:
        for training in (False, True):
            told = {**arguments, "training": tf.constant(training)}
            yield Trace(function, signature, told, views[0], training)


def _is_spec(value: Any) -> bool:
    return isinstance(value, tf.TensorSpec)
