"""Deep metric learning: one encoder for both halves of an image, and a metric."""

import keras

from keras_infomax import checks, encoders, views
from keras_infomax.critics import DistanceCritic, InnerProductCritic
from keras_infomax.losses.masks import SemiHard
from keras_infomax.models.infomax import InfoMax
from keras_infomax.models.terms import Term

METRICS = {"inner_product": InnerProductCritic, "distance": DistanceCritic}


def metric_learning(
    image_shape,
    axis=1,
    encoder="convnet",
    encoder_units=None,
    encoding_dim=64,
    metric="inner_product",
    normalize=False,
    semi_hard_margin=0.0,
):
    """Moves both halves of an image together, and halves of other images apart.

    The halves of an image are anchor and positive. The halves of the other images of
    the batch are the negatives. One encoder serves both halves, and the metric has no
    parameters. With an inner product, maximizing InfoNCE is the same as minimizing the
    multi-class N-pair loss. The representation is the concatenation of both encodings.

    Train it with `losses.MultiClassNPair`, `losses.Triplet` or
    `losses.LiftedStructure`. The margins of the latter two are in the units of the
    metric, whose scale `normalize` fixes.

    Args:
        image_shape: `(height, width, channels)`.
        axis: Axis to cut: 1 (top and bottom) or 2 (left and right).
        encoder: Encoder of both halves, as in `encoders.get`.
        encoder_units: Sizes of its hidden layers, or its filters; `None` for the
            encoder's own.
        encoding_dim: Size of the encoding of a half.
        metric: `"inner_product"`, or `"distance"`, the negated squared one.
        normalize: Whether encodings are scaled to unit length.
        semi_hard_margin: Margin of `masks.SemiHard`, which selects the negatives; 0
            keeps all.

    Returns:
        `InfoMax` whose dataset elements are `((image,),)`.

    Raises:
        ValueError: If a name is unknown, the margin is not positive, or the image
            cannot be halved.

    Reference:
        Sohn, 2016, "Improved Deep Metric Learning with Multi-class N-pair Loss
        Objective"; Tschannen et al., 2020, section 4,
        https://arxiv.org/abs/1907.13625.
    """
    image_shape = checks.image_shape("image_shape", image_shape)
    encoder = encoders.get(encoder)
    encoder_units = checks.units("encoder_units", encoder_units)
    encoding_dim = checks.positive_integer(
        "encoding_dim", encoding_dim, 64, optional=True
    )
    critic = checks.lookup("metric", metric, METRICS)()
    halves = views.Halves(axis)
    normalize = checks.boolean("normalize", normalize)
    semi_hard_margin = checks.non_negative_number("semi_hard_margin", semi_hard_margin)
    image = keras.Input(image_shape, name="image")
    anchor, positive = halves(image)
    encode = encoders.build(encoder, anchor.shape[1:], encoder_units, encoding_dim)
    encodings = [encode(anchor), encode(positive)]
    if normalize:
        # In half precision, squares of encodings would underflow or overflow.
        unit = keras.layers.UnitNormalization(dtype="float32")
        encodings = [unit(encoding) for encoding in encodings]
    network = keras.Model(
        image,
        {
            "anchor": encodings[0],
            "positive": encodings[1],
            "representation": keras.layers.Concatenate()(encodings),
        },
    )
    term = Term(
        "anchor",
        "positive",
        critic,
        mask=SemiHard(semi_hard_margin) if semi_hard_margin else None,
    )
    return InfoMax(network=network, terms=[term], representation="representation")
