"""Trains small models under a strategy and on one device, and tells how far they part.

    python tests/distributed_cases.py RESULT.json [NUMBER_OF_LOGICAL_DEVICES]

With `TF_CONFIG` it is one worker of several, and the first writes the result: for each
case the largest distance of a variable from that of one device, as a part of the way
that it went in training.
"""

import json
import os
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import keras_infomax as kim
from keras_infomax import backends

RNG = np.random.default_rng(0)
# A mean over rows from Keras 3.14 on.
OF_ROWS = None if backends.keras_before(3, 14) else "l2"
# In batches of 20, the last one is 3 rows, which no two replicas share evenly.
X = RNG.normal(size=(63, 6)).astype("float32")
Y = (X[:, :4] + 0.3 * RNG.normal(size=(63, 4))).astype("float32")


def encoder(dim, **options):
    return keras.Sequential(
        [
            keras.Input((dim,)),
            layers.Dense(9, activation="relu", kernel_regularizer="l2"),
            layers.Dense(5, **options),
        ]
    )


def squared_hinge(partners, scores):
    """A function of a user: it has a value for each row."""
    wrong = 1 - tf.one_hot(tf.cast(partners, tf.int32), tf.shape(scores)[1])
    return tf.reduce_mean(tf.nn.relu(1 + wrong * scores) ** 2, axis=1)


def normalized(dim):
    normalization = layers.BatchNormalization(synchronized=True)
    return keras.Sequential([encoder(dim), normalization, layers.Dense(5)])


# Every critic and every bound, and then what else changes a step.
CASES = {
    "inner_product infonce": {"critic": "inner_product", "loss": "infonce"},
    "bilinear infonce_symmetric": {"loss": "infonce_symmetric"},
    "separable nwj": {"critic": "separable", "loss": "nwj"},
    "mlp donsker_varadhan": {"critic": "mlp", "loss": "donsker_varadhan"},
    "encode_and_dot jensen_shannon": {
        "critic": lambda: kim.critics.EncodeAndDotCritic(units=8),
        "loss": "jensen_shannon",
    },
    "cosine multi_class_n_pair": {
        "critic": "cosine",
        "loss": "multi_class_n_pair",
        "learning_rate": 0.002,
    },
    "distance triplet": {"critic": "distance", "loss": "triplet"},
    "distance lifted_structure": {
        "critic": "distance",
        "loss": "lifted_structure",
        "learning_rate": 0.002,
    },
    "baseline tuba": {
        "critic": lambda: kim.critics.BaselineCritic(
            kim.critics.BilinearCritic(), (7,)
        ),
        "loss": "tuba",
    },
    "baseline of pairs flo": {
        "critic": lambda: kim.critics.BaselineCritic(
            kim.critics.BilinearCritic(), (7,), pairs=True
        ),
        "loss": "flo",
    },
    "bilinear interpolated": {"loss": "interpolated"},
    "bilinear flat_nce": {"loss": "flat_nce"},
    "bilinear smile": {"loss": lambda: kim.losses.SMILE(clip=0.3)},
    "separable mine": {"critic": "separable", "loss": "mine"},
    "target mine": {"loss": lambda: kim.losses.TargetLoss("mine", 1.0)},
    "jensen_shannon_information": {"loss": "jensen_shannon_information"},
    "conditional_gaussian club": {
        "critic": "conditional_gaussian",
        "loss": "club",
        "learning_rate": 0.01,
    },
    "conditional_gaussian leave_one_out": {
        "critic": "conditional_gaussian",
        "loss": "leave_one_out",
        "learning_rate": 0.01,
    },
    "siglip siglip": {"critic": "siglip", "loss": "siglip", "learning_rate": 0.01},
    # A scale that comes to its limit, and stays there.
    "clip infonce_symmetric": {
        "critic": "clip",
        "loss": "infonce_symmetric",
        "learning_rate": 1.0,
    },
    "cosine decoupled_infonce": {
        "critic": "cosine",
        "loss": lambda: kim.losses.DecoupledInfoNCE(sigma=2.0),
    },
    "supcon": {"critic": "cosine", "loss": "supcon"},
    "barlow_twins": {"loss": "barlow_twins"},
    "cosine_distance": {"loss": "cosine_distance"},
    "target above": {"loss": lambda: kim.losses.TargetLoss("infonce", 1.0)},
    "target below": {
        "critic": "mlp",
        "loss": lambda: kim.losses.TargetLoss("nwj", 0.01),
    },
    "shared encoder": {"shared": True},
    "chunks": {
        "critic": lambda: kim.critics.MLPCritic((7,), chunk_size=3),
        "loss": lambda: kim.losses.InfoNCE(chunk_size=3),
        "encoder_chunk_size": 4,
    },
    "loss of Keras": {
        "loss": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    },
    "function": {"loss": lambda: squared_hinge},
    "layer losses": {
        "critic": lambda: kim.critics.SoftClippedCritic(
            kim.critics.InnerProductCritic(), clip=0.5
        ),
        "encoder": lambda dim: encoder(dim, activity_regularizer=OF_ROWS),
    },
    "global_clipnorm": {"optimizer": {"global_clipnorm": 0.1}},
    "batch normalisation": {"encoder": normalized},
    "batch normalisation, float64": {"encoder": normalized, "policy": "float64"},
    # Without the bias that cancels in InfoNCE, whose gradient is rounding alone.
    "mixed_bfloat16": {
        "policy": "mixed_bfloat16",
        "encoder": lambda dim: encoder(dim, use_bias=False),
    },
    "mixed_float16": {
        "policy": "mixed_float16",
        "encoder": lambda dim: encoder(dim, use_bias=False),
    },
}


def made(value):
    return value() if callable(value) else value


def train(
    critic="bilinear",
    loss="infonce",
    encoder=encoder,
    shared=False,
    optimizer=None,
    learning_rate=0.05,
    policy="float32",
    encoder_chunk_size=None,
):
    """Weights before and after two epochs."""
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    keras.config.set_floatx("float64" if policy == "float64" else "float32")
    y = X[:, ::-1] if shared else Y
    model = kim.InfoMax(
        encoder(6),
        None if shared else encoder(4),
        made(critic),
        encoder_chunk_size=encoder_chunk_size,
    )
    learner = keras.optimizers.SGD(learning_rate, momentum=0.9, **(optimizer or {}))
    model.compile(learner, kim.losses.get(loss) if isinstance(loss, str) else loss())
    before = model.get_weights()
    data = tf.data.Dataset.from_tensor_slices(((X, y),)).batch(20)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    model.fit(data.with_options(options), epochs=2, shuffle=False, verbose=0)
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")
    return before, model.get_weights()


def distance(before, expected, actual):
    """Of the variable that is furthest off, as a part of its way.

    What hardly moves has a gradient of zero, and goes where rounding drives it.
    """
    ways = [np.linalg.norm(e - b) for b, e in zip(before, expected, strict=True)]
    errors = [np.linalg.norm(e - a) for e, a in zip(expected, actual, strict=True)]
    return max(e / (w + 1e-3) for e, w in zip(errors, ways, strict=True))


def main(result, devices=1):
    cpu = tf.config.list_physical_devices("CPU")[0]
    logical = [tf.config.LogicalDeviceConfiguration()] * int(devices)
    tf.config.set_logical_device_configuration(cpu, logical)
    several = "TF_CONFIG" in os.environ
    strategy = kim.execution.strategies.get("multi_worker" if several else "mirrored")
    trained = {}
    for name, case in CASES.items():
        with strategy.scope():
            trained[name] = train(**case)
    if kim.execution.strategies.is_chief(strategy):
        distances = {}
        for name, (_, weights) in trained.items():
            one_device = train(**CASES[name])
            distances[name] = float(distance(*one_device, weights))
        facts = {"replicas": strategy.num_replicas_in_sync, "distances": distances}
        pathlib.Path(result).write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
