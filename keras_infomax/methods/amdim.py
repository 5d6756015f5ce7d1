"""AMDIM: two augmentations of one image, compared at several scales of an encoder."""

import keras
from keras import ops

from keras_infomax import backends, checks
from keras_infomax.critics import InnerProductCritic, NearIdentity, SoftClippedCritic
from keras_infomax.models.infomax import InfoMax
from keras_infomax.models.terms import Term

# Pairs of the predicting scale and the predicted scale.
_TASKS = (("global", "coarse"), ("global", "fine"), ("point", "coarse"))
# Largest height and width of a fine feature map.
_FINE = 8


def amdim(
    image_shape,
    filters=64,
    depth=1,
    encoding_dim=256,
    projection_dim=256,
    clip=20.0,
    penalty=0.05,
):
    """AMDIM: features of one augmentation predict those of another, at several scales.

    The encoding of an image, and one random location of its coarse feature map, are
    scored against all locations of the coarse map of the other augmentation; the
    negatives are locations of other images. The encoding is also scored against the
    fine map. Both directions have weight 1/2. Locations of the same image are not
    negatives. Train it with `losses.InfoNCE` on `views.Augmented`.

    Convolutions are not padded, so a location depends only on a part of the image. For
    images of 32 x 32 the maps are 7 x 7 and 5 x 5, for digits 6 x 6 and 4 x 4.

    Args:
        image_shape: `(height, width, channels)`.
        filters: Channels of the first convolution; each stage doubles them, up to four
            times as many.
        depth: Number of residual blocks of each stage.
        encoding_dim: Size of the encodings.
        projection_dim: Size of the space in which scores are inner products.
        clip: Largest score; see `critics.SoftClippedCritic`.
        penalty: Weight of the mean square of the scores before clipping, in each of the
            three tasks.

    Returns:
        `InfoMax` whose dataset elements are `((image_a, image_b),)`.

    Raises:
        ValueError: If the images are too small or narrow.

    Reference:
        Bachman et al., 2019, "Learning Representations by Maximizing Mutual Information
        Across Views", section 3, https://arxiv.org/abs/1906.00910; its published code.
    """
    image_shape = checks.image_shape("image_shape", image_shape)
    filters = checks.positive_integer("filters", filters, 64)
    depth = checks.positive_integer("depth", depth, 1)
    encoding_dim = checks.positive_integer("encoding_dim", encoding_dim, 256)
    projection_dim = checks.positive_integer("projection_dim", projection_dim, 256)
    clip = checks.positive_number("clip", clip, 20.0)
    penalty = checks.non_negative_number("penalty", penalty, 0.05)
    trunk = _trunk(image_shape, filters, depth, encoding_dim)
    heads = {
        scale: _head(features.shape[1:], projection_dim, residual=scale != "global")
        for scale, features in trunk.output.items()
    }
    point = RandomLocation(name="point")
    images = [keras.Input(image_shape, name=f"image_{view}") for view in "ab"]
    encodings = {}
    for view, image in zip("ab", images, strict=True):
        features = trunk(image)
        encodings[f"encoding_{view}"] = features["global"]
        projected = {scale: heads[scale](features[scale]) for scale in heads}
        projected["point"] = point(projected["coarse"])
        encodings |= {f"{scale}_{view}": value for scale, value in projected.items()}
    terms = [
        Term(
            f"{source}_{here}",
            f"{target}_{there}",
            SoftClippedCritic(
                InnerProductCritic(), clip, dim=projection_dim, penalty=penalty / 2
            ),
            weight=0.5,
        )
        for source, target in _TASKS
        for here, there in ("ab", "ba")
    ]
    network = keras.Model(images, encodings)
    return InfoMax(network=network, terms=terms, representation="encoding_a")


def _trunk(image_shape, filters, depth, encoding_dim):
    """Model from images to their fine and coarse feature maps and their encodings."""
    layers = keras.layers
    image = keras.Input(image_shape)
    features = layers.Conv2D(filters, 3, activation="relu")(image)
    kernel_size, stage = 4, 0
    while max(features.shape[1:3]) > _FINE and min(features.shape[1:3]) > kernel_size:
        stage += 1
        channels = filters * min(2**stage, 4)
        features = _residual_stage(features, channels, kernel_size, 2, depth)
        kernel_size = 2
    if min(features.shape[1:3]) < 3 or max(features.shape[1:3]) > _FINE:
        raise ValueError(
            "image_shape must be at least 5 pixels high and wide, with similar height "
            f"and width; received {image_shape}. Resize the images."
        )
    fine = features
    coarse = _residual_stage(fine, fine.shape[-1], 3, 1, depth)
    encoding = layers.Conv2D(encoding_dim, coarse.shape[1:3])(coarse)
    outputs = {"fine": fine, "coarse": coarse, "global": layers.Flatten()(encoding)}
    return keras.Model(image, outputs, name="trunk")


def _residual_stage(features, channels, kernel_size, strides, depth):
    layers = keras.layers
    for block in range(depth):
        if block:
            kernel_size = strides = 1
        options = {"kernel_size": kernel_size, "strides": strides}
        hidden = layers.Conv2D(channels, activation="relu", **options)(features)
        shortcut = layers.AveragePooling2D(kernel_size, strides)(features)
        if shortcut.shape[-1] != channels:
            shortcut = layers.Conv2D(channels, 1)(shortcut)
        features = layers.ReLU()(layers.Conv2D(channels, 1)(hidden) + shortcut)
    return features


def _head(shape, units, residual):
    """Model from the features of one scale to the space of the scores."""
    layers = keras.layers
    features = keras.Input(shape)
    # Dense maps the last axis: on feature maps it is a 1 x 1 convolution.
    projected = layers.Dense(units, kernel_initializer=NearIdentity())(features)
    if residual:
        hidden = layers.Dense(units, activation="relu", use_bias=False)(features)
        projected += layers.Dense(units, kernel_initializer="zeros")(hidden)
    normalization = layers.BatchNormalization(
        momentum=0.9, synchronized=backends.is_tensorflow()
    )
    return keras.Model(features, normalization(projected))


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomLocation(keras.layers.Layer):
    """Takes one location of each feature map: at random in training, else the middle.

    Args:
        seed: Integer seed of the draws, or `None`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        features: Tensor `(rows, height, width, channels)`.
        training: Whether to draw.

    Returns:
        Tensor `(rows, channels)`.

    Example:
    >>> RandomLocation()(ops.ones((8, 5, 5, 3))).shape
    TensorShape([8, 3])
    """

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = checks.seed("seed", seed, optional=True)
        self.generator = keras.random.SeedGenerator(self.seed)

    def call(self, features, training=None):
        _, height, width, channels = features.shape
        rows = ops.shape(features)[0]
        if training:
            chosen = keras.random.randint(
                (rows,), 0, height * width, seed=self.generator
            )
        else:
            chosen = ops.full((rows,), height // 2 * width + width // 2, dtype="int32")
        locations = ops.reshape(features, (-1, height * width, channels))
        return ops.take_along_axis(locations, chosen[:, None, None], axis=1)[:, 0]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}
