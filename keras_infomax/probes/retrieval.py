"""Retrieval of one modality by the other, and classification by prompts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_infomax import checks


def recall_at(
    scores: Any, partners: Any, ks: Sequence[int] = (1, 5, 10)
) -> dict[int, float]:
    """Fraction of queries with a partner among the candidates of highest score.

    Half of the candidates with equal scores count as higher, so constant scores have
    the recall of chance.

    Args:
        scores: Array `(queries, candidates)`.
        partners: Boolean array `(queries, candidates)`: the candidates that answer a
            query. A query without partners is left out.
        ks: Numbers of candidates to consider.

    Returns:
        Recall by k, each in [0, 1].

    Raises:
        ValueError: If the arrays are not of one shape, the scores are not finite, no
            query has a partner, or a k is not a positive integer.

    Example:
    >>> recall_at([[3.0, 2.0, 1.0], [2.0, 3.0, 1.0]], np.eye(2, 3, 1) > 0, ks=(1, 2))
    {1: 0.0, 2: 0.5}
    """
    scores = checks.array(
        "scores", scores, "an array (queries, candidates)", "Give numbers."
    )
    found = np.asarray(partners)
    if scores.ndim != 2 or found.shape != scores.shape or found.dtype != bool:
        raise checks.refusal(
            "partners",
            f"booleans of the shape {scores.shape} of scores",
            partners,
            "Write, for example, partners=labels[:, None] == labels[None].",
        )
    if not np.isfinite(scores).all():
        raise checks.refusal("scores", "finite", scores, "Look for NaN in the encoder.")
    ks = checks.sizes("ks", ks, empty=False, example=(1, 5))
    looking = found.any(axis=1)
    if not looking.any():
        raise checks.refusal(
            "partners", "True somewhere", partners, "A query needs a partner."
        )
    scores, found = scores[looking], found[looking]
    best = np.where(found, scores, -np.inf).max(axis=1, keepdims=True)
    higher = (scores > best).sum(axis=1)
    equal = ((scores == best) & ~found).sum(axis=1)
    rank = higher + equal / 2
    return {k: float(np.mean(rank < k)) for k in ks}


def zero_shot(scores: Any, labels: Any) -> float:
    """Accuracy of the class whose prompts have the highest mean score.

    Args:
        scores: Array `(rows, classes, prompts)`.
        labels: Integers `(rows,)`, at least 0 and less than the number of classes.

    Returns:
        Fraction of rows, in [0, 1].

    Raises:
        ValueError: If the arrays are not as described.

    Example:
    >>> zero_shot([[[1.0, 2.0], [0.0, 1.0]]], [0])
    1.0

    Reference:
        Radford et al., 2021, section 3.1.4, https://arxiv.org/abs/2103.00020.
    """
    scores = checks.array(
        "scores", scores, "an array (rows, classes, prompts)", "Give numbers."
    )
    labels = checks.array("labels", labels, "integers (rows,)", "Give the classes.")
    fits = scores.ndim == 3 and labels.shape == scores.shape[:1] and scores.size
    if not fits or not np.isin(labels, np.arange(scores.shape[1])).all():
        raise checks.refusal(
            "labels",
            "the class of each row of scores (rows, classes, prompts)",
            labels,
            f"The scores have shape {scores.shape}.",
        )
    return float(np.mean(scores.mean(axis=2).argmax(axis=1) == labels))
