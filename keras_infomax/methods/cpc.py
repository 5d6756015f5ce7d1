"""Contrastive predictive coding: predicts later encodings of a sequence."""

import keras
from keras import ops

from keras_infomax import checks, encoders
from keras_infomax.critics import BilinearCritic
from keras_infomax.models.infomax import InfoMax
from keras_infomax.models.terms import NEGATIVES, Term
from keras_infomax.views.patches import Patches, Windows


def cpc(
    input_shape,
    patch_size=14,
    stride=None,
    encoder="convnet",
    encoder_units=None,
    encoding_dim=64,
    context="gru",
    context_dim=128,
    predicted_steps=3,
    negatives="same_position",
    representation="patches",
):
    """Predicts the encodings of later patches from a summary of the earlier ones.

    One encoder serves all patches of an image, or all windows of a signal, and a
    causal network makes a context of the encodings up to each position. For each of k
    steps ahead, the context at position t is scored against the encoding at t + k by
    its own bilinear critic. The loss is the mean over the steps. Patches come row by
    row, left to right, so the context depends on the patches above and to the left.

    The choice of negatives decides whether the estimate is a bound:

    - `"same_position"`: the patches at the same position of the other sequences of
      the batch. Pairs are independent, and InfoNCE bounds the mutual information of
      the context and the later patch.
    - `"other_examples"`: all patches of the other sequences. Several patches of one
      sequence are negatives together, and are not independent.
    - `"all_positions"`: also the other patches of the same sequence, as published. The
      estimate is then neither a lower nor an upper bound.
    - `"same_example"`: only the other patches of the same sequence. This is not a
      bound, either.

    Args:
        input_shape: `(height, width, channels)` of images or `(steps, channels)` of
            signals.
        patch_size: Height and width of patches as in `patches.Patches`, or length of
            windows.
        stride: Pixels or samples from one patch to the next, in the same way. Defaults
            to half the patch, rounded up.
        encoder: Encoder of a patch, as in `encoders.get`.
        encoder_units: Sizes of its hidden layers, or its filters; `None` for the
            encoder's own.
        encoding_dim: Size of the encoding of a patch.
        context: Causal network: `"gru"`, or `"convolution"` (two layers of width 3).
        context_dim: Size of the context.
        predicted_steps: The number of steps ahead, k = 1, 2, ...
        negatives: See above.
        representation: Encoding that is probed and exported: `"patches"`, the mean of
            the encodings of all patches, or `"context"`, the last context.

    Returns:
        `InfoMax` whose dataset elements are `((input,),)`.

    Raises:
        ValueError: If a name is unknown, a size is out of range, or there are not more
            patches than steps to predict.

    Reference:
        van den Oord et al., 2018, "Representation Learning with Contrastive
        Predictive Coding", section 2, https://arxiv.org/abs/1807.03748. On negatives:
        Tschannen et al., 2020, section 4, https://arxiv.org/abs/1907.13625.
    """
    encoder = encoders.get(encoder)
    encoder_units = checks.units("encoder_units", encoder_units)
    encoding_dim = checks.positive_integer("encoding_dim", encoding_dim, 64)
    context_dim = checks.positive_integer("context_dim", context_dim, 128)
    make_context = checks.lookup("context", context, CONTEXTS)
    predicted_steps = checks.positive_integer("predicted_steps", predicted_steps, 3)
    negatives = checks.one_of("negatives", negatives, NEGATIVES)
    representation = checks.one_of(
        "representation", representation, ("patches", "context")
    )
    cut = _cut(input_shape, patch_size, stride)
    inputs = keras.Input(tuple(input_shape), name="input")
    pieces = cut(inputs)
    positions, piece_shape = pieces.shape[1], pieces.shape[2:]
    if predicted_steps >= positions:
        raise ValueError(
            f"predicted_steps must lie between 1 and {positions - 1}, since there are "
            f"{positions} patches; received {predicted_steps!r}. Take smaller patches "
            "or a smaller stride to have more."
        )
    encode = encoders.build(encoder, piece_shape, encoder_units, encoding_dim)
    encodings = encode(ops.reshape(pieces, (-1, *piece_shape)))
    encodings = ops.reshape(encodings, (-1, positions, encoding_dim))
    contexts = make_context(context_dim)(encodings)
    outputs = {
        "patches": keras.layers.GlobalAveragePooling1D()(encodings),
        "context": _without(contexts, positions - 1, 0, flat=True),
    }
    terms = []
    for step in range(1, predicted_steps + 1):
        x, y = f"context_{step}", f"patches_{step}"
        outputs[x] = _without(contexts, 0, step)
        outputs[y] = _without(encodings, step, 0)
        terms.append(
            Term(
                x,
                y,
                BilinearCritic(),
                weight=1 / predicted_steps,
                negatives=negatives,
                name=f"step_{step}",
            )
        )
    network = keras.Model(inputs, outputs)
    return InfoMax(network=network, terms=terms, representation=representation)


def _gru(units):
    return keras.layers.GRU(units, return_sequences=True)


def _convolution(units):
    layers = [
        keras.layers.Conv1D(units, 3, padding="causal", activation=activation)
        for activation in ("relu", None)
    ]
    return keras.Sequential(layers)


CONTEXTS = {"gru": _gru, "convolution": _convolution}


def _cut(input_shape, size, stride):
    """The layer that cuts an image or a signal into a sequence."""
    expected = "(height, width, channels) of images or (steps, channels) of signals"
    found = checks.view_shape(
        "input_shape", input_shape, static=True, example=(28, 28, 1), expected=expected
    )
    if len(found) not in (2, 3):
        raise checks.refusal(
            "input_shape",
            expected,
            found,
            "Write, for example, input_shape=(28, 28, 1).",
        )
    axes = len(found) - 1
    sides = checks.sides("patch_size", size, axes)
    if any(side > whole for side, whole in zip(sides, found, strict=False)):
        raise checks.refusal(
            "patch_size",
            f"no larger than the input, {found[:axes]}",
            size,
            "Take smaller patches, or larger inputs.",
        )
    strides = (
        tuple((side + 1) // 2 for side in sides)
        if stride is None
        else checks.sides("stride", stride, axes)
    )
    return Patches(sides, strides) if axes == 2 else Windows(*sides, *strides)


def _without(sequence, first, last, flat=False):
    """A sequence without the first and last positions."""
    cropped = keras.layers.Cropping1D((first, last))(sequence)
    return keras.layers.Flatten()(cropped) if flat else cropped
