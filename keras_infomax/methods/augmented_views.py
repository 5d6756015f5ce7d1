"""Two augmentations of one image, a shared encoder and a projection head."""

import keras

from keras_infomax import encoders
from keras_infomax.critics import CosineCritic, ProjectedCritic
from keras_infomax.models import InfoMax


def augmented_views(
    image_shape,
    encoder="convnet",
    encoding_dim=128,
    projection_units=(128, 64),
    temperature=0.2,
):
    """The simplest practical recipe: what two augmentations of an image share.

    Train it with `losses.InfoNCE(axis=(0, 1))`, which treats both views alike, on
    `views.Augmented`. The projection head belongs to the critic; what is probed and
    exported is the encoding before it.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: Encoder of `encoders.get`, or a Keras model from images to encodings
            `(rows, dim)`, such as one of `keras.applications` with `pooling="avg"`.
        encoding_dim: Size of the encodings, where the encoder is named.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a ReLU.
        temperature: Temperature of the cosine between projections.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b),)`.

    Raises:
        ValueError: If the encoder is unknown.

    Reference:
        Chen et al., 2020, "A Simple Framework for Contrastive Learning of Visual
        Representations", https://arxiv.org/abs/2002.05709.
    """
    if isinstance(encoder, str):
        encoder = encoders.get(encoder)(image_shape, output_dim=encoding_dim)
    *hidden, last = projection_units
    projection = keras.Sequential(
        [keras.layers.Dense(units, activation="relu") for units in hidden]
        + [keras.layers.Dense(last)]
    )
    return InfoMax(
        encoder, critic=ProjectedCritic(CosineCritic(temperature), projection)
    )
