"""Networks that encode the views of a model."""

import contextlib
import warnings
from typing import Any, Protocol

import keras

from keras_infomax import structures
from keras_infomax.models import inputs

# What methods call the projection of a first view; the first one there counts.
PROJECTIONS = ("projection", "projection_a", "query_a")


class Network(Protocol):
    """Interface of the networks that map views to encodings.

    Args:
        layers: The Keras layers of the network.
    """

    layers: list[keras.Layer]

    def checked(self, views: Any) -> Any:
        """Checks the views, and converts them to tensors."""

    def encode(self, views: Any, run: Any) -> dict[str, Any]:
        """Encodings by name; `run(encoder, view)` calls an encoder."""

    def shapes(self) -> dict[str, Any]:
        """Shapes of the encodings; `None` while a shape is unknown."""

    def view_to_encode(self, views: Any) -> Any:
        """The view of the representation, given alone or among all views."""


class TwoEncoders:
    """A network of two encoders, each with a view of its own.

    An encoder may be built by its first batch.

    Args:
        encoder_x: Keras model or layer that makes the encoding `"x"`, which is the
            representation.
        encoder_y: The same for `"y"`.

    Raises:
        ValueError: If one of them is not an encoder.
    """

    def __init__(self, encoder_x: Any, encoder_y: Any):
        self.encoders = {
            "x": checked_encoder("encoder_x", encoder_x),
            "y": checked_encoder("encoder_y", encoder_y),
        }
        self.layers = list(self.encoders.values())

    def checked(self, views):
        return inputs.checked_pair(views, *self.encoders.values())

    def encode(self, views, run):
        encodings = {}
        for (name, encoder), view in zip(self.encoders.items(), views, strict=True):
            was_built = encoder.built
            encodings[name] = run(encoder, view)
            if not was_built:
                # The call may have built it.
                inputs.checked_view(f"View {name}", encoder, view)
            check_encodings(f"encoder_{name}", encodings[name].shape)
        return encodings

    def shapes(self):
        found = {name: encoding_shape(of) for name, of in self.encoders.items()}
        for name, shape in found.items():
            if shape is not None:
                check_encodings(f"encoder_{name}", shape)
        return found

    def view_to_encode(self, views):
        encoder = self.encoders["x"]
        every = tuple(map(structures.of, self.encoders.values()))
        view = inputs.view_to_encode(every, every[0], lambda pair: pair[0], views)
        return inputs.checked_view("View x", encoder, view)


class OneNetwork:
    """A network that is a functional model, whose outputs are named encodings.

    Args:
        network: Functional Keras model that returns a dictionary of encodings.
        representation: Name of the encoding that is the representation.

    Raises:
        ValueError: If the model has no encoding of this name.
    """

    def __init__(self, network: Any, representation: str):
        self.network = network
        self.representation = representation
        self.encoder = encoder_of(network, representation)
        self.layers = [network]

    def checked(self, views):
        return inputs.checked_inputs(self.network, views)

    def encode(self, views, run):
        return run(self.network, views)

    def shapes(self):
        return {name: value.shape for name, value in self.network.output.items()}

    def view_to_encode(self, views):
        view = inputs.view_to_encode(
            structures.of(self.network),
            structures.of(self.encoder),
            lambda every: view_from(self.network, self.encoder, every),
            views,
        )
        argument = f"The view of {self.representation}"
        return inputs.checked_view(argument, self.encoder, view)


def encoder_of(network, name):
    """The part of a network that makes one encoding.

    Args:
        network: Functional Keras model that returns a dictionary of encodings.
        name: Name of the encoding.

    Returns:
        Model from the inputs that the encoding depends on. Its input is a tensor if
        there is one; otherwise it is the network's structure without the others.

    Raises:
        ValueError: If the network has no encoding of this name.
    """
    is_functional = isinstance(network, keras.Model) and hasattr(network, "output")
    outputs = network.output if is_functional else repr(network)
    if not isinstance(outputs, dict) or name not in outputs:
        names = ", ".join(map(repr, outputs)) if isinstance(outputs, dict) else outputs
        raise ValueError(
            f"network must be a functional keras.Model that returns a dictionary of "
            f"encodings, {name!r} among them; received {names}."
        )
    needed = network.inputs
    for view in network.inputs:
        others = [other for other in needed if other is not view]
        if others and _makes(others, outputs[name], name):
            needed = others
    taken = _only(network.input, {id(view) for view in needed})
    with warnings.catch_warnings():
        # Keras warns of a dictionary, but not of one inside another structure.
        warnings.filterwarnings("ignore", "When providing `inputs` as a dict")
        return keras.Model(taken, outputs[name], name=name)


def head_of(network, representation):
    """The part of a network that makes the projection of its representation.

    Args:
        network: Functional Keras model that returns a dictionary of encodings.
        representation: Name of the encoding that is the representation.

    Returns:
        Model from representations to projections; `None` if the network makes none of
        the representation alone.
    """
    outputs = network.output
    for name in PROJECTIONS:
        if name in outputs and name != representation:
            with contextlib.suppress(ValueError):  # It depends on more.
                return keras.Model(outputs[representation], outputs[name], name="head")
    return None


def _makes(views, output, name):
    try:
        keras.Model(views, output, name=name)
    except ValueError:  # It depends on another view.
        return False
    return True


def _only(structure, ids):
    """The part of a structure that holds some tensors; single parts are unwrapped.

    `None` if no tensor is left.
    """
    if isinstance(structure, dict):
        parts = {key: _only(part, ids) for key, part in structure.items()}
        parts = {key: part for key, part in parts.items() if part is not None}
        return parts if len(parts) > 1 else next(iter(parts.values()), None)
    if isinstance(structure, (tuple, list)):
        found = [_only(part, ids) for part in structure]
        found = [part for part in found if part is not None]
        return found if len(found) > 1 else next(iter(found), None)
    return structure if id(structure) in ids else None


def view_from(network, encoder, views):
    """The views that an encoder takes, out of all views of a network.

    Args:
        network: Functional Keras model.
        encoder: The part of it that `encoder_of` returns.
        views: Structure of tensors, like the network's input.
    """
    given = {
        id(tensor): view
        for tensor, view in zip(network.inputs, keras.tree.flatten(views), strict=True)
    }
    return keras.tree.map_structure(lambda tensor: given[id(tensor)], encoder.input)


def checked_encoder(argument, encoder):
    """Checks that an encoder is a layer with one output.

    Args:
        argument: Name of the argument, for messages.
        encoder: The encoder to check.

    Raises:
        ValueError: If it is not, as far as this is known before a call.
    """
    if not isinstance(encoder, keras.Layer):
        raise ValueError(
            f"{argument} must be a Keras model or layer from views to encodings; "
            f"received {encoder!r}. Make one with keras_infomax.encoders.build(name, "
            "input_shape)."
        )
    outputs = getattr(encoder, "output", None) if encoder.built else None
    if isinstance(outputs, (dict, list, tuple)):
        names = [*outputs] if isinstance(outputs, dict) else len(outputs)
        raise ValueError(
            f"{argument} must give one tensor of encodings (rows, dim); received a "
            f"model with the outputs {names}. Choose one: keras.Model(model.input, "
            "output)."
        )
    return encoder


def encoding_shape(encoder):
    """Shape of an encoder's output, or `None` while it is unknown.

    Args:
        encoder: Keras model or layer.
    """
    if not encoder.built:
        return None
    return getattr(encoder, "output_shape", None)


def check_encodings(argument, shape):
    """Raises a `ValueError` unless an encoder returned one vector for each row.

    Built encoders are checked with the critic. The output of other encoders is known
    only here. Feature maps would be scored as encodings of many locations.

    Args:
        argument: Name of the encoder, for messages.
        shape: Shape of its output.
    """
    if len(shape) != 2:
        raise ValueError(
            f"{argument} must give encodings of shape (rows, dim); received shape "
            f"{tuple(shape)}. End it with a pooling, Flatten or Dense layer."
        )
