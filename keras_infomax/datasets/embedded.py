"""The embedded digits as other kinds of data, for runs without other packages."""

import numpy as np

from keras_infomax.datasets import images, sources
from keras_infomax.datasets.examples import ExampleDataset, from_examples

_DIGITS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
)
_WEIGHTS = ("thin", "plain", "bold")
_SLANTS = ("leaning left", "upright", "leaning right")
_SENTENCES = (
    "a {weight} {digit} {slant}",
    "{slant} a {digit} that is {weight}",
    "the digit {digit} is {weight} and {slant}",
)
# Zero stands for no word.
WORDS = (
    "",
    *sorted(
        set(" ".join((*_DIGITS, *_WEIGHTS, *_SLANTS)).split())
        | {"a", "and", "digit", "is", "that", "the"}
    ),
)
_LENGTH = 8


def digits_as_signals(split_seed: int = 0) -> ExampleDataset:
    """The digits as signals from top to bottom, with 28 steps and 28 channels.

    Args:
        split_seed: Seed of the split.

    Example:
    >>> digits_as_signals().example_shape
    (28, 28)
    """
    train, test, class_names = sources.read_digits(split_seed)
    return from_examples(
        (images.to_float(train[0])[..., 0], train[1]),
        (images.to_float(test[0])[..., 0], test[1]),
        name="digits_as_signals",
        class_names=class_names,
    )


def digits_and_words(split_seed: int = 0) -> ExampleDataset:
    """The digits, each with a sentence about its class, weight and slant.

    The terciles of the sum of pixels over the training digits decide whether a digit is
    thin, plain or bold. The terciles of its slant decide whether it leans left, is
    upright or leans right; the slant is the shift of the ink to the right from one line
    to the line above. One of three sentences is drawn at random, so there are 270
    texts. The prompts of a class are its nine texts with the first sentence.

    Args:
        split_seed: Seed of the split, and of the choice of sentences.

    Returns:
        Data set with examples `{"image": (rows, 28, 28, 1), "text": (rows, 8)}`. Texts
        are indices into `WORDS`.

    Example:
    >>> data = digits_and_words()
    >>> " ".join(WORDS[word] for word in data.train_examples["text"][0]).strip()
    'the digit four is thin and leaning left'
    """
    train, test, class_names = sources.read_digits(split_seed)
    traits = [_traits(split) for split, _ in (train, test)]
    cuts = np.quantile(traits[0], [1 / 3, 2 / 3], axis=0)
    generator = np.random.default_rng(split_seed)
    splits = []
    for (pixels, labels), measured in zip((train, test), traits, strict=True):
        assert labels is not None
        thirds = (measured[:, None] > cuts).sum(axis=1)
        sentences = generator.integers(len(_SENTENCES), size=len(labels))
        texts = [
            _tokens(sentence, label, *third)
            for sentence, label, third in zip(sentences, labels, thirds, strict=True)
        ]
        splits.append(({"image": pixels, "text": np.array(texts)}, labels))
    prompts = [
        [_tokens(0, digit, weight, slant) for weight in range(3) for slant in range(3)]
        for digit in range(10)
    ]
    return from_examples(
        splits[0],
        splits[1],
        name="digits_and_words",
        class_names=class_names,
        prompts=np.array(prompts),
    )


def _tokens(sentence, digit, weight, slant):
    text = _SENTENCES[sentence].format(
        digit=_DIGITS[digit], weight=_WEIGHTS[weight], slant=_SLANTS[slant]
    )
    words = [WORDS.index(word) for word in text.split()]
    return words + [0] * (_LENGTH - len(words))


def _traits(pixels):
    """Sum of pixels of each digit, and its slant in columns per line."""
    ink = pixels[..., 0] / 255.0
    total = ink.sum(axis=(1, 2))
    lines, columns = np.arange(28.0)[:, None], np.arange(28.0)[None]
    line = (ink * lines).sum(axis=(1, 2)) / total
    column = (ink * columns).sum(axis=(1, 2)) / total
    lines = lines - line[:, None, None]
    columns = columns - column[:, None, None]
    covariance = (ink * lines * columns).sum(axis=(1, 2))
    variance = (ink * lines**2).sum(axis=(1, 2))
    return np.stack([total, -covariance / variance], axis=1)
