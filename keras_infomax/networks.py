"""What a model asks of the networks that encode its views."""

import keras


def encoder_of(network, name):
    """The part of a network that makes one encoding of one of its inputs.

    Args:
        network: Functional Keras model that returns a dictionary of encodings.
        name: Name of the encoding.

    Raises:
        ValueError: If it makes none of this name, or makes it of several inputs.
    """
    outputs = network.output
    if not isinstance(outputs, dict) or name not in outputs:
        names = ", ".join(map(repr, outputs)) if isinstance(outputs, dict) else outputs
        raise ValueError(
            f"network must be a functional keras.Model that returns a dictionary of "
            f"encodings, {name!r} among them; received {names}."
        )
    for view in network.inputs:
        try:
            return keras.Model(view, outputs[name], name=name)
        except ValueError:  # It depends on another view.
            continue
    raise ValueError(
        f"The encoding {name!r} must depend on one view alone, to be probed and "
        "exported; in this network it depends on several. Name another one as the "
        "representation."
    )


def view_of(network, encoder):
    """Position among the views of a network of the one that an encoder takes.

    Args:
        network: Functional Keras model.
        encoder: The part of it that `encoder_of` returns.
    """
    return [view is encoder.inputs[0] for view in network.inputs].index(True)


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
