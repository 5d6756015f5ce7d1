"""Saves and loads the parts of a model so that layers they share stay one.

Keras writes a layer that two parts share into the configs of both, its weights once,
and makes two layers of it when it loads, one of them without weights. Here each place
of a shared layer bears the same number, and loading makes one layer of a number.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras

from keras_infomax import backends, private

_PACKAGE = "keras_infomax"
# Where Keras notes which object a config is of, once it has seen the object before.
_MARK = private.SHARED_OBJECT
_loading: list[dict[int, keras.Layer]] = []


def serialize(parts: dict[str, Any]) -> dict[str, Any]:
    """Configs of the parts of a model, from which `deserialize` makes them again.

    Args:
        parts: Layers, lists of them or `None`, by the name of an argument.

    Raises:
        ValueError: If two of them share a layer that the config of one does not hold.
    """
    with private.marking_shared_objects():
        # Keras marks what it sees a second time, so all of it at the second pass.
        keras.saving.serialize_keras_object(parts)
        configs = keras.saving.serialize_keras_object(parts)
    _check_all_shared_are_held(parts, configs)
    places = Counter(_layers_once(configs, set()))
    shared = [identity for identity, count in places.items() if count > 1]
    return _noted(configs, {identity: n for n, identity in enumerate(shared)})


def deserialize(configs: dict[str, Any]) -> dict[str, Any]:
    """The parts of a model that `serialize` gave the configs of.

    Args:
        configs: Configs, by the name of an argument; other values are left as they are.
    """
    _loading.append({})
    try:
        return {
            # Functional models take their config apart.
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
    """A config without what only TensorFlow takes.

    On other backends a batch normalization sees the global batch without being
    synchronized, and Keras refuses to make one that is.
    """
    if backends.is_tensorflow():
        return config
    if isinstance(config, dict) and config.get("class_name") == "BatchNormalization":
        config["config"]["synchronized"] = False
    for child in _children(config):
        _for_this_backend(child)
    return config


class _Place:
    """What stands in a config for a layer. It never is an object of a model."""

    def get_config(self):
        return {}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class SharedLayer(_Place):
    """Place of a layer that has other places; in a file only."""

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
    """Place of a functional model with layers that have other places; in a file only.

    Keras looks for the outputs of such a model among the calls of its layers by their
    number in this model alone, so it is made of layers of its own at first.
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
    """Whether a config is that of a layer that may have weights.

    Other objects, such as initializers, are equal if their configs are. They may also
    have been made for the config alone, and their number be that of another one.
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
    """Identities of layers, each as often as it has a place.

    What lies in a layer that was met before has no further places.
    """
    if _is_layer(config):
        yield config[_MARK]
        if config[_MARK] in seen:
            return
        seen.add(config[_MARK])
    for child in _children(config):
        yield from _layers_once(child, seen)


def _noted(config: Any, numbers: dict[int, int]) -> Any:
    """A config with the numbers of shared layers, and without marks of Keras."""
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
    """A config whose own place is not noted, only those that lie in it."""
    plain = {k: v for k, v in config.items() if k != _MARK}
    inner = plain.get("config")
    # The layers of a functional model, and of no other, have nodes.
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
    # To the model that this one is a layer of.
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
    """Refuses a layer that is shared, but that a config does not tell of."""
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
                    "hold it, so that they would be two after loading. Make it an "
                    f"argument of {type(layer).__name__}, and return it from its "
                    "get_config by keras.saving.serialize_keras_object, or give each a "
                    "layer of its own."
                )


def _held(config: Any) -> dict[int, set[int]]:
    """Identities of the layers in the config of each layer, in its own excluded."""
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
    """Layers that can be reached by attributes, not through those that are left out."""
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
