"""SimCLR: the negatives of a view are both views of all other images."""

import keras

from keras_infomax.critics import CosineCritic
from keras_infomax.methods.two_views import head, stacked, two_views
from keras_infomax.models.infomax import InfoMax
from keras_infomax.models.terms import Term


def simclr(
    image_shape,
    encoder="convnet",
    encoding_dim=128,
    projection_units=(128, 64),
    temperature=0.2,
    learned_temperature=False,
):
    """SimCLR: NT-Xent, 2N - 2 negatives for each of the 2N views of N images.

    Train it on `views.Augmented` with `losses.InfoNCE()`, whose value is NT-Xent less
    log(2N - 1), or with the loss `"nt_xent"`, which is NT-Xent itself; the gradients
    are the same. With `losses.DecoupledInfoNCE` it is DCL, and DCLW with a `sigma`. The
    two negatives of an image depend on each other, so `"mi"` is only approximately a
    bound; its ceiling is log(2N - 1).

    The encoding before the projection head is probed and exported. In
    `methods.augmented_views` only the other views of other images are negatives.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: Encoder of both views: a name of `encoders.get` or of
            `keras.applications`, with random weights, or a Keras model from images in
            [0, 1] to encodings `(rows, dim)`.
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
        Representations", equation 1, https://arxiv.org/abs/2002.05709.
    """
    critic = CosineCritic(temperature, learned_temperature)
    projection = head("projection_units", projection_units)
    views = two_views(image_shape, encoder, encoding_dim)
    projected = views.through(projection)
    network = keras.Model(
        views.images, {**stacked(*projected), "encoding": views.encodings[0]}
    )
    term = Term("views", "swapped", critic)
    return InfoMax(network=network, terms=[term], representation="encoding")
