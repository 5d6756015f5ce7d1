"""Critics by name."""

import keras

from keras_infomax.checks import lookup
from keras_infomax.critics import encode_and_dot, inner_products, mlp, separable

CRITICS = {
    "inner_product": inner_products.InnerProductCritic,
    "bilinear": inner_products.BilinearCritic,
    "separable": separable.SeparableCritic,
    "mlp": mlp.MLPCritic,
    "encode_and_dot": encode_and_dot.EncodeAndDotCritic,
    "cosine": inner_products.CosineCritic,
    "distance": inner_products.DistanceCritic,
}


def get(identifier, **options):
    """Returns a critic from a layer or a name.

    Args:
        identifier: A Keras layer, which is returned as it is, or a key of
            `CRITICS`, such as `"bilinear"`.
        **options: Arguments of the named critic's constructor.

    Raises:
        ValueError: If the name is unknown; the message suggests the nearest one.

    Example:
    >>> get("mlp", hidden_units=(64,)).hidden_units
    (64,)
    """
    if isinstance(identifier, keras.layers.Layer):
        return identifier
    return lookup("critic", identifier, CRITICS)(**options)
