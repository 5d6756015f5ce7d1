"""Evaluates an encoder by several probes, and encodes the views only once."""

from collections.abc import Mapping
from typing import Any

import keras

from keras_infomax import checks, structures
from keras_infomax.probes.encoding import checked_views, encode_all
from keras_infomax.probes.probe import Judgement
from keras_infomax.probes.rows import (
    checked_labels,
    rows_of_views,
    views_as_arrays,
)

Labelled = tuple[Any, Any]


def judge(
    probes: Mapping[str, Any],
    encoder: keras.Layer | None,
    train: Labelled,
    test: Labelled,
) -> dict[str, Judgement]:
    """Fits probes on one labeled set and evaluates them on another.

    Frozen probes receive encodings and are fitted in place. The others receive views
    and are copied for this encoder; the copies are fitted.

    Args:
        probes: Probes by name. Each is a `Probe`, or any object whose `fit(x, labels)`
            returns an object with `score(x, labels)`; the judgement of the latter has
            only the accuracy.
        encoder: Keras model or layer from views to encodings, which must not change; or
            `None` for the baseline of frozen probes on the raw views. Probes that are
            not frozen have no baseline and are left out. Views with texts have none.
        train: Pair `(views, labels)` for fitting; views are an array, or any structure
            of arrays that the encoder takes.
        test: Pair `(views, labels)` for evaluation.

    Returns:
        The judgement of each probe, by name.

    Raises:
        ValueError: If rows, labels or encodings are invalid; see `Probe.fit` and
            `encode`.
        RuntimeError: If encoding changes the encoder.

    Example:
    >>> from keras_infomax.probes import LogisticProbe
    >>> encoder = keras.layers.Dense(1, kernel_initializer="ones")
    >>> train, test = ([[0.0, 0.0], [1.0, 1.0]], [0, 1]), ([[1.0, 2.0]], [1])
    >>> judge({"linear": LogisticProbe()}, encoder, train, test)["linear"].accuracy
    1.0
    """
    checks.mapping(
        "probes", probes, "Write, for example, probes={'linear': LogisticProbe()}."
    )
    for probe in probes.values():
        if not hasattr(probe, "fit") or isinstance(probe, type):
            raise checks.refusal(
                "probes",
                "a dictionary of objects with fit(x, labels)",
                probe,
                "Write, for example, probes={'linear': LogisticProbe()}.",
            )
    checks.encoder("encoder", encoder, optional=True)
    for argument, pair in (("train", train), ("test", test)):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise checks.refusal(
                argument,
                "a pair (views, labels) of arrays",
                pair,
                "Collect a data set into two arrays first.",
            )
    train, test = (
        _checked(argument, encoder, *pair)
        for argument, pair in (("train", train), ("test", test))
    )
    frozen = {name: p for name, p in probes.items() if getattr(p, "frozen", True)}
    encoded_train, encoded_test = train, test
    if encoder is None:
        rows = [rows_of_views(views) for views, _ in (train, test)]
        if any(of_views is None for of_views in rows):
            return {}
        encoded_train, encoded_test = (rows[0], train[1]), (rows[1], test[1])
    elif frozen:
        sets = encode_all(encoder, [views for views, _ in (train, test)])
        encoded_train, encoded_test = (sets[0], train[1]), (sets[1], test[1])
    judgements = {}
    for name, probe in probes.items():
        if name in frozen:
            judgements[name] = _measure(probe.fit(*encoded_train), *encoded_test)
        elif encoder is not None:
            judgements[name] = _measure(probe.of(encoder).fit(*train), *test)
    return judgements


def _checked(argument, encoder, views, labels):
    if encoder is None:
        views = views_as_arrays(argument, views)
    else:
        views = checked_views(encoder, views, argument)
    return views, checked_labels(argument, labels, structures.rows_of(views))


def _measure(fitted: Any, x: Any, labels: Any) -> Judgement:
    if hasattr(fitted, "measure"):
        return fitted.measure(x, labels)
    return Judgement(fitted.score(x, labels))
