"""What a model asks of the networks that encode its views."""

import warnings

import keras


def encoder_of(network, name):
    """The part of a network that makes one encoding.

    Args:
        network: Functional Keras model that returns a dictionary of encodings.
        name: Name of the encoding.

    Returns:
        Model of the inputs that the encoding is made of: of a tensor, if it is one, or
        else of what is left of the network's structure without the others.

    Raises:
        ValueError: If it makes none of this name.
    """
    outputs = network.output
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
        # Keras says of a dictionary what it does not say of one inside of another.
        warnings.filterwarnings("ignore", "When providing `inputs` as a dict")
        return keras.Model(taken, outputs[name], name=name)


def _makes(views, output, name):
    try:
        keras.Model(views, output, name=name)
    except ValueError:  # It depends on another view.
        return False
    return True


def _only(structure, ids):
    """What a structure holds of some tensors; a part that is alone stands for itself.

    `None` if it holds none of them.
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
    """What an encoder takes of all views of a network.

    Args:
        network: Functional Keras model.
        encoder: The part of it that `encoder_of` returns.
        views: Structure of tensors, arranged as the network's input.
    """
    given = {
        id(tensor): view
        for tensor, view in zip(network.inputs, keras.tree.flatten(views), strict=True)
    }
    return keras.tree.map_structure(lambda tensor: given[id(tensor)], encoder.input)


def checked_encoder(argument, encoder):
    """An encoder, once it is known to be a layer of one output.

    Args:
        argument: What to call it in messages.
        encoder: What should be one.

    Raises:
        ValueError: If it is none, as far as is known before it is called.
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
            f"model of the outputs {names}. Take one: keras.Model(model.input, output)."
        )
    return encoder


def encoding_shape(encoder):
    """Shape of an encoder's output, or `None` while it does not know.

    Args:
        encoder: Keras model or layer.
    """
    if not encoder.built:
        return None
    return getattr(encoder, "output_shape", None)


def check_encodings(argument, encodings):
    """Raises a `ValueError` unless an encoder has given one vector a row.

    Encoders that are built are refused when the critic is; of others this is the first
    that is seen. As encodings of many locations, feature maps would be scored, too.

    Args:
        argument: What to call the encoder in messages.
        encodings: What it has given.
    """
    if len(encodings.shape) != 2:
        raise ValueError(
            f"{argument} must give encodings of shape (rows, dim); received shape "
            f"{tuple(encodings.shape)}. End it with a pooling, Flatten or Dense layer."
        )
