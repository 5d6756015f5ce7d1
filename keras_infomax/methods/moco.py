"""MoCo: negatives are a queue of encodings of earlier batches."""

import keras

from keras_infomax import checks
from keras_infomax.critics import CosineCritic
from keras_infomax.methods.two_views import head, two_views
from keras_infomax.models.infomax import InfoMax
from keras_infomax.models.momentum import MomentumEncoder
from keras_infomax.models.queue import QueueTerm


def moco(
    image_shape,
    encoder="convnet",
    encoding_dim=128,
    projection_units=(128, 64),
    temperature=0.2,
    queue_size=4096,
    momentum=0.99,
    symmetric=False,
    learned_temperature=False,
):
    """MoCo: scores queries against a queue of keys of a momentum encoder.

    The encoder maps the first view to a query; a moving average of it maps the second
    view to the key. The negatives of a query are all keys in the queue, which come from
    earlier batches, so a small batch has many negatives. Train it with
    `losses.InfoNCE()` on `views.Augmented`; its value is MoCo's loss minus
    log(queue_size + 1). The keys in the queue come from earlier encoders, so `"mi"` is
    only approximately a bound.

    The head is that of version 2. The encoding of the trained encoder, before the head,
    is probed and exported.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: Encoder of both views: a name of `encoders.get` or of
            `keras.applications`, with random weights, or a Keras model from images in
            [0, 1] to encodings `(rows, dim)`.
        encoding_dim: Size of the encodings of `encoders.get`; a backbone has its own.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a ReLU.
        temperature: Temperature of the cosine between query and key.
        queue_size: Number of keys in the queue, at least the rows of a batch.
        momentum: Fraction of the key encoder's weights that a step keeps. The paper's
            0.999 is for runs of a hundred thousand steps.
        symmetric: Whether the second view also gives queries, with a second queue; each
            of the two terms has weight 1/2.
        learned_temperature: Whether the temperature is learned, starting from this
            value.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b),)`.

    Raises:
        ValueError: If the encoder is unknown or cannot take images of this shape, or
            there is no projection layer.

    Reference:
        He et al., 2020, "Momentum Contrast for Unsupervised Visual Representation
        Learning", https://arxiv.org/abs/1911.05722; Chen et al., 2020, "Improved
        Baselines with Momentum Contrastive Learning", https://arxiv.org/abs/2003.04297.
    """
    symmetric = checks.boolean("symmetric", symmetric)
    momentum = checks.probability("momentum", momentum, "[]", 0.99)
    sides = [("a", "b"), ("b", "a")] if symmetric else [("a", "b")]
    terms = [
        QueueTerm(
            f"query_{query}",
            f"key_{key}",
            queue_size,
            critic=CosineCritic(temperature, learned_temperature),
            weight=1 / len(sides),
        )
        for query, key in sides
    ]
    projection = head("projection_units", projection_units)
    views = two_views(image_shape, encoder, encoding_dim)
    encodings = dict(zip("ab", views.encodings, strict=True))
    images = dict(zip("ab", views.images, strict=True))
    queries = {query: projection(encodings[query]) for query, _ in sides}
    encode_key = MomentumEncoder(views.encoder, momentum)
    project_key = MomentumEncoder(projection, momentum)
    outputs = {"encoding": encodings["a"]}
    for query, key in sides:
        outputs[f"query_{query}"] = queries[query]
        outputs[f"key_{key}"] = project_key(encode_key(images[key]))
    network = keras.Model(views.images, outputs)
    return InfoMax(network=network, terms=terms, representation="encoding")
