"""SimSiam: one view predicted from the other, which no gradient enters."""

from keras import ops

from keras_infomax.methods.two_views import (
    batch_normalization,
    head,
    of_predictions,
    predictor,
    two_views,
)


def simsiam(
    image_shape,
    encoder="convnet",
    encoding_dim=128,
    projection_units=(256, 256),
    prediction_units=(64, 256),
):
    """SimSiam: BYOL without a moving average.

    A predictor, narrow in the middle, stands behind the projection head of each view;
    the target is the projection of the other view, which no gradient enters. There are
    no negatives. Train it with `losses.CosineDistance()` on `views.Augmented`: both
    directions count a half, which is the loss of the paper and 1. A loss near 0 from
    the start is a sign that all encodings are one. No mutual information is reported.

    What is probed and exported is the encoding before the heads.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: Encoder of both views: a name of `encoders.get` or of
            `keras.applications`, with random weights, or a Keras model from images in
            [0, 1] to encodings `(rows, dim)`.
        encoding_dim: Size of the encodings of `encoders.get`; a backbone has its own.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a batch normalization and a ReLU,
            and the last a batch normalization.
        prediction_units: Sizes of the layers of the predictor, whose last is as wide as
            that of the projection.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b),)`.

    Raises:
        ValueError: If the encoder is unknown, or cannot take images of this shape,
            there is no projection layer, or prediction and projection differ in width.

    Reference:
        Chen and He, 2021, "Exploring Simple Siamese Representation Learning", equations
        1 to 4, https://arxiv.org/abs/2011.10566.
    """
    projection = head("projection_units", projection_units, True)
    projection.add(batch_normalization(center=False, scale=False))
    prediction = predictor(prediction_units, projection_units)
    views = two_views(image_shape, encoder, encoding_dim)
    projected = views.through(projection)
    predicted = [prediction(of_view) for of_view in projected]
    targets = [ops.stop_gradient(of_view) for of_view in projected]
    return of_predictions(views, projected, predicted, targets, weight=0.5)
