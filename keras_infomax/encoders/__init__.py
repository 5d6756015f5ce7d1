"""Encoders as ordinary Keras models, bijective ones among them.

Beside the architectures stand the priors that encodings are matched to, and the
condition numbers that tell how near an encoder is to losing information.
"""

from keras_infomax.encoders.architectures import (
    ENCODERS,
    FeatureMapNormalization,
    build,
    convnet,
    get,
    mlp,
    realnvp,
    skip_mlp,
)
from keras_infomax.encoders.condition_numbers import (
    LogConditionNumbers,
    jacobians,
    log_condition_numbers,
)
from keras_infomax.encoders.flows import RealNVP
from keras_infomax.encoders.priors import PriorMatching

__all__ = [
    "ENCODERS",
    "FeatureMapNormalization",
    "LogConditionNumbers",
    "PriorMatching",
    "RealNVP",
    "build",
    "convnet",
    "get",
    "jacobians",
    "log_condition_numbers",
    "mlp",
    "realnvp",
    "skip_mlp",
]
