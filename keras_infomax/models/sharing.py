"""Saves and loads the parts of a model, and keeps shared layers shared.

If two parts share a layer, Keras writes it into the configs of both, but its weights
only once. On loading it makes two layers, one of them without weights. Here all places
of a shared layer have the same number, and loading makes one layer for each number.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras

from keras_infomax import backends, private

_PACKAGE = "keras_infomax"
# Key under which Keras notes the identity of an object that it has seen before.
_MARK = private.SHARED_OBJECT
_loading: list[dict[int, keras.Layer]] = []


def serialize(parts: dict[str, Any]) -> dict[str, Any]:
    """Configs of the parts of a model, which `deserialize` reads.

    Args:
        parts: Layers, lists of them or `None`, by the name of an argument.

    Raises:
        ValueError: If two parts share a layer that is missing in the config of one.
    """
    with private.marking_shared_objects():
        # Keras marks objects that it has seen before: in a second pass, all of them.
        keras.saving.serialize_keras_object(parts)
        configs = keras.saving.serialize_keras_object(parts)
    _check_all_shared_are_held(parts, configs)
    places = Counter(_layers_once(configs, set()))
    shared = [identity for identity, count in places.items() if count > 1]
    return _noted(configs, {identity: n for n, identity in enumerate(shared)})


def deserialize(configs: dict[str, Any]) -> dict[str, Any]:
    """Makes the parts of a model from the configs of `serialize`.

    Args:
        configs: Configs, by the name of an argument; other values do not change.
    """
    _loading.append({})
    try:
        return {
            # A copy, since functional models modify their config.
            name: keras.saving.deserialize_keras_object(
                _for_this_backend(copy.deepcopy(config))
            )
            if isinstance(config, (dict, list))
            else config
            for name, config in configs.items()
        }
    finally:
        _loading.pop()


def _for_this_backend(config: Any) -> Any:
    """A config without options that only TensorFlow supports.

    On other backends a batch normalization always sees the global batch, and Keras
    refuses the option `synchronized`.
    """
    if backends.is_tensorflow():
        return config
    if isinstance(config, dict) and config.get("class_name") == "BatchNormalization":
        config["config"]["synchronized"] = False
    for child in _children(config):
        _for_this_backend(child)
    return config


class _Place:
    """Placeholder for a layer in a config; it is never part of a model."""

    def get_config(self):
        return {}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class SharedLayer(_Place):
    """Placeholder for a shared layer, only in files."""

    @classmethod
    def from_config(cls, config):
        made = _loading[-1] if _loading else {}
        number = config["number"]
        if number not in made:
            layer = keras.saving.deserialize_keras_object(config["layer"])
            made.setdefault(number, layer)
        return made[number]


@keras.saving.register_keras_serializable(package=_PACKAGE)
class SharingModel(_Place):
    """Placeholder for a functional model with shared layers, only in files.

    Keras finds the outputs of such a model by the number of a layer's call within this
    model. So the model is first made with layers of its own.
    """

    @classmethod
    def from_config(cls, config):
        made = _loading[-1] if _loading else {}
        model = keras.saving.deserialize_keras_object(config["model"])
        exchanged = {}
        for name, number in config["numbers"].items():
            layer = model.get_layer(name)
            if made.setdefault(number, layer) is not layer:
                exchanged[id(layer)] = made[number]
        if not exchanged:
            return model
        trainable = {id(layer): layer.trainable for layer in exchanged.values()}
        clone = keras.models.clone_model(
            model, clone_function=lambda layer: exchanged.get(id(layer), layer)
        )
        if not model.trainable:
            clone.trainable = False
            for layer in exchanged.values():
                layer.trainable = trainable[id(layer)]
        return clone


def _is_layer(config: Any) -> bool:
    """Whether a config belongs to a layer that may have weights.

    Other objects, such as initializers, are equal if their configs are. They may exist
    only for the config, and their identity may be reused.
    """
    if not isinstance(config, dict) or _MARK not in config:
        return False
    inner = config.get("config")
    of_layer = isinstance(inner, dict) and {"name", "trainable"} <= inner.keys()
    return (of_layer or "build_config" in config) and (
        config["class_name"] != "InputLayer"
    )


def _children(config: Any) -> list[Any]:
    if isinstance(config, dict):
        return list(config.values())
    return list(config) if isinstance(config, (list, tuple)) else []


def _layers_once(config: Any, seen: set[int]) -> Iterator[int]:
    """Identities of layers, once for each of their places.

    Layers inside a layer that was found before are not counted again.
    """
    if _is_layer(config):
        yield config[_MARK]
        if config[_MARK] in seen:
            return
        seen.add(config[_MARK])
    for child in _children(config):
        yield from _layers_once(child, seen)


def _noted(config: Any, numbers: dict[int, int]) -> Any:
    """A config with the numbers of shared layers and without Keras's marks."""
    if isinstance(config, (list, tuple)):
        return type(config)(_noted(child, numbers) for child in config)
    if not isinstance(config, dict):
        return config
    number = numbers.get(config[_MARK]) if _is_layer(config) else None
    noted = _without_mark(config, numbers)
    if number is not None:
        return _place(SharedLayer, {"number": number, "layer": noted})
    return noted


def _without_mark(config: dict[str, Any], numbers: dict[int, int]) -> dict[str, Any]:
    """A config with numbers only for the layers inside it."""
    plain = {k: v for k, v in config.items() if k != _MARK}
    inner = plain.get("config")
    # Only layers of functional models have nodes.
    if not (isinstance(inner, dict) and _is_functional(inner)):
        return {key: _noted(value, numbers) for key, value in plain.items()}
    shared = {
        layer["name"]: numbers[layer[_MARK]]
        for layer in inner["layers"]
        if _is_layer(layer) and layer[_MARK] in numbers
    }
    layers = [_without_mark(layer, numbers) for layer in inner["layers"]]
    rest = {k: _noted(v, numbers) for k, v in inner.items() if k != "layers"}
    model = {
        **{k: _noted(v, numbers) for k, v in plain.items() if k != "config"},
        "config": {**rest, "layers": layers},
    }
    if not shared:
        return model
    # Calls by the model that contains this one as a layer.
    outer: dict[str, Any] = {
        k: model.pop(k) for k in ("name", "inbound_nodes") if k in model
    }
    return {**_place(SharingModel, {"model": model, "numbers": shared}), **outer}


def _is_functional(inner: dict[str, Any]) -> bool:
    layers = inner.get("layers")
    return isinstance(layers, (list, tuple)) and any(
        isinstance(layer, dict) and "inbound_nodes" in layer for layer in layers
    )


def _place(kind: type, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "module": kind.__module__,
        "class_name": kind.__name__,
        "config": config,
        "registered_name": f"{_PACKAGE}>{kind.__name__}",
    }


def _check_all_shared_are_held(parts: dict[str, Any], configs: Any) -> None:
    """Refuses a shared layer that is missing in a config."""
    held = _held(configs)
    owner_of: dict[int, keras.Layer] = {}
    for layer in _all_layers(parts):
        if id(layer) not in held:
            continue
        for hidden in _all_layers(vars(layer), held[id(layer)]):
            other = owner_of.setdefault(id(hidden), layer)
            if hidden.weights and (other is not layer or id(hidden) in held):
                raise ValueError(
                    f"Layer {hidden.name!r} is a part of {layer.name!r} and of another "
                    f"part of the model, but the config of {layer.name!r} does not "
                    "hold it, so loading would make two layers of it. Make it an "
                    f"argument of {type(layer).__name__}, and return it from its "
                    "get_config by keras.saving.serialize_keras_object, or use two "
                    "layers."
                )


def _held(config: Any) -> dict[int, set[int]]:
    """Identities of the layers inside each layer's config, without itself."""
    held: dict[int, set[int]] = {}

    def visit(config: Any, around: tuple[int, ...]) -> None:
        if isinstance(config, dict) and _MARK in config:
            for identity in around:
                held[identity].add(config[_MARK])
            held.setdefault(config[_MARK], set())
            around = (*around, config[_MARK])
        for child in _children(config):
            visit(child, around)

    visit(config, ())
    return held


def _all_layers(values: Any, without: Any = ()) -> Iterator[keras.Layer]:
    """Layers reached through attributes, except through those in `without`."""
    seen: set[int] = set()
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or id(value) in without:
            continue
        seen.add(id(value))
        if isinstance(value, keras.Layer):
            yield value
            waiting.extend(vars(value).values())
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple, set)):
            waiting.extend(value)
