"""Compares the views that an encoder takes with those that it is given.

A view is a tensor, or a tuple, list or dictionary of views. The parts of a dictionary
are known by their names, the parts of a tuple or list by their positions.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

# Layers that look up what they are given, in whatever dtype they compute.
LOOKUPS = (
    keras.layers.CategoryEncoding,
    keras.layers.Embedding,
    keras.layers.Hashing,
    keras.layers.IntegerLookup,
)


@dataclasses.dataclass(frozen=True)
class Spec:
    """One tensor that an encoder takes.

    Args:
        name: What it is called.
        shape: Its shape, the rows first; `None` if any will do.
        dtype: Its dtype, such as `"int32"`; `None` if nothing tells.
        declared: Whether the encoder takes this size alone; false if it was merely
            built with it.
    """

    name: str
    shape: tuple[int | None, ...] | None
    dtype: str | None
    declared: bool = True

    def __str__(self):
        return _words(self.dtype, self.shape)


def of(encoder: keras.Layer) -> Any:
    """What an encoder takes.

    Args:
        encoder: Keras model or layer.

    Returns:
        Structure of `Spec`s, or `None` while nobody knows.
    """
    # Without :=, which AutoGraph does not support, and warns of.
    known = getattr(encoder, "view_spec", None)
    if known is not None:
        return known
    if isinstance(encoder, keras.Model) and getattr(encoder, "inputs", None):
        if not isinstance(encoder, keras.Sequential):
            return of_tensors(encoder.input)
        # Keras checks the rank alone; the sizes may be those that it was built with.
        spec = dataclasses.replace(of_tensors(encoder.inputs[0]), declared=False)
        if isinstance(encoder.layers[0], LOOKUPS) and _is_float(spec.dtype):
            # Keras has taken the dtype of a table for that of what is looked up in it.
            return dataclasses.replace(spec, dtype=None)
        return spec
    if not encoder.built:
        return None
    built_with = (encoder.get_build_config() or {}).get("input_shape")
    return _of_shapes(built_with or getattr(encoder, "input_shape", None))


def of_tensors(tensors: Any) -> Any:
    """`Spec`s of a structure of whatever has a shape and a dtype, and maybe a name.

    Args:
        tensors: Structure of `keras.KerasTensor`, `tf.TensorSpec` or the like.
    """
    named = zip(leaf_names(tensors), keras.tree.flatten(tensors), strict=True)
    specs = [
        Spec(getattr(part, "name", None) or name, _of_any_rows(part), dtype_of(part))
        for name, part in named
    ]
    return keras.tree.pack_sequence_as(tensors, specs)


def leaf_names(structure: Any, prefix: str = "") -> list[str]:
    """Names for the tensors of a structure, in its order, made of keys and positions.

    Args:
        structure: Structure of anything.
        prefix: What all names begin with.

    Example:
    >>> leaf_names({"user": {"id": 0, "age": 0}, "item": 0})
    ['item', 'user_age', 'user_id']
    >>> leaf_names((0, 0))
    ['inputs_0', 'inputs_1']
    """
    if isinstance(structure, Mapping):
        children = [(key, structure[key]) for key in sorted(structure)]
    elif _is_sequence(structure):
        prefix = prefix or "inputs"
        children = list(enumerate(structure))
    else:
        return [prefix or "inputs"]
    return [
        name
        for key, child in children
        for name in leaf_names(child, f"{prefix}_{key}" if prefix else str(key))
    ]


def names_for(specs: Any) -> list[str]:
    """As `leaf_names`, but for a tuple or list of tensors that all were given names.

    Args:
        specs: Structure of `Spec`s.
    """
    if _is_sequence(specs) and all(map(_is_named, specs)):
        names = [spec.name for spec in specs]
        if len(set(names)) == len(names):
            return names
    return leaf_names(specs)


def is_structure(given: Any) -> bool:
    """Whether something is a tuple, list or dictionary, rather than a tensor."""
    return isinstance(given, Mapping) or _is_sequence(given)


def arranged(expected: Any, given: Any) -> tuple[bool, Any]:
    """What is given, in the structure that is expected, with tuples for lists.

    A single view fits a tuple or dictionary with one part, and the reverse. Parts of a
    tuple or list that have names may be given by name.

    Args:
        expected: Structure of `Spec`s; `None` where anything will do.
        given: Structure of tensors or arrays.

    Returns:
        Whether the structure fits, and what is given, if it does.
    """
    if expected is None:
        return True, given
    if isinstance(expected, Spec):
        while _is_sequence(given) and len(given) == 1:
            given = given[0]
        if isinstance(given, Mapping) and list(given) == [expected.name]:
            given = given[expected.name]
        return not is_structure(given), given
    by_name = isinstance(expected, Mapping)
    names = list(expected) if by_name else _names_of_parts(expected)
    if isinstance(given, Mapping) and set(given) == set(names):
        parts = [given[name] for name in names]
    elif not by_name and _is_sequence(given) and len(given) == len(names):
        parts = list(given)
    elif len(names) == 1:
        parts = [given]
    else:
        return False, given
    wanted = [expected[name] for name in names] if by_name else expected
    found = [arranged(*pair) for pair in zip(wanted, parts, strict=True)]
    if not all(fits for fits, _ in found):
        return False, given
    values = [value for _, value in found]
    if by_name:
        return True, dict(zip(names, values, strict=True))
    return True, tuple(values)


def checked(
    argument: str,
    expected: Any,
    given: Any,
    taker: str = "the encoder takes it",
    cast: bool = False,
) -> Any:
    """What is given, checked and arranged as expected.

    Args:
        argument: What to call it in messages.
        expected: Structure of `Spec`s; `None` where anything will do.
        given: Structure of tensors or arrays.
        taker: What expects it, for messages.
        cast: Whether numbers of any dtype are taken for floats, as Keras converts them.

    Raises:
        ValueError: If the structure, a dtype or a shape is another one.
    """
    fits, found = arranged(expected, given)
    if not fits:
        raise ValueError(
            f"{argument} must be {described(expected)}, as {taker}; received "
            f"{described(given)}. {_how_to_give(expected)}"
        )
    tensors = keras.tree.flatten(found)
    specs = [_ANYTHING] * len(tensors)
    if expected is not None:
        specs = keras.tree.flatten(expected)
    for spec, tensor in zip(specs, tensors, strict=True):
        is_cast = cast and (spec.dtype is None or _is_float(spec.dtype))
        if advice := _advice(spec, tensor, is_cast):
            part = f", part {spec.name!r}," if is_structure(expected) else ""
            kind = "a floating point tensor, " if _is_float(spec.dtype) else ""
            raise ValueError(
                f"{argument}{part} must be {kind}{spec}, as {taker}; received "
                f"{described(tensor)}. {advice}"
            )
    return found


def _advice(spec, tensor, is_cast):
    """Advice on a tensor that is not as expected; `None` if it is."""
    dtype, shape = dtype_of(tensor), _shape_of(tensor)
    is_taken = _is_taken(spec, dtype, shape) or (is_cast and dtype != "string")
    if not is_taken:
        if spec.dtype is None or _is_float(spec.dtype):
            return _advice_on_floats(spec, dtype, shape)
        if spec.dtype == "string":
            return "Give texts, as an array or tensor of strings."
        return f"Cast it, for example x.astype({spec.dtype!r})."
    if not _agree(spec, shape):
        return "Give it in the shape that the encoder was made for."
    return None


def _is_taken(spec, dtype, shape):
    if spec.dtype is None:
        # Unscaled images train badly, so an encoder must declare that it takes them.
        return not (dtype == "uint8" and _is_image(shape))
    return dtype is None or takes_dtype(spec, dtype)


def takes_dtype(spec: Spec, dtype: str) -> bool:
    """Whether a dtype can be converted without loss.

    Args:
        spec: What is taken, of a known dtype.
        dtype: Dtype of what is given.
    """
    if dtype == spec.dtype:
        return True
    if _is_float(spec.dtype) or "string" in (spec.dtype, dtype):
        return _is_float(spec.dtype) and _is_float(dtype)
    if "int" in dtype and spec.dtype in ("int32", "int64"):
        return True
    return not _is_float(dtype) and np.can_cast(dtype, str(spec.dtype))


def _advice_on_floats(spec, dtype, shape):
    if dtype == "string":
        return "Turn texts into numbers, or give the encoder a layer that does."
    if _is_image(shape):
        declare = " or declare them, keras.Input(shape, dtype='uint8')"
        return (
            "Scale images to [0, 1] in float32, for example x / 255"
            f"{declare if spec.dtype is None else ''}."
        )
    if dtype == "uint8":
        return "Scale the view to floats, for example x / 255 if it is in [0, 255]."
    return (
        f"Cast it, for example x.astype({spec.dtype!r}), or declare what the encoder "
        f"takes: keras.Input(shape, dtype={dtype!r})."
    )


def _is_image(shape):
    return shape is not None and len(shape) == 4


def _is_float(dtype):
    return dtype is not None and "float" in dtype


def _agree(spec, given):
    """Whether a shape fits, given that Keras adds and drops a last dimension of 1."""
    if spec.dtype is None or spec.shape is None or given is None:
        return True
    expected, given = list(spec.shape[1:]), list(given[1:])
    if len(expected) != len(given):
        longer = max(expected, given, key=len)
        if abs(len(expected) - len(given)) > 1 or longer.pop() != 1:
            return False
    sizes = zip(expected, given, strict=True)
    return not spec.declared or all(
        None in pair or pair[0] == pair[1] for pair in sizes
    )


def rows_of(structure: Any) -> Any:
    """Number of rows of the first tensor of a structure, if it is known.

    Args:
        structure: Array or tensor, or a structure of these.

    Example:
    >>> rows_of({"x": np.zeros((5, 2)), "y": np.zeros(5)})
    5
    """
    shape = _shape_of(keras.tree.flatten(structure)[0])
    return shape[0] if shape else None


def taken(structure: Any, rows: Any) -> Any:
    """Some rows of every array of a structure.

    Args:
        structure: Array, or structure of arrays.
        rows: Index or slice of an array.

    Example:
    >>> taken({"x": np.arange(4)}, [3, 1])
    {'x': array([3, 1])}
    """
    return keras.tree.map_structure(lambda part: part[rows], structure)


def dtype_of(tensor: Any) -> str | None:
    """Name of the dtype of a tensor or array; `"string"` for all kinds of text."""
    dtype = getattr(tensor, "dtype", None)
    if isinstance(dtype, np.dtype):
        return "string" if dtype.kind in "OSU" else dtype.name
    # PyTorch's have no name.
    found = getattr(dtype, "name", dtype)
    return found if found is None else str(found).removeprefix("torch.")


def described(structure: Any) -> str:
    """A structure of `Spec`s, tensors or arrays in words, on one line.

    Example:
    >>> described({"id": np.zeros(5, "int32"), "x": np.zeros((5, 2), "float32")})
    "{'id': int32 (5,), 'x': float32 (5, 2)}"
    """
    if isinstance(structure, Mapping):
        # In one order, as TensorFlow flattens them; a loaded dictionary has any.
        named = sorted(structure.items(), key=lambda item: str(item[0]))
        parts = (f"{key!r}: {described(part)}" for key, part in named)
        return f"{{{', '.join(parts)}}}"
    if _is_sequence(structure):
        parts = (
            f"{part.name}: {part}" if _is_named(part) else described(part)
            for part in structure
        )
        return f"({', '.join(parts)})"
    if isinstance(structure, Spec):
        return str(structure)
    if structure is None:
        return "anything"
    if not hasattr(structure, "shape"):
        return f"{structure!r}"
    return _words(dtype_of(structure), _shape_of(structure))


def _words(dtype, shape):
    if shape is None:
        return f"{dtype or 'a'} tensor"
    sizes = ["any" if size is None else str(size) for size in shape]
    if shape and shape[0] is None:
        sizes[0] = "rows"
    ending = "," if len(sizes) == 1 else ""
    return f"{dtype or 'a tensor'} ({', '.join(sizes)}{ending})"


def _is_named(part):
    # Keras gives a name to every layer whose user gave none.
    return isinstance(part, Spec) and not re.fullmatch(
        r"(keras_tensor|input_layer)(_\d+)?", part.name
    )


def _how_to_give(expected):
    if isinstance(expected, Mapping):
        return f"Give a dictionary with the keys {', '.join(map(repr, expected))}."
    if _is_sequence(expected):
        return f"Give a tuple of {len(expected)}, in this order."
    return "Give one tensor."


def to_config(tensors: Any) -> dict[str, Any]:
    """Shapes and dtypes of a structure of tensors, as JSON has them.

    Args:
        tensors: Structure of tensors or arrays.

    Example:
    >>> to_config({"id": np.zeros(5, "int32")})
    {'structure': {'id': 0}, 'tensors': [[[None], 'int32']]}
    """
    parts = keras.tree.flatten(tensors)
    return {
        "structure": keras.tree.pack_sequence_as(tensors, [*range(len(parts))]),
        "tensors": [[[*_of_any_rows(part)], dtype_of(part)] for part in parts],
    }


def from_config(config: Mapping[str, Any]) -> Any:
    """`keras.Input`s like the tensors that `to_config` was given."""
    inputs = [
        keras.Input(batch_shape=shape, dtype=dtype)
        for shape, dtype in config["tensors"]
    ]
    return keras.tree.map_structure(inputs.__getitem__, config["structure"])


def _of_shapes(shapes, name="inputs"):
    """`Spec`s of shapes that a layer was built with, but does not require."""
    if isinstance(shapes, Mapping):
        return {key: _of_shapes(shape, str(key)) for key, shape in shapes.items()}
    if not _is_sequence(shapes):
        return None
    if all(size is None or isinstance(size, int) for size in shapes):
        return Spec(name, (None, *shapes[1:]), None, declared=False)
    parts = [_of_shapes(s, f"{name}_{i}") for i, s in enumerate(shapes)]
    return None if None in parts else tuple(parts)


def _names_of_parts(expected):
    names = [part.name if isinstance(part, Spec) else None for part in expected]
    is_told = None not in names and len(set(names)) == len(names)
    # Positions are no keys: nothing equals a new object.
    return names if is_told else [object() for _ in expected]


def _is_sequence(given):
    return isinstance(given, (tuple, list))


def _shape_of(tensor):
    shape = getattr(tensor, "shape", None)
    # A shape of TensorFlow's may be of unknown rank.
    return None if shape is None or _rank(shape) is None else tuple(shape)


def _rank(shape):
    return shape.rank if hasattr(shape, "rank") else len(shape)


def _of_any_rows(tensor):
    shape = _shape_of(tensor)
    return shape and (None, *shape[1:])


_ANYTHING = Spec("", None, None, declared=False)
