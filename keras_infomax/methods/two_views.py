"""Common parts of methods of two views of an image: the encoder and its heads."""

import dataclasses
import inspect
from typing import Any

import keras
from keras import ops

from keras_infomax import backends, checks, encoders
from keras_infomax.checks import lookup
from keras_infomax.critics import CosineCritic
from keras_infomax.models import networks
from keras_infomax.models.infomax import InfoMax
from keras_infomax.models.terms import Term

HEAD_ADVICE = "Without a head, use InfoMax with CosineCritic."


@dataclasses.dataclass(frozen=True)
class TwoViews:
    """Two images and their encodings by one encoder.

    Args:
        images: Symbolic images, the inputs of a network.
        encodings: Their encodings `(rows, dim)`.
        encoder: The encoder.
    """

    images: tuple[Any, Any]
    encodings: list[Any]
    encoder: keras.Layer

    def through(self, layer: keras.Layer) -> list[Any]:
        """Applies a layer to both encodings."""
        return [layer(encoding) for encoding in self.encodings]


def two_views(image_shape: Any, encoder: Any, encoding_dim: Any) -> TwoViews:
    """Makes two symbolic images and an encoder for both.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: As for `image_encoder`.
        encoding_dim: As for `image_encoder`.

    Raises:
        ValueError: If the encoder cannot take such images, or does not return
            encodings.
    """
    image_shape = checks.image_shape("image_shape", image_shape)
    encoding_dim = checks.positive_integer("encoding_dim", encoding_dim, 128)
    encode = networks.checked_encoder(
        "encoder", image_encoder(encoder, image_shape, encoding_dim)
    )
    images = tuple(keras.Input(image_shape, name=f"image_{view}") for view in "ab")
    encodings = [encode(image) for image in images]
    networks.check_encodings("encoder", encodings[0].shape)
    return TwoViews(images, encodings, encode)


def image_encoder(encoder: Any, image_shape: Any, encoding_dim: int) -> keras.Layer:
    """An encoder of images.

    Args:
        encoder: Encoder of `encoders.get`; a backbone of `keras.applications`, such as
            `"MobileNetV2"`, with random weights and mean pooling; what
            `encoders.pretrained` takes, a path or address; or a Keras layer or model,
            which is returned unchanged.
        image_shape: `(height, width, channels)`.
        encoding_dim: Size of the encodings of `encoders.get`; a backbone has its own.

    Raises:
        ValueError: If the name is unknown, or the encoder cannot take images of this
            shape.
    """
    if isinstance(encoder, keras.layers.Layer):
        return encoder
    if encoders.is_source(encoder):
        return encoders.pretrained(encoder, image_shape)
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
        options["include_preprocessing"] = False  # For pixels up to 255.
    try:
        return _quick_to_normalize(builder(input_shape=image_shape, **options))
    except ValueError as error:
        raise ValueError(
            f"encoder {encoder!r} cannot take images of shape {image_shape}: {error} "
            'Resize them, for instance with --config.image_size="(32, 32)".'
        ) from error


def head(
    argument: str, units: Any, normalized: bool = False, example: Any = (128, 64)
) -> keras.Sequential:
    """Dense layers, all but the last with a ReLU, behind an encoder.

    Args:
        argument: Name of the argument with their sizes, for messages.
        units: Sizes of the layers, at least one.
        normalized: Whether the hidden layers have a batch normalization.
        example: Example of sizes, for the message.

    Raises:
        ValueError: If there is no layer.
    """
    *hidden, last = checks.sizes(
        argument, units, empty=False, advice=HEAD_ADVICE, example=example
    )
    layers: list[keras.Layer] = []
    for size in hidden:
        if normalized:
            layers += [
                keras.layers.Dense(size, use_bias=False),
                batch_normalization(),
                keras.layers.ReLU(),
            ]
        else:
            layers.append(keras.layers.Dense(size, activation="relu"))
    return keras.Sequential([*layers, keras.layers.Dense(last)])


def batch_normalization(**options: Any) -> keras.layers.BatchNormalization:
    """Batch normalization for short runs, synchronized over replicas.

    Args:
        **options: As for `keras.layers.BatchNormalization`.
    """
    # On other backends, a batch is always the global batch.
    synchronized = backends.is_tensorflow()
    return keras.layers.BatchNormalization(
        momentum=0.9, synchronized=synchronized, **options
    )


def of_projections(
    image_shape: Any, encoder: Any, encoding_dim: Any, projection_units: Any
) -> InfoMax:
    """A model for losses on encodings, which compare the projections of two views.

    Args:
        image_shape: `(height, width, channels)`.
        encoder: As for `image_encoder`.
        encoding_dim: As for `image_encoder`.
        projection_units: Sizes of the layers of the projection head; all but the last
            have a batch normalization and a ReLU.

    Raises:
        ValueError: As `two_views`, or if there is no projection layer.
    """
    projection = head("projection_units", projection_units, True)
    views = two_views(image_shape, encoder, encoding_dim)
    outputs = {"encoding": views.encodings[0]}
    for view, projected in zip("ab", views.through(projection), strict=True):
        outputs[f"projection_{view}"] = projected
    network = keras.Model(views.images, outputs)
    # Only losses on scores call the critic.
    term = Term("projection_a", "projection_b", CosineCritic())
    return InfoMax(network=network, terms=[term], representation="encoding")


def predictor(units: Any, projection_units: Any) -> keras.Sequential:
    """A head that predicts the projection of the other view.

    Args:
        units: Sizes of its layers.
        projection_units: Sizes of the layers of the projection.

    Raises:
        ValueError: If it has no layer, or its last size is not that of the projection.
    """
    found = head("prediction_units", units, True)
    if units[-1] != projection_units[-1]:
        raise checks.refusal(
            "prediction_units",
            f"sizes whose last is that of projection_units, {projection_units[-1]}",
            units,
            f"Write, for example, prediction_units=(64, {projection_units[-1]}).",
        )
    return found


def of_predictions(
    views: TwoViews,
    projected: list[Any],
    predicted: list[Any],
    targets: list[Any],
    weight: float,
) -> InfoMax:
    """A model whose views predict each other.

    Args:
        views: The views.
        projected: Projection of each view.
        predicted: Prediction from each view.
        targets: Target of the prediction from the other view.
        weight: Weight of each of the two terms.
    """
    outputs = {"encoding": views.encodings[0], "projection": projected[0]}
    for view, prediction, target in zip("ab", predicted, targets, strict=True):
        outputs |= {f"prediction_{view}": prediction, f"target_{view}": target}
    terms = [
        Term(f"prediction_{x}", f"target_{y}", CosineCritic(), weight)
        for x, y in ("ab", "ba")
    ]
    network = keras.Model(views.images, outputs)
    return InfoMax(network=network, terms=terms, representation="encoding")


def stacked(first: Any, second: Any) -> dict[str, Any]:
    """Both views of an example as locations of one encoding, in both orders.

    In a `Term` of `"views"` and `"swapped"`, the negatives of each view are both views
    of all other examples: 2N - 2 for N examples. Its own column is left out.

    Args:
        first: Encodings of one view, `(rows, dim)`.
        second: Encodings of the other view.

    Returns:
        Dictionary of two encodings `(rows, 2, dim)`, and of the first as
        `"projection"`.
    """
    return {
        "projection": first,
        "views": ops.stack([first, second], axis=1),
        "swapped": ops.stack([second, first], axis=1),
    }


def _quick_to_normalize(backbone):
    """Adapts batch normalization to short runs, and synchronizes it over replicas.

    With a momentum of 0.999, moving averages would need thousands of steps to leave
    their initial values, and until then encodings in inference would be useless.
    """
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum, layer.synchronized = 0.9, backends.is_tensorflow()
    return backbone
