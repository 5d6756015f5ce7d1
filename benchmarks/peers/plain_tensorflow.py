"""Plain TensorFlow 2: one compiled step, all pairs tiled and concatenated."""

from collections.abc import Callable

import keras
import tensorflow as tf

from benchmarks import peers


def _mlp(*units):
    return keras.Sequential(
        [
            keras.Input(units[:1]),
            *(keras.layers.Dense(n, "relu") for n in units[1:-1]),
            keras.layers.Dense(units[-1]),
        ]
    )


def _critic(name):
    if name == "bilinear":
        layer = keras.layers.Dense(100, use_bias=False)
        layer.build((None, 100))
        return [layer], lambda x, y: tf.matmul(layer(x), y, transpose_b=True)
    if name == "separable":
        one, other = _mlp(100, 100, 100), _mlp(100, 100, 100)
        return [one, other], lambda x, y: tf.matmul(one(x), other(y), transpose_b=True)
    mlp = _mlp(200, 200, 1)

    def concatenated(x, y):
        rows = tf.shape(x)[0]
        x_tiled = tf.tile(x[:, None, :], (1, rows, 1))
        y_tiled = tf.tile(y[None, :, :], (rows, 1, 1))
        pairs = tf.reshape(tf.concat([x_tiled, y_tiled], 2), (rows * rows, 200))
        return tf.reshape(mlp(pairs), (rows, rows))

    return [mlp], concatenated


def prepare(critic: str, batch_size: int) -> Callable[[int], None]:
    """See `peers`."""
    encoder_x, encoder_y = _mlp(392, 300, 300, 100), _mlp(392, 300, 300, 100)
    layers, score = _critic(critic)
    variables = [
        v for part in (encoder_x, encoder_y, *layers) for v in part.trainable_variables
    ]
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(variables)

    def halves(image):
        image = tf.cast(image, tf.float32) / 255.0
        return image[:392], image[392:]

    data = (
        tf.data.Dataset.from_tensor_slices(peers.images())
        .map(halves)
        .shuffle(1000)
        .repeat()
        .batch(batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            scores = score(encoder_x(x), encoder_y(y))
            positives = tf.linalg.diag_part(scores)
            bound = tf.reduce_mean(positives - tf.reduce_logsumexp(scores, 1))
            loss = -bound - tf.math.log(float(batch_size))
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    batches = iter(data)

    def train(steps):
        for _ in range(steps):
            loss = step(*next(batches))
        loss.numpy()

    return train
