"""SogCLR: SimCLR for small batches, with moving averages for each image."""

import keras

from keras_infomax.critics import CosineCritic
from keras_infomax.methods.two_views import head, stacked, two_views
from keras_infomax.models.averages import MovingAverageTerm
from keras_infomax.models.infomax import InfoMax


def sogclr(
    image_shape,
    examples=4000,
    encoder="convnet",
    encoding_dim=128,
    projection_units=(128, 64),
    temperature=0.2,
    momentum=0.1,
):
    """SogCLR: SimCLR whose denominators are moving averages, one for each image.

    So the gradient of a small batch approximates that of the whole data set. Train it
    with `losses.DecoupledInfoNCE()` on `views.Augmented` and the numbers of the images,
    `datasets.pairs(images, views, batch_size, index=True)`; see `MovingAverageTerm`.

    The encoding before the projection head is probed and exported.

    Args:
        image_shape: `(height, width, channels)`.
        examples: Number of training images; the default is that of the digits.
        encoder: Encoder of both views: a name of `encoders.get` or of
            `keras.applications`, with random weights, or a Keras model from images in
            [0, 1] to encodings `(rows, dim)`.
        encoding_dim: Size of the encodings of `encoders.get`; a backbone has its own.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a ReLU.
        temperature: Temperature of the cosine between projections.
        momentum: Fraction of an average that an update keeps: 1 minus the paper's
            gamma.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b, index),)`, the index
        an integer tensor `(rows,)`.

    Raises:
        ValueError: If the encoder is unknown or cannot take images of this shape, or
            there is no projection layer.

    Reference:
        Yuan et al., 2022, "Provable Stochastic Optimization for Global Contrastive
        Learning: Small Batch Does Not Harm Performance", algorithm 1,
        https://arxiv.org/abs/2202.12387.
    """
    term = MovingAverageTerm(
        "views", "swapped", "index", examples, momentum, CosineCritic(temperature)
    )
    projection = head("projection_units", projection_units)
    views = two_views(image_shape, encoder, encoding_dim)
    projected = views.through(projection)
    index = keras.Input((), dtype="int32", name="index")
    network = keras.Model(
        (*views.images, index),
        {**stacked(*projected), "encoding": views.encodings[0], "index": index},
    )
    return InfoMax(network=network, terms=[term], representation="encoding")
