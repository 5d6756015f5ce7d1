"""What the examples of downstream use have in common: digits and models."""

from typing import NamedTuple

import keras
import numpy as np

from keras_infomax import HubEncoder, datasets, views

VIEW_SHAPE = (14, 28, 1)


class Digits(NamedTuple):
    """The embedded digits, as the encoders of their top halves take them.

    Args:
        images: Whole images of the training digits, uint8 `(rows, 28, 28, 1)`.
        x: Their top halves, float32 in [0, 1].
        labels: Their classes.
        test_images: Whole images of the test digits.
        test_x: Their top halves.
        test_labels: Their classes.
    """

    images: np.ndarray
    x: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_x: np.ndarray
    test_labels: np.ndarray

    @classmethod
    def load(cls) -> "Digits":
        """Loads 4,000 digits to learn from and 1,000 to test on."""
        data = datasets.load("digits")
        assert data.train_labels is not None
        assert data.test_labels is not None

        def top(images):
            half = views.Halves()(datasets.to_float(images))[0]
            return keras.ops.convert_to_numpy(half)

        return cls(
            data.train_images,
            top(data.train_images),
            data.train_labels,
            data.test_images,
            top(data.test_images),
            data.test_labels,
        )


def load_encoder(handle: str, trainable: bool) -> HubEncoder:
    """The exported encoder of the digits' top halves.

    Args:
        handle: The export.
        trainable: Whether to fine-tune it or to keep it frozen.

    Raises:
        ValueError: If there is no such export, or it takes something else.
    """
    encoder = HubEncoder(handle, trainable=trainable)
    shape = encoder.input_spec.shape
    if shape is None or shape[1:] != VIEW_SHAPE:
        raise ValueError(
            f"--encoder must name exports of encoders of the digits' top halves, views "
            f"(rows, {str(VIEW_SHAPE)[1:]}; received {handle!r}, which takes {shape}. "
            "Train one with configs/digits_halves.py."
        )
    return encoder


def classifier(encoder: keras.layers.Layer) -> keras.Model:
    """A softmax layer on standardized encodings.

    Args:
        encoder: Layer from views to encodings `(rows, dim)`.
    """
    return keras.Sequential(
        [
            keras.Input(VIEW_SHAPE),
            encoder,
            keras.layers.BatchNormalization(),
            keras.layers.Dense(10),
        ]
    )


def accuracy_of(
    model: keras.Model,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    steps: int,
    seed: int,
) -> float:
    """Trains a classifier, and returns its accuracy.

    Args:
        model: Model from views to logits.
        train: Views and labels to train on, in batches of at most 128.
        test: Views and labels to test on.
        steps: Steps of Adam, at its default rate of 1e-3.
        seed: Seed of the order of the rows.
    """
    model.compile(
        "adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=min(10, steps),
    )
    x, labels = train
    generator = np.random.default_rng(seed)
    batch = min(128, len(x))
    passes = -(-steps * batch // len(x))
    order = np.concatenate([generator.permutation(len(x)) for _ in range(passes)])
    rows = order[: steps * batch]
    model.fit(x[rows], labels[rows], batch_size=batch, shuffle=False, verbose=0)
    # Not `predict`, which TensorFlow would compile anew for one model after another.
    logits = keras.ops.convert_to_numpy(model(test[0], training=False))
    return float(np.mean(logits.argmax(axis=1) == test[1]))
