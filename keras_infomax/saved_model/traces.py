"""The functions for which a SavedModel was traced: what each takes, in which mode."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_infomax import structures
from keras_infomax.lazy_tensorflow import tf


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
    def view(self) -> Any:
        """What the views are, a structure of `tf.TensorSpec`s."""
        return self.arguments[self.parameter]

    @property
    def specs(self) -> list[tf.TensorSpec]:
        """The parts of `view`."""
        return tf.nest.flatten(self.view)

    def takes(self, views: Any) -> bool:
        """Whether it is for views of this structure, these dtypes and these shapes."""
        return is_like(self.view, views) and all(
            spec.is_compatible_with(part)
            for spec, part in zip(self.specs, tf.nest.flatten(views), strict=True)
        )

    def __call__(self, views: Any) -> Any:
        """What the function returns for views."""
        packed = tf.nest.pack_sequence_as(self.view, tf.nest.flatten(views))
        arguments = {**self.arguments, self.parameter: packed}
        bound = inspect.BoundArguments(self.signature, arguments)
        return self.function(*bound.args, **bound.kwargs)


def of(call: Any, handle: str) -> list[Trace]:
    """All traces of the function that a SavedModel is called by.

    Args:
        call: The function, as it was loaded.
        handle: What messages call the SavedModel.

    Raises:
        ValueError: If it takes more or less than one structure of tensors, beside
            `training`.
    """
    return [t for f in call.concrete_functions for t in _in_each_mode(call, f, handle)]


def view_of(traces: Sequence[Trace]) -> Any:
    """What all of the traces take.

    Returns:
        Structure of `structures.Spec`s, in which sizes and dtypes that differ are
        `None`; `None` for all, where structures differ.
    """
    first = traces[0]
    if not all(is_like(first.view, trace.view) for trace in traces):
        return None
    specs = []
    named = structures.of_tensors(first.view)
    for index, spec in enumerate(tf.nest.flatten(named)):
        parts = [trace.specs[index] for trace in traces]
        shape = functools.reduce(
            lambda a, b: a.most_specific_compatible_shape(b), [p.shape for p in parts]
        )
        dtypes = {part.dtype.name for part in parts}
        specs.append(
            structures.Spec(
                spec.name,
                None if shape.rank is None else tuple(shape),
                dtypes.pop() if len(dtypes) == 1 else None,
            )
        )
    return tf.nest.pack_sequence_as(first.view, specs)


def is_like(view: Any, other: Any) -> bool:
    """Whether two structures are the same, whatever their tensors are.

    A list is the same as a tuple, a dictionary is not, even if it has as many parts.
    """
    if isinstance(view, Mapping) and isinstance(other, Mapping):
        alike = view.keys() == other.keys()
        return alike and all(is_like(view[key], other[key]) for key in view)
    if isinstance(view, (tuple, list)) and isinstance(other, (tuple, list)):
        pairs = zip(view, other, strict=False)
        return len(view) == len(other) and all(is_like(*pair) for pair in pairs)
    return not (structures.is_structure(view) or structures.is_structure(other))


def dtype_for(traces: Sequence[Trace], part: int, dtype: tf.DType) -> tf.DType:
    """What a tensor must be cast to: nothing else, or what there is a trace for.

    Numbers may become floats, and integers other integers.

    Args:
        traces: All traces of a SavedModel.
        part: Number of the tensor among those of a view.
        dtype: Its dtype.
    """
    taken = [trace.specs[part].dtype for trace in traces if part < len(trace.specs)]
    floats = [found for found in taken if found.is_floating]
    integers = [found for found in taken if found.is_integer]
    if dtype in taken or not (dtype.is_integer or dtype.is_floating or dtype.is_bool):
        return dtype
    if floats:
        return floats[0]
    spec = [structures.Spec("", None, found.name) for found in integers]
    fitting = [s for s in spec if structures.takes_dtype(s, dtype.name)]
    return tf.as_dtype(fitting[0].dtype) if fitting else dtype


def choose(traces: Sequence[Trace], views: Any, training: bool) -> Trace:
    """The trace for views and a mode.

    TensorFlow would take the first one that fits. Where a size is unknown, as the batch
    size is in `fit`, that may be a trace for another size.

    Args:
        traces: All traces of a SavedModel.
        views: The tensors.
        training: The mode.

    Raises:
        ValueError: If there is none for tensors of this structure, shapes and dtypes.
    """
    fitting = [
        trace
        for trace in traces
        if trace.training in (None, training) and trace.takes(views)
    ]
    if not fitting:
        known = {structures.described(trace.view) for trace in traces}
        raise ValueError(
            f"inputs must be {' or '.join(sorted(known))}, for which the SavedModel "
            f"was traced; received {structures.described(views)}."
        )
    return max(fitting, key=_generality)


def _generality(trace: Trace) -> float:
    shapes = [spec.shape for spec in trace.specs]
    return sum(
        float("inf") if shape.rank is None else list(shape).count(None)
        for shape in shapes
    )


def _in_each_mode(call: Any, function: Any, handle: str) -> Iterator[Trace]:
    signature = inspect.signature(call)
    args, kwargs = function.structured_input_signature
    arguments = signature.bind(*args, **kwargs).arguments
    mode = arguments.get("training")
    others = {name: v for name, v in arguments.items() if name != "training"}
    parts = {name: tf.nest.flatten(value) for name, value in others.items()}
    views = [name for name, part in parts.items() if any(map(_is_spec, part))]
    if len(views) != 1 or not all(map(_is_spec, parts[views[0]])):
        raise ValueError(
            "handle must be a SavedModel that is called on one tensor, or on one "
            f"structure of tensors; received {handle!r}, which takes {others}. Wrap it "
            "in a tf.Module of one input, and save that."
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
