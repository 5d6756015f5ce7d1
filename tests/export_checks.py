"""An encoder to export, and what the tests of exports ask of it."""

import json
import warnings

import keras
import numpy as np
from keras import layers

with warnings.catch_warnings():
    # tensorflow_hub 0.16.1 imports it, for want of a newer release.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated")
    import tensorflow_hub as hub  # noqa: F401

VIEW = (6, 4, 1)
TRAINABLE = 7
L2 = 0.01


class Scale(layers.Layer):
    """Known to no registry: an export must not need its class."""

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * self.scale


def make_encoder(*extra):
    return keras.Sequential(
        [
            keras.Input(VIEW),
            layers.Flatten(),
            layers.Dense(16, "relu", kernel_regularizer=keras.regularizers.L2(L2)),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            Scale(),
            layers.Dense(5),
            *extra,
        ]
    )


def make_trained_encoder():
    keras.utils.set_random_seed(0)
    encoder = make_encoder()
    encoder(make_views(64), training=True)  # Statistics unlike those of a new layer.
    return encoder


def make_views(rows, seed=0):
    shape = (rows, *VIEW)
    return np.random.default_rng(seed).uniform(size=shape).astype("float32")


def snapshot(variables):
    return [np.asarray(v.numpy()) for v in variables]


def moved(before, variables):
    after = snapshot(variables)
    return [bool((a != b).any()) for a, b in zip(after, before, strict=True)]


def statistics(layer):
    return [v for v in layer.variables if "moving_" in v.name]


def read_card(folder):
    def forbidden(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = (folder / "model_card.json").read_text()
    return json.loads(text, parse_constant=forbidden)
