"""Barlow Twins: two views, an encoder and a wide projection head."""

from keras_infomax.methods.two_views import of_projections


def barlow_twins(
    image_shape,
    encoder="convnet",
    encoding_dim=128,
    projection_units=(256, 256, 256),
):
    """Barlow Twins: two augmentations of an image, whose projections agree per unit.

    Train it with `losses.BarlowTwins()` on `views.Augmented`. It needs no negatives,
    and reports no mutual information. The encoding before the projection head is probed
    and exported.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: Encoder of both views: a name of `encoders.get` or of
            `keras.applications`, with random weights, or a Keras model from images in
            [0, 1] to encodings `(rows, dim)`.
        encoding_dim: Size of the encodings of `encoders.get`; a backbone has its own.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a batch normalization and a ReLU.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b),)`.

    Raises:
        ValueError: If the encoder is unknown or cannot take images of this shape, or
            there is no projection layer.

    Reference:
        Zbontar et al., 2021, "Barlow Twins: Self-Supervised Learning via Redundancy
        Reduction", https://arxiv.org/abs/2103.03230.
    """
    return of_projections(image_shape, encoder, encoding_dim, projection_units)
