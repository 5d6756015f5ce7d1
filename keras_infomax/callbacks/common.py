"""What the callbacks that measure an encoder have in common."""

import keras


def encoder_of(model: keras.Model, name: str) -> keras.Layer:
    """Returns the layer that is the model's attribute of this name.

    Raises:
        ValueError: If the model has none.
    """
    encoder = getattr(model, name, None)
    if not isinstance(encoder, keras.Layer):
        raise ValueError(
            f"encoder must name a layer or model that the trained model holds; got "
            f"{name!r}, which is {encoder!r} on {model.name!r}. "
            "InfoMax has 'encoder_x' and 'encoder_y'."
        )
    return encoder
