"""Supervised contrastive learning: all views of one class are true pairs."""

import keras

from keras_infomax.critics import CosineCritic
from keras_infomax.methods.two_views import head, stacked, two_views
from keras_infomax.models.infomax import InfoMax
from keras_infomax.models.labels import LabelTerm


def supcon(
    image_shape,
    encoder="convnet",
    encoding_dim=128,
    projection_units=(128, 64),
    temperature=0.1,
):
    """SimCLR with labels: both views of all images of a class are true pairs.

    Train it with `losses.SupCon()` on `views.Augmented` and the labels of the images,
    `datasets.pairs(images, views, batch_size, labels=labels)`. It can also fine-tune an
    encoder that was trained without labels. The encoding before the projection head is
    probed and exported; a linear probe of it is the classifier of the paper. No mutual
    information is reported.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: Encoder of both views: a name of `encoders.get` or of
            `keras.applications`, with random weights, or a Keras model from images in
            [0, 1] to encodings `(rows, dim)`.
        encoding_dim: Size of the encodings of `encoders.get`; a backbone has its own.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a ReLU.
        temperature: Temperature of the cosine between projections.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b, label),)`, the labels
        an integer tensor `(rows,)`.

    Raises:
        ValueError: If the encoder is unknown or cannot take images of this shape, or
            there is no projection layer.

    Reference:
        Khosla et al., 2020, "Supervised Contrastive Learning", equation 2,
        https://arxiv.org/abs/2004.11362.
    """
    critic = CosineCritic(temperature)
    projection = head("projection_units", projection_units)
    views = two_views(image_shape, encoder, encoding_dim)
    projected = views.through(projection)
    label = keras.Input((), dtype="int32", name="label")
    network = keras.Model(
        (*views.images, label),
        {**stacked(*projected), "encoding": views.encodings[0], "label": label},
    )
    term = LabelTerm("views", "swapped", "label", critic)
    return InfoMax(network=network, terms=[term], representation="encoding")
