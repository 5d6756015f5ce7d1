"""Predictive V-information: how much of the labels a family of models can read.

Mutual information asks what is there, whoever reads it: no encoder can raise it, and a
bijective one keeps all of it. V-information asks what a reader limited to the family V
gets out, so an encoder can create it by making things easier to read. For the family
of all models the two are the same.
"""

from typing import Any

import numpy as np

from keras_infomax import checks

_CLASSES = "Give the class of each row."
# Of a probability of 1 in float32.
_ROUNDING = 1e-5
_LOGARITHMS = "Give those of predict_log_proba."


def label_entropy(labels: Any) -> float:
    """Entropy of the labels' own frequencies, in nats.

    It is what the best constant prediction of these very labels would pay a row.

    Args:
        labels: Integers of shape `(rows,)`, at least one.

    Returns:
        A number from 0, for one class, to log(classes), for equally frequent ones.

    Raises:
        ValueError: If `labels` is empty or not a vector.

    Example:
    >>> round(label_entropy([3, 3, 7, 7]), 4)
    0.6931
    """
    labels = checks.array("labels", labels, "a vector of integers", _CLASSES)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(
            "labels must be a vector of at least one; received shape "
            f"{labels.shape}. {_CLASSES}"
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise checks.refusal("labels", "free of NaN and infinity", labels, _CLASSES)
    _, counts = np.unique(labels, return_counts=True)
    frequencies = counts / len(labels)
    # Not -sum: the entropy of one class should not print as -0.0.
    return float(np.sum(frequencies * -np.log(frequencies)))


def _checked_classes(classes):
    expected = "the class of each column, sorted, of shape (classes,)"
    advice = "Write, for example, classes=np.unique(labels)."
    classes = checks.array("classes", classes, expected, advice)
    if classes.ndim != 1 or not len(classes) or not (np.diff(classes) > 0).all():
        raise checks.refusal("classes", expected, classes, advice)
    return classes


def v_information(log_probabilities: Any, labels: Any, classes: Any) -> float:
    """Held-out estimate of the predictive V-information, in nats.

        I_V = H(labels) - mean_i (-log p(label_i | x_i))

    that is, the `label_entropy` of the held-out labels less the cross-entropy that a
    member of the family V pays on them, which was fitted on other rows. The first term
    is the cost of ignorance, of the best constant prediction. It is taken on the
    held-out labels, not fitted on the training ones; the latter would cost their
    Kullback-Leibler divergence more, so this choice is the cautious one. Hence

    - a model that predicts a constant, whichever, has 0 or less;
    - no model has more than `label_entropy`, which takes a probability of 1 for every
      label;
    - in expectation the estimate is at most I_V, whose definition takes the best
      member of V where this takes a fitted one; an overconfident one can have far less
      than 0.

    Args:
        log_probabilities: Natural logarithms of shape `(rows, classes)`.
        labels: Held-out integer labels of shape `(rows,)`.
        classes: The class of each column, sorted, of shape `(classes,)`. A label that
            is not among them had probability 0, which makes the result minus infinity.

    Returns:
        The information that the predictions hold about the labels, in nats a row.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
    >>> sure = np.log([[0.9, 0.1], [0.1, 0.9]])
    >>> round(v_information(sure, labels=[0, 1], classes=[0, 1]), 4)
    0.5878

    Reference:
        Xu et al., 2020, "A Theory of Usable Information Under Computational
        Constraints", Definitions 1 and 2. https://arxiv.org/abs/2002.10689
    """
    expected = "natural logarithms of shape (rows, classes)"
    log_probabilities = checks.array(
        "log_probabilities", log_probabilities, expected, _LOGARITHMS
    ).astype("float64")
    labels, classes = np.asarray(labels), _checked_classes(classes)
    entropy = label_entropy(labels)
    if log_probabilities.shape != (len(labels), len(classes)):
        raise ValueError(
            f"log_probabilities must have shape (rows, classes), "
            f"({len(labels)}, {len(classes)}); received {log_probabilities.shape}. "
            "Predict the rows whose labels these are."
        )
    if not (log_probabilities <= _ROUNDING).all():  # Nor is NaN.
        raise checks.refusal(
            "log_probabilities",
            "at most 0, and not NaN",
            log_probabilities,
            _LOGARITHMS,
        )
    columns = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    found = log_probabilities[np.arange(len(labels)), columns]
    found = np.where(classes[columns] == labels, found, -np.inf)
    return float(entropy + np.mean(found))
