"""DeepInfoMax: scores an image's encoding against its own feature map."""

import keras

from keras_infomax import backends, checks
from keras_infomax.checks import lookup
from keras_infomax.critics import EncodeAndDotCritic, MLPCritic
from keras_infomax.encoders.priors import PriorMatching
from keras_infomax.models.infomax import InfoMax
from keras_infomax.models.terms import Term

_CRITICS = {
    "encode_and_dot": lambda units: EncodeAndDotCritic(units or 2048),
    # This critic equals 1 x 1 convolutions over the map with the encoding at each
    # location.
    "concat_and_convolve": lambda units: MLPCritic((units or 512,) * 2),
}


def deep_infomax(
    image_shape,
    filters=(64, 128),
    kernel_size=5,
    local_layer=2,
    hidden_units=1024,
    encoding_dim=64,
    critic="encode_and_dot",
    critic_units=None,
    global_weight=0.5,
    local_weight=1.0,
    prior_weight=0.1,
):
    """DeepInfoMax: an encoder, and the feature map that it is computed from.

    The global term scores an encoding against whole feature maps, its own and those of
    other images. The local term scores it against all locations of the maps. Locations
    of the same image are not negatives. Any loss applies. The paper uses
    `JensenShannon`, its best with few negatives, `DonskerVaradhan` and `InfoNCE`.

    The defaults suit images of digits. For CIFAR-10, the paper uses
    `filters=(64, 128, 256)` and `kernel_size=4`.

    Args:
        image_shape: `(height, width, channels)`.
        filters: Channels of the convolutions, each with stride 2.
        kernel_size: Size of their kernels.
        local_layer: Number of the convolution whose output is the feature map, from 1.
        hidden_units: Size of the layer between feature map and encoding.
        encoding_dim: Size of the encodings.
        critic: `"encode_and_dot"`, or `"concat_and_convolve"`, which takes
            `rows^2 * locations * critic_units` numbers of memory.
        critic_units: Size of the critic's layers. Defaults to 2048 and 512, as in the
            paper.
        global_weight: Weight of the global term; 0 leaves it out.
        local_weight: Weight of the local term; 0 leaves it out.
        prior_weight: Weight of `priors.PriorMatching`; 0 leaves it out.

    Returns:
        `InfoMax` whose dataset elements are `((image,),)`, as by `views.Whole`.

    Raises:
        ValueError: If the critic is unknown, there is no such local layer, or both
            terms are left out.

    Reference:
        Hjelm et al., 2019, "Learning deep representations by mutual information
        estimation and maximization", equations 3 to 8,
        https://arxiv.org/abs/1808.06670.
    """
    image_shape = checks.image_shape("image_shape", image_shape)
    filters = checks.sizes("filters", filters, empty=False, example=(64, 128))
    kernel_size = checks.positive_integer("kernel_size", kernel_size, 5)
    hidden_units = checks.positive_integer("hidden_units", hidden_units, 1024)
    encoding_dim = checks.positive_integer("encoding_dim", encoding_dim, 64)
    critic_units = checks.positive_integer(
        "critic_units", critic_units, 512, optional=True
    )
    for argument, weight in (
        ("global_weight", global_weight),
        ("local_weight", local_weight),
        ("prior_weight", prior_weight),
    ):
        checks.non_negative_number(argument, weight, 0.5)
    local_layer = checks.positive_integer("local_layer", local_layer, len(filters))
    if local_layer > len(filters):
        raise ValueError(
            "local_layer must be the number of a convolution, from 1 to "
            f"{len(filters)}; received {local_layer!r}."
        )
    if not (global_weight or local_weight):
        raise ValueError(
            "global_weight and local_weight are both 0, which leaves nothing to train. "
            "Give one of them a positive weight."
        )
    make_critic = lookup("critic", critic, _CRITICS)
    layers = keras.layers
    image = features = keras.Input(image_shape, name="image")
    maps = []
    for channels in filters:
        convolution = layers.Conv2D(
            channels, kernel_size, strides=2, padding="same", use_bias=False
        )
        features = _normalized(convolution(features))
        maps.append(features)
    hidden = layers.Dense(hidden_units, use_bias=False)(layers.Flatten()(features))
    encoding = layers.Dense(encoding_dim, name="encoding")(_normalized(hidden))
    local = maps[local_layer - 1]
    encodings, terms = {"global": encoding, "local": local}, []
    if global_weight:
        whole = layers.Conv2D(64, 3, activation="relu", padding="same")(local)
        whole = layers.Conv2D(32, 3, activation="relu", padding="same")(whole)
        encodings["whole_map"] = layers.Flatten()(whole)
        pair = "global", "whole_map"
        terms.append(
            Term(*pair, make_critic(critic_units), global_weight, name="global")
        )
    if local_weight:
        pair = "global", "local"
        terms.append(Term(*pair, make_critic(critic_units), local_weight, name="local"))
    if prior_weight:
        encodings["prior"] = PriorMatching(prior_weight)(encoding)
    return InfoMax(network=keras.Model(image, encodings), terms=terms)


def _normalized(features):
    normalization = keras.layers.BatchNormalization(
        momentum=0.9, synchronized=backends.is_tensorflow()
    )
    return keras.layers.ReLU()(normalization(features))
