"""The nearest known word, for messages about unknown names."""

import difflib
from collections.abc import Iterable
from typing import Any


def nearest(word: Any, known: Iterable[str]) -> str:
    """A hint such as ` Did you mean 'mlp'?`, or an empty string.

    Args:
        word: What was given; what is no string is like none.
        known: What would have been known.

    Example:
    >>> nearest("bilinaer", ["bilinear", "mlp"])
    " Did you mean 'bilinear'?"
    >>> nearest("MLP", ["bilinear", "mlp"])
    " Did you mean 'mlp'?"
    """
    close = nearest_word(word, known)
    return f" Did you mean {close!r}?" if close else ""


def nearest_word(word: Any, known: Iterable[str]) -> str | None:
    """The nearest of the known words, or `None` if none is near.

    Args:
        word: What was given; what is no string is like none.
        known: What would have been known.
    """
    if not isinstance(word, str):
        return None
    # Without case, so that a class name such as InfoNCE is near its short name.
    by_folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[close[0]] if close else None
