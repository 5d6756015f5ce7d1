"""Predictive V-information: how much a family of models can learn about the labels.

Mutual information does not depend on a model: no encoder can raise it, and a bijective
encoder keeps all of it. V-information is the part that models of a family V can use, so
an encoder can raise it by making information easier to use. For the family of all
models, the two are equal.
"""

from typing import Any

import numpy as np

from keras_infomax import checks

_CLASSES = "Give the class of each row."
# Rounding error of the logarithm of 1 in float32.
_ROUNDING = 1e-5
_LOGARITHMS = "Use the result of predict_log_proba."


def label_entropy(labels: Any) -> float:
    """Entropy of the empirical frequencies of labels, in nats.

    It is the cross-entropy per row of the best constant prediction of these labels.

    Args:
        labels: Integers of shape `(rows,)`, at least one.

    Returns:
        A number from 0, for one class, to log(classes), for equally frequent classes.

    Raises:
        ValueError: If `labels` is empty or not a vector.

    Example:
    >>> round(label_entropy([3, 3, 7, 7]), 4)
    0.6931
    """
    labels = checks.array("labels", labels, "a vector of integers", _CLASSES)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(
            "labels must be a vector with at least one element; received shape "
            f"{labels.shape}. {_CLASSES}"
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise checks.refusal("labels", "free of NaN and infinity", labels, _CLASSES)
    _, counts = np.unique(labels, return_counts=True)
    frequencies = counts / len(labels)
    # Not -sum, which would print the entropy of one class as -0.0.
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

    that is, the `label_entropy` of the held-out labels minus the cross-entropy on them
    of a model of the family V that was fitted on other rows. The first term is the loss
    of the best constant prediction. Its frequencies are those of the held-out labels;
    frequencies of the training labels would raise the estimate by a Kullback-Leibler
    divergence, so this choice is conservative. Hence

    - a constant prediction has at most 0;
    - a model has at most `label_entropy`, which needs a probability of 1 for every
      label;
    - the expected estimate is at most I_V, which is defined by the best model of V,
      not by a fitted one. An overconfident model can be far below 0.

    Args:
        log_probabilities: Natural logarithms of shape `(rows, classes)`.
        labels: Held-out integer labels of shape `(rows,)`.
        classes: The class of each column, sorted, of shape `(classes,)`. A label that
            is not among them has probability 0, which makes the result minus infinity.

    Returns:
        The information of the predictions about the labels, in nats per row.

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
            f"log_probabilities must have shape (rows, classes), ({len(labels)}, "
            f"{len(classes)}); received {log_probabilities.shape}. Predict the rows of "
            "these labels."
        )
    if not (log_probabilities <= _ROUNDING).all():  # False for NaN.
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
