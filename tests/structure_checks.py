"""Encoders of tables, tokens, words and bytes, with data that they take."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import keras_infomax as kim

RNG = np.random.default_rng(0)
ROWS = 96
X, Y = (RNG.normal(size=(ROWS, 6)).astype("float32") for _ in range(2))
TOKENS = RNG.integers(50, size=(ROWS, 7)).astype("int32")
CATEGORIES = RNG.integers(9, size=(ROWS, 3))
NUMBERS = RNG.normal(size=(ROWS, 5)).astype("float32")
TABLE = {"cat": CATEGORIES, "num": NUMBERS}
WORDS = np.array(["a", "b", "c", "d"])[RNG.integers(4, size=ROWS)]
LABELS = TOKENS[:, 0] % 2


def dense():
    return keras.Sequential([keras.Input((6,)), layers.Dense(4)])


def of_tokens():
    return keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(50, 8),
            layers.GlobalAveragePooling1D(),
            layers.Dense(4),
        ]
    )


def of_table(structure=dict):
    """An encoder of categories and numbers, given as a dictionary, tuple or list."""
    cat, num = (
        keras.Input((3,), dtype="int32", name="cat"),
        keras.Input((5,), name="num"),
    )
    flat = layers.Flatten()(layers.Embedding(9, 2)(cat))
    encodings = layers.Dense(4)(layers.Concatenate()([flat, num]))
    taken = {"cat": cat, "num": num} if structure is dict else structure([cat, num])
    return keras.Model(taken, encodings)


def of_words():
    words = keras.Input((1,), dtype="string", name="word")
    ids = layers.StringLookup(vocabulary=["a", "b", "c"])(words)
    return keras.Model(words, layers.Flatten()(layers.Embedding(4, 4)(ids)))


def of_bytes():
    return keras.Sequential(
        [
            keras.Input((3, 3, 1), dtype="uint8"),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(4),
        ]
    )


def of_flags():
    flags = keras.Input((5,), dtype="bool")
    return keras.Model(flags, layers.Dense(4)(keras.ops.cast(flags, "float32")))


BYTES = RNG.integers(256, size=(ROWS, 3, 3, 1)).astype("uint8")
FLAGS = RNG.random((ROWS, 5)) > 0.5
ENCODERS = {
    "tokens": (of_tokens, TOKENS),
    "int64": (of_tokens, TOKENS.astype("int64")),
    "dictionary": (of_table, TABLE),
    "tuple": (lambda: of_table(tuple), (CATEGORIES, NUMBERS)),
    "list": (lambda: of_table(list), [CATEGORIES, NUMBERS]),
    "list by name": (lambda: of_table(list), TABLE),
    "words": (of_words, WORDS[:, None]),
    "bytes": (of_bytes, BYTES),
    "flags": (of_flags, FLAGS),
}


def infomax(encoder, **kwargs):
    model = kim.InfoMax(encoder, dense(), **kwargs)
    model.compile("adam", "infonce")
    return model


def network(structure):
    """A model of two named views, of which it encodes the one that sorts last."""
    zebra, apple = (keras.Input((6,), name=name) for name in ("zebra", "apple"))
    taken = {"zebra": zebra, "apple": apple}
    model = kim.InfoMax(
        network=keras.Model(
            taken if structure is dict else list(taken.values()),
            {"u": layers.Dense(4)(zebra), "v": layers.Dense(4)(apple)},
        ),
        terms=[kim.Term("u", "v")],
    )
    model.compile("adam", "infonce")
    return model


def as_tensors(view):
    return keras.tree.map_structure(tf.constant, view)


def by_hand(encoder, view):
    """What Keras itself predicts, as the encoder was made to be called."""
    if len(encoder.inputs) > 1 and isinstance(encoder.input, list):
        view = [CATEGORIES, NUMBERS]
    return encoder.predict(as_tensors(view), verbose=0)
