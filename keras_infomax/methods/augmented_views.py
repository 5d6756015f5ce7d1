"""Two augmentations of one image, a shared encoder and a projection head."""

from keras_infomax import checks
from keras_infomax.critics import CosineCritic, ProjectedCritic
from keras_infomax.methods.two_views import head, image_encoder
from keras_infomax.models.infomax import InfoMax


def augmented_views(
    image_shape,
    encoder="convnet",
    encoding_dim=128,
    projection_units=(128, 64),
    temperature=0.2,
    learned_temperature=False,
):
    """The simplest method: two augmentations of an image, with a projection head.

    The views and the head are those of SimCLR, but the negatives of a row are only the
    other views of the other N - 1 images, as in CLIP. SimCLR uses both views, 2N - 2
    negatives; see `methods.simclr`. Train it with `losses.InfoNCE(axis=(0, 1))`, which
    treats both views alike, on `views.Augmented`. The projection head belongs to the
    critic. The encoding before the head is probed and exported.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: Encoder of `encoders.get`; a backbone of `keras.applications`, such as
            `"MobileNetV2"`, with random weights and mean pooling; or a Keras model from
            images in [0, 1] to encodings `(rows, dim)`, such as a pretrained backbone.
        encoding_dim: Size of the encodings of `encoders.get`; a backbone has its own.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a ReLU.
        temperature: Temperature of the cosine between projections.
        learned_temperature: Whether the temperature is learned, starting from this
            value, as in CLIP.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b),)`.

    Raises:
        ValueError: If the encoder is unknown or cannot take images of this shape, or
            there is no projection layer.

    Reference:
        Chen et al., 2020, "A Simple Framework for Contrastive Learning of Visual
        Representations", section 2, https://arxiv.org/abs/2002.05709.
    """
    image_shape = checks.image_shape("image_shape", image_shape)
    encoding_dim = checks.positive_integer("encoding_dim", encoding_dim, 128)
    critic = CosineCritic(temperature, learned_temperature)
    encoder = image_encoder(encoder, image_shape, encoding_dim)
    projection = head("projection_units", projection_units)
    return InfoMax(encoder, critic=ProjectedCritic(critic, projection))
