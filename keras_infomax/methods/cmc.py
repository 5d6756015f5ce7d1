"""Contrastive multiview coding: one encoder for each view, and cosine scores."""

import itertools

import keras

from keras_infomax import checks, encoders, views
from keras_infomax.critics import CosineCritic
from keras_infomax.models.infomax import InfoMax
from keras_infomax.models.memory import MemoryTerm
from keras_infomax.models.terms import Term
from keras_infomax.views import color, patches

VIEWS = {
    "lab": color.LabViews,
    "quadrants": patches.Quadrants,
    "halves": views.Halves,
}
GRAPHS = ("full", "core")


def cmc(
    image_shape,
    views=None,
    encoder="convnet",
    encoder_units=None,
    encoding_dim=64,
    temperature=0.1,
    graph="full",
    examples=0,
    num_negatives=1024,
    momentum=0.5,
):
    """CMC: compares all pairs of views of an image, or all views with a core view.

    Each view has its own encoder, and the representation is the concatenation of all
    encodings. Scores are cosines divided by a temperature. Every pair of views i < j is
    one term. With a core view, only the pairs of view 0 are terms:

        full graph: sum_{i < j} L(V_i, V_j),    core view: sum_{j > 0} L(V_0, V_j)

    L(V_i, V_j) has both directions of a pair. With negatives in the batch, train with
    `losses.InfoNCE(axis=(0, 1))`, the mean of both directions, which is half of L(V_i,
    V_j) minus log(rows). With a memory bank (`examples`), each direction is a term of
    weight 1/2; train with `losses.InfoNCE()`.

    Args:
        image_shape: `(height, width, channels)`.
        views: Views that the network makes of images: `"lab"` (lightness and colors,
            for color images), `"quadrants"`, `"halves"` (top and bottom), or a layer
            from images to a tuple of views. Defaults to `"lab"` for color images and
            `"quadrants"` for others.
        encoder: Encoder, as in `encoders.get`; one for each view.
        encoder_units: Sizes of its hidden layers, or its filters; `None` for the
            encoder's own.
        encoding_dim: Size of the encoding of each view.
        temperature: Temperature of the cosine.
        graph: `"full"` or `"core"`, the pairs that are compared.
        examples: Number of training images, for a memory bank for each direction of
            each pair; see `memory.MemoryTerm`. Defaults to 0: the negatives come from
            the batch.
        num_negatives: Number of negatives drawn from a bank for each batch.
        momentum: Fraction of a row of a bank that an update keeps.

    Returns:
        `InfoMax` whose dataset elements are `((image,),)`, with a memory bank
        `((image, index),)`; see `index` of `datasets.pairs`.

    Raises:
        ValueError: If a name is unknown, or a size is out of range.

    Reference:
        Tian et al., 2019, "Contrastive Multiview Coding", sections 3.2 to 3.4,
        https://arxiv.org/abs/1906.05849.
    """
    image_shape = checks.image_shape("image_shape", image_shape)
    encoder = encoders.get(encoder)
    encoder_units = checks.units("encoder_units", encoder_units)
    encoding_dim = checks.positive_integer(
        "encoding_dim", encoding_dim, 64, optional=True
    )
    graph = checks.one_of("graph", graph, GRAPHS)
    examples = checks.integer("examples", examples, least=0, example=4000)
    num_negatives = checks.positive_integer("num_negatives", num_negatives, 1024)
    momentum = checks.probability("momentum", momentum, "[)", 0.5)
    temperature = checks.positive_number("temperature", temperature, 0.1)
    image = keras.Input(image_shape, name="image")
    parts = _views_layer(views, image_shape)(image)
    encodings = {
        f"view_{i}": encoders.build(
            encoder, part.shape[1:], encoder_units, encoding_dim
        )(part)
        for i, part in enumerate(parts)
    }
    pairs = [
        pair
        for pair in itertools.combinations(encodings, 2)
        if graph == "full" or "view_0" in pair
    ]
    outputs = {
        **encodings,
        "representation": keras.layers.Concatenate()(list(encodings.values())),
    }
    if not examples:
        network = keras.Model(image, outputs)
        terms = [Term(x, y, CosineCritic(temperature)) for x, y in pairs]
        return InfoMax(network=network, terms=terms, representation="representation")
    index = keras.Input((), dtype="int32", name="index")
    network = keras.Model((image, index), {**outputs, "index": index})
    terms = [
        MemoryTerm(
            x,
            y,
            "index",
            examples,
            num_negatives,
            momentum,
            CosineCritic(temperature),
            weight=0.5,
        )
        for pair in pairs
        for x, y in (pair, pair[::-1])
    ]
    return InfoMax(network=network, terms=terms, representation="representation")


def _views_layer(identifier, image_shape):
    if identifier is None:
        identifier = "lab" if image_shape[-1] == 3 else "quadrants"
    if isinstance(identifier, keras.layers.Layer):
        return identifier
    return checks.lookup("views", identifier, VIEWS)()
