"""Encoders as ordinary Keras models, bijective ones among them.

Beside the architectures stand the priors that encodings are matched to, and the
condition numbers that tell how near an encoder is to losing information.
"""

from keras_infomax.encoders.architectures import (
    ENCODERS,
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
from keras_infomax.encoders.directions import unit
from keras_infomax.encoders.flows import RealNVP
from keras_infomax.encoders.loading import digest, pretrained
from keras_infomax.encoders.normalization import FeatureMapNormalization
from keras_infomax.encoders.priors import PriorMatching
from keras_infomax.encoders.signals import LastStep, causal_convnet, convnet_1d
from keras_infomax.encoders.sources import is_source
from keras_infomax.encoders.tables import Embeddings, table
from keras_infomax.encoders.texts import IsToken, MeanOfTokens, TokenVectors, tokens

__all__ = [
    "ENCODERS",
    "Embeddings",
    "FeatureMapNormalization",
    "IsToken",
    "LastStep",
    "LogConditionNumbers",
    "MeanOfTokens",
    "PriorMatching",
    "RealNVP",
    "TokenVectors",
    "build",
    "causal_convnet",
    "convnet",
    "convnet_1d",
    "digest",
    "get",
    "is_source",
    "jacobians",
    "log_condition_numbers",
    "mlp",
    "pretrained",
    "realnvp",
    "skip_mlp",
    "table",
    "tokens",
    "unit",
]
