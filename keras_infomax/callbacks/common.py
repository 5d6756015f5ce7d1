"""What the callbacks that measure an encoder have in common."""

from typing import Any

import keras


def check_every(every: Any) -> None:
    """Raises a `ValueError` unless `every` is a positive integer."""
    if not isinstance(every, int) or every < 1:
        raise ValueError(
            f"every must be a positive integer; got {every!r}. Give the number of "
            "epochs or steps between two measurements."
        )


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
