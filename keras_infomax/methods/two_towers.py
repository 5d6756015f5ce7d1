"""Two modalities, each with its own encoder, in one space of encodings."""

from keras_infomax import checks, encoders
from keras_infomax.models.infomax import InfoMax


def two_towers(
    example_shape,
    encoder=("convnet", "tokens"),
    encoder_units=(None, None),
    encoding_dim=64,
    critic="clip",
    vocabulary_size=1000,
):
    """Two towers: an image, signal or row of a table, and its text, label or tags.

    The negatives of an example are the pairs with parts of all other examples. With
    `losses.InfoNCE(axis=(0, 1))` and the critic `"clip"`, cosines with a learned
    temperature, this is CLIP; with `losses.SigLIP()` and the critic `"siglip"`, SigLIP.
    Train it on the views `"parts"`. Tokens, labels and tags are integers.
    `callbacks.Retrieval` and `callbacks.ZeroShot` measure the result.

    Args:
        example_shape: Shapes of the two parts of an example, without rows: a pair, or a
            dictionary of two in the order of their names.
        encoder: Pair of encoders for the first and the second part: names as in
            `encoders.get`, or Keras models from a part to encodings
            `(rows, encoding_dim)`.
        encoder_units: Pair of the sizes of their hidden layers; `None` for an
            encoder's own.
        encoding_dim: Size of the encodings of both.
        critic: Critic, as in `critics.get`, or its name.
        vocabulary_size: Number of tokens of an encoder of tokens, 0 included.

    Returns:
        `InfoMax` whose dataset elements are `((first, second),)`.

    Raises:
        ValueError: If there are not two parts, an encoder cannot take its part, or a
            name is unknown.

    Reference:
        Radford et al., 2021, "Learning Transferable Visual Models From Natural
        Language Supervision", section 2.3, https://arxiv.org/abs/2103.00020; Zhai et
        al., 2023, "Sigmoid Loss for Language Image Pre-Training",
        https://arxiv.org/abs/2303.15343.
    """
    shapes = _pair_of_shapes(example_shape)
    encoding_dim = checks.positive_integer("encoding_dim", encoding_dim, 64)
    vocabulary_size = checks.positive_integer("vocabulary_size", vocabulary_size, 1000)
    towers = [
        _tower(each, shape, units, encoding_dim, vocabulary_size)
        for each, shape, units in zip(
            _pair("encoder", encoder, ("convnet", "tokens")),
            shapes,
            _pair("encoder_units", encoder_units, ((32, 64), None)),
            strict=True,
        )
    ]
    return InfoMax(towers[0], towers[1], critic)


def _tower(encoder, shape, units, encoding_dim, vocabulary_size):
    if hasattr(encoder, "call") and hasattr(encoder, "get_config"):
        return encoder
    make = encoders.get(encoder)
    units = checks.sizes(
        "encoder_units", units, empty=False, example=(64, 64), optional=True
    )
    sizes = () if units is None else (units,)
    options = {"output_dim": encoding_dim}
    if make is encoders.tokens:
        options["vocabulary_size"] = vocabulary_size
    try:
        return make(shape, *sizes, **options)
    except ValueError as error:
        raise ValueError(
            f"encoder {encoder!r} cannot take the part {shape} of example_shape, with "
            f"encoder_units {units}: {error}"
        ) from error


def _pair_of_shapes(example_shape):
    parts = example_shape
    if hasattr(parts, "keys"):
        parts = [parts[name] for name in sorted(parts)]
    expected = "the shapes of two parts, a pair or a dictionary of two"
    advice = "Write, for example, example_shape={'image': (28, 28, 1), 'text': (12,)}."
    if not isinstance(parts, (tuple, list)) or len(parts) != 2:
        raise checks.refusal("example_shape", expected, example_shape, advice)
    return [
        checks.view_shape(
            "example_shape", part, static=True, expected=expected, advice=advice
        )
        for part in parts
    ]


def _pair(argument, values, example):
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise checks.refusal(
            argument,
            "a pair, for the first part and the second",
            values,
            f"Write, for example, {argument}={example!r}.",
        )
    return values
