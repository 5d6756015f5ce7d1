"""Two augmentations of one image, a shared encoder and a projection head."""

import inspect

import keras

from keras_infomax import checks, encoders
from keras_infomax.checks import lookup
from keras_infomax.critics import CosineCritic, ProjectedCritic
from keras_infomax.models.infomax import InfoMax


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
        encoder: Encoder of `encoders.get`; a backbone of `keras.applications`, such as
            `"MobileNetV2"`, with random weights and mean pooling; or a Keras model from
            images in [0, 1] to encodings `(rows, dim)`, such as a pretrained backbone.
        encoding_dim: Size of the encodings of `encoders.get`; a backbone has its own.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a ReLU.
        temperature: Temperature of the cosine between projections.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b),)`.

    Raises:
        ValueError: If the encoder is unknown, or cannot take images of this shape, or
            there is no projection layer.

    Reference:
        Chen et al., 2020, "A Simple Framework for Contrastive Learning of Visual
        Representations", section 2, https://arxiv.org/abs/2002.05709.
    """
    image_shape = checks.image_shape("image_shape", image_shape)
    encoding_dim = checks.positive_integer("encoding_dim", encoding_dim, 128)
    projection_units = checks.sizes(
        "projection_units",
        projection_units,
        empty=False,
        advice="Without a head, use InfoMax with CosineCritic.",
        example=(128, 64),
    )
    critic = CosineCritic(temperature)
    encoder = _encoder(encoder, image_shape, encoding_dim)
    *hidden, last = projection_units
    head = [keras.layers.Dense(units, activation="relu") for units in hidden]
    projection = keras.Sequential([*head, keras.layers.Dense(last)])
    return InfoMax(
        encoder,
        critic=ProjectedCritic(critic, projection),
    )


def _encoder(encoder, image_shape, encoding_dim):
    if isinstance(encoder, keras.layers.Layer):
        return encoder
    backbones = {
        name: value
        for name, value in vars(keras.applications).items()
        if inspect.isfunction(value)
    }
    builder = lookup("encoder", encoder, {**encoders.ENCODERS, **backbones})
    if encoder not in backbones:
        return builder(image_shape, output_dim=encoding_dim)
    options = {"include_top": False, "weights": None, "pooling": "avg"}
    if "include_preprocessing" in inspect.signature(builder).parameters:
        options["include_preprocessing"] = False  # It takes pixels up to 255.
    try:
        return _quick_to_normalize(builder(input_shape=image_shape, **options))
    except ValueError as error:
        raise ValueError(
            f"encoder {encoder!r} cannot take images of shape {image_shape}: {error} "
            'Resize them, for instance with --config.image_size="(32, 32)".'
        ) from error


def _quick_to_normalize(backbone):
    """Has batch normalization follow the batches of short runs, and of all replicas.

    Averages of a momentum of 0.999 would take thousands of steps to leave their start,
    and until then encodings in inference would tell nothing.
    """
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum, layer.synchronized = 0.9, True
    return backbone
