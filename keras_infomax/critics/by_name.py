"""Critics by name."""

import functools
import inspect

import keras

from keras_infomax.checks import lookup, refusal
from keras_infomax.critics import (
    densities,
    encode_and_dot,
    inner_products,
    mlp,
    separable,
)

CRITICS = {
    "inner_product": inner_products.InnerProductCritic,
    "bilinear": inner_products.BilinearCritic,
    "separable": separable.SeparableCritic,
    "mlp": mlp.MLPCritic,
    "encode_and_dot": encode_and_dot.EncodeAndDotCritic,
    "cosine": inner_products.CosineCritic,
    "clip": functools.partial(
        inner_products.CosineCritic, temperature=0.07, learned_temperature=True
    ),
    "siglip": functools.partial(
        inner_products.CosineCritic, learned_temperature=True, bias=-10.0
    ),
    "distance": inner_products.DistanceCritic,
    "conditional_gaussian": densities.ConditionalGaussian,
}


def get(identifier, **options):
    """Returns a critic from a layer or a name.

    Args:
        identifier: A Keras layer, which is returned unchanged, or a key of `CRITICS`,
            such as `"bilinear"`.
        **options: Arguments of the named critic's constructor.

    Raises:
        ValueError: If the name is unknown; the message suggests the nearest one. Also
            if the layer takes only one input, like an encoder, or is a class or a
            function instead of a layer.

    Example:
    >>> get("mlp", hidden_units=(64,)).hidden_units
    (64,)
    """
    if isinstance(identifier, keras.layers.Layer):
        if not _takes_pair(identifier):
            raise ValueError(
                "critic must be called as critic(x, y) with two sets of encodings; "
                f"received the {type(identifier).__name__} {identifier.name!r}, which "
                "takes one input. Use 'bilinear' or another critic of "
                "keras_infomax.critics, or a layer with call(self, x, y)."
            )
        return identifier
    if callable(identifier):
        raise refusal(
            "critic",
            "a layer that is called as critic(x, y), or a name",
            identifier,
            "Give an identifier such as 'bilinear', or make an instance of a class, "
            "such as BilinearCritic(); put a function into a layer with "
            "call(self, x, y).",
        )
    return lookup("critic", identifier, CRITICS)(**options)


def _takes_pair(layer):
    parameters = inspect.signature(layer.call).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return True
    positional = [
        p
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        and p.name not in ("training", "mask")
    ]
    return len(positional) > 1
