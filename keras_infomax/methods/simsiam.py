"""SimSiam: predicts one view from the other, without a gradient into the target."""

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

    A predictor with a bottleneck follows the projection head of each view. The target
    is the projection of the other view, without a gradient. There are no negatives.
    Train it with `losses.CosineDistance()` on `views.Augmented`. Both directions have
    weight 1/2, so the loss is that of the paper plus 1. A loss near 0 from the start
    indicates a collapse of the encodings. No mutual information is reported.

    The encoding before the heads is probed and exported.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: Encoder of both views: a name of `encoders.get` or of
            `keras.applications`, with random weights, or a Keras model from images in
            [0, 1] to encodings `(rows, dim)`.
        encoding_dim: Size of the encodings of `encoders.get`; a backbone has its own.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a batch normalization and a ReLU, and the last only a batch
            normalization.
        prediction_units: Sizes of the layers of the predictor; the last equals that of
            the projection.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b),)`.

    Raises:
        ValueError: If the encoder is unknown or cannot take images of this shape, there
            is no projection layer, or prediction and projection have different sizes.

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
