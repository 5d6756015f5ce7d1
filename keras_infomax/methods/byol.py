"""BYOL: predicts one view's projection by a moving average from the other view."""

from keras_infomax import checks
from keras_infomax.methods.two_views import head, of_predictions, predictor, two_views
from keras_infomax.models.momentum import MomentumEncoder


def byol(
    image_shape,
    encoder="convnet",
    encoding_dim=128,
    projection_units=(256, 64),
    prediction_units=(256, 64),
    momentum=0.99,
    rising_steps=0,
):
    """BYOL: predicts the projection of the other view by a moving-average encoder.

    A predictor follows the projection head of one view. The target is the projection of
    the other view by a moving average of the encoder, without a gradient. There are no
    negatives; only this asymmetry prevents a collapse of the encodings. Train it with
    `losses.CosineDistance()` on `views.Augmented`. Both directions have weight 2, as in
    the loss of the paper. No mutual information is reported.

    The encoding of the trained encoder, before the heads, is probed and exported.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: Encoder of both views: a name of `encoders.get` or of
            `keras.applications`, with random weights, or a Keras model from images in
            [0, 1] to encodings `(rows, dim)`.
        encoding_dim: Size of the encodings of `encoders.get`; a backbone has its own.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a batch normalization and a ReLU.
        prediction_units: Sizes of the layers of the predictor; the last equals that of
            the projection.
        momentum: Fraction of the target's weights that a step keeps.
        rising_steps: Number of steps in which the momentum rises to 1, by half a
            cosine; 0 keeps it constant. In the paper it rises from 0.996 in all steps
            of a long run.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b),)`.

    Raises:
        ValueError: If the encoder is unknown or cannot take images of this shape, there
            is no projection layer, prediction and projection have different sizes, or
            the momentum is out of range.

    Reference:
        Grill et al., 2020, "Bootstrap Your Own Latent: A New Approach to
        Self-Supervised Learning", equations 1 and 2, https://arxiv.org/abs/2006.07733.
    """
    momentum = checks.probability("momentum", momentum, "[]", 0.99)
    rising_steps = checks.integer("rising_steps", rising_steps, least=0, example=3000)
    projection = head("projection_units", projection_units, True)
    prediction = predictor(prediction_units, projection_units)
    views = two_views(image_shape, encoder, encoding_dim)
    projected = views.through(projection)
    predicted = [prediction(each) for each in projected]
    encode_target = MomentumEncoder(views.encoder, momentum, rising_steps)
    project_target = MomentumEncoder(projection, momentum, rising_steps)
    targets = [project_target(encode_target(image)) for image in views.images]
    return of_predictions(views, projected, predicted, targets, weight=2.0)
