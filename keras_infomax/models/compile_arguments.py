"""Checks and converts the arguments of `compile` for a model of scores.

Losses and metrics receive partners (the column of each row's true pair) and scores
(logits). Of Keras's own, only those of sparse classes fit. Their names mean the
versions for logits here. Losses and metrics of two arrays of one shape are refused.
"""

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_infomax import checks, losses, private
from keras_infomax.checks import lookup, nearest

# Names by which Keras chooses a cross-entropy; only one fits the shapes here.
_CROSSENTROPY = (
    "sparse_categorical_crossentropy",
    "SparseCategoricalCrossentropy",
    "crossentropy",
    "ce",
)
_ACCURACY = ("accuracy", "acc")
_METRICS = (
    keras.metrics.SparseCategoricalAccuracy,
    keras.metrics.SparseTopKCategoricalAccuracy,
    keras.metrics.SparseCategoricalCrossentropy,
)
_METRIC_FUNCTIONS = (
    keras.metrics.sparse_categorical_accuracy,
    keras.metrics.sparse_top_k_categorical_accuracy,
)
_USE_LOSS = (
    "Use 'infonce' or another loss of keras_infomax.losses, or "
    "'sparse_categorical_crossentropy'."
)
_USE_METRIC = (
    "Use 'accuracy', 'sparse_top_k_categorical_accuracy' or "
    "'sparse_categorical_crossentropy'."
)


def checked_loss(loss: Any) -> Any:
    """A loss of partners and scores.

    Args:
        loss: Loss, its class or its name, ours or one of Keras, or a function of
            partners and scores, or `None`.

    Returns:
        Loss or function; `None` for `None`.

    Raises:
        ValueError: If the name is unknown, or a loss of Keras does not take partners
            and logits.
    """
    if loss is None:
        return None
    if isinstance(loss, str):
        if loss in _CROSSENTROPY:
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if _knows(keras.losses.get, loss):
            raise _unfit("loss", loss, _USE_LOSS)
        return lookup("loss", loss, losses.LOSSES)()
    if loss is keras.losses.SparseCategoricalCrossentropy:
        return loss(from_logits=True)
    if inspect.isclass(loss) or (isinstance(loss, Mapping) and "class_name" in loss):
        loss = keras.losses.get(loss)
    if keras.tree.is_nested(loss) or not callable(loss):
        raise ValueError(
            "loss must be one loss of partners and scores, for all terms; received "
            f"{loss!r}. {_USE_LOSS} Weight the terms with loss_weights."
        )
    function, options = _parts(loss)
    if not _is_of_keras(function):
        return loss
    if function is not keras.losses.sparse_categorical_crossentropy:
        raise _unfit("loss", loss, _USE_LOSS)
    if not options.get("from_logits"):
        raise _takes_probabilities("loss", loss)
    return loss


def checked_loss_weights(loss_weights: Any, terms: Sequence[str]) -> dict[str, float]:
    """Factors of the losses of terms.

    Args:
        loss_weights: Number for all terms, dictionary by name of a term, list with one
            number for each term, or `None`.
        terms: Names of the terms.

    Returns:
        Dictionary by term.

    Raises:
        ValueError: If a number is not finite, or a term unknown.
    """
    if loss_weights is None:
        given: dict[str, Any] = {}
    elif isinstance(loss_weights, Mapping):
        given = dict(loss_weights)
    elif isinstance(loss_weights, (list, tuple)):
        if len(loss_weights) != len(terms):
            raise ValueError(
                f"loss_weights must hold one number for each of the {len(terms)} "
                f"terms, {', '.join(terms)}; received {loss_weights!r}."
            )
        given = dict(zip(terms, loss_weights, strict=True))
    else:
        given = dict.fromkeys(terms, loss_weights)
    _check_terms("loss_weights", given, terms)
    for weight in given.values():
        checks.number(
            "loss_weights",
            weight,
            "a finite number, or a dictionary of them by term",
            lambda value: True,
            0.5,
            f"By term, it is {{{terms[0]!r}: 0.5}}.",
        )
    return {name: float(given.get(name, 1.0)) for name in terms}


def checked_metrics(
    argument: str, metrics: Any, terms: Sequence[str]
) -> dict[str, list[Any]] | None:
    """Metrics of partners and scores.

    Args:
        argument: Name of the argument, for messages.
        metrics: List of metrics or names; with several terms, a dictionary of such
            lists by name of a term, or a list with one for each term.
        terms: Names of the terms.

    Returns:
        Dictionary of lists by term; `None` for `None`.

    Raises:
        ValueError: If a name is unknown, or a metric of Keras does not take partners
            and logits.
    """
    if not metrics:
        return None if metrics is None else {name: [] for name in terms}
    if isinstance(metrics, Mapping):
        _check_terms(argument, metrics, terms)
        by_term = dict(metrics)
    elif not isinstance(metrics, (list, tuple)):
        raise ValueError(
            f"{argument} must be a list of metrics, such as ['accuracy']; received "
            f"{metrics!r}."
        )
    elif len(terms) == 1:
        by_term = {terms[0]: metrics}
    elif len(metrics) == len(terms):
        by_term = dict(zip(terms, metrics, strict=True))
    else:
        raise ValueError(
            f"{argument} must name a term, as {{{terms[0]!r}: ['accuracy']}}; "
            f"received {metrics!r}. The terms are {', '.join(terms)}."
        )
    return {
        name: [_checked_metric(argument, m) for m in keras.tree.flatten(of_term or [])]
        for name in terms
        if (of_term := by_term.get(name)) is not None or len(terms) == 1
    }


def is_of_keras(part: Any) -> bool:
    """Whether a loss or metric is one of Keras, which takes one partner for each row.

    Args:
        part: What `checked_loss` returned, or one of `checked_metrics`.
    """
    return isinstance(part, str) or _is_of_keras(_parts(part)[0])


def check_none_of_scores(loss: Any, *metrics: dict[str, list[Any]] | None) -> None:
    """Refuses metrics of Keras with a loss on encodings, which gives them no scores.

    Args:
        loss: A loss on encodings.
        *metrics: What `checked_metrics` returned.

    Raises:
        ValueError: If there is one.
    """
    every = keras.tree.flatten([list((by_term or {}).values()) for by_term in metrics])
    of_scores = [_name(metric) for metric in every if is_of_keras(metric)]
    if of_scores:
        raise ValueError(
            f"metrics must be functions of encodings x and y with the loss "
            f"{loss.name!r}, which scores no pairs; received {', '.join(of_scores)}. "
            "Leave them out, or judge encodings by keras_infomax.callbacks.LinearProbe."
        )


def check_densities(loss: Any, terms: Sequence[Any]) -> None:
    """Refuses a bound on log densities if the critic gives other scores.

    Args:
        loss: What `checked_loss` returned.
        terms: Terms of the model.

    Raises:
        ValueError: If the scores of a term are not log densities.
    """
    of = getattr(loss, "bound", loss)  # The bound of a target loss.
    if not getattr(of, "takes_log_densities", False):
        return
    for term in terms:
        if not getattr(term.critic, "gives_log_densities", False):
            raise ValueError(
                f"The loss {of.name!r} bounds mutual information only where the critic "
                "gives log densities of y given x, and says gives_log_densities = True "
                f"in its class; received {type(term.critic).__name__}. Use critic="
                "'conditional_gaussian'."
            )


def check_state(loss: Any, terms: Sequence[str]) -> None:
    """Refuses a loss with a state if several terms would update it in turn.

    Args:
        loss: What `checked_loss` returned.
        terms: Names of the terms.

    Raises:
        ValueError: If the loss has a state and there are several terms.
    """
    if len(terms) > 1 and getattr(loss, "variables", None):
        raise ValueError(
            f"loss must have no state in a model of several terms, {', '.join(terms)}, "
            f"since they would share it; received {loss.name!r}. Use "
            "'donsker_varadhan' or another loss, or one term."
        )


def _checked_metric(argument, metric):
    if isinstance(metric, str):
        if metric in _CROSSENTROPY:
            return keras.metrics.SparseCategoricalCrossentropy(
                name=metric, from_logits=True
            )
        if metric in _ACCURACY:
            return keras.metrics.SparseCategoricalAccuracy(name=metric)
        if not _knows(keras.metrics.get, metric):
            hint = nearest(metric, _names_of_metrics())
            raise ValueError(f"Unknown metric {metric!r}.{hint} {_USE_METRIC}")
        if type(keras.metrics.get(metric)) not in _METRICS:
            raise _unfit(argument, metric, _USE_METRIC)
        return metric
    if metric is keras.metrics.SparseCategoricalCrossentropy:
        return metric(from_logits=True)
    if inspect.isclass(metric) or isinstance(metric, Mapping):
        metric = keras.metrics.get(metric)
    if isinstance(metric, losses.ScoreLoss):
        return losses.LossMetric(metric)
    if not callable(metric):
        raise ValueError(
            f"{argument} must be metrics, functions of partners and scores, or names; "
            f"received {metric!r}. {_USE_METRIC}"
        )
    function, options = _parts(metric)
    if not _is_of_keras(function) or function in _METRIC_FUNCTIONS:
        return metric
    takes_logits = type(metric) in _METRICS[:2] or options.get("from_logits")
    if function is keras.metrics.sparse_categorical_crossentropy or (
        type(metric) is keras.metrics.SparseCategoricalCrossentropy
    ):
        if not takes_logits:
            raise _takes_probabilities(argument, metric)
    elif not takes_logits:
        raise _unfit(argument, metric, _USE_METRIC)
    is_mean = getattr(metric, "reduction", None) == "sum_over_batch_size"
    if isinstance(metric, keras.losses.Loss) and is_mean:
        return losses.LossMetric(metric)
    return metric


def _parts(part):
    """The function or class of a loss or metric, and its options.

    Returns:
        Pair of a function or class, and a dictionary.
    """
    if isinstance(part, losses.LossMetric):
        return _parts(part.loss)
    if isinstance(part, functools.partial):
        return part.func, part.keywords
    if type(part) is keras.metrics.MeanMetricWrapper:
        return private.averaged_function(part)
    if isinstance(part, (keras.losses.Loss, keras.metrics.Metric)):
        of_keras = _is_of_keras(type(part))
        kinds = (
            keras.losses.SparseCategoricalCrossentropy,
            keras.metrics.SparseCategoricalCrossentropy,
        )
        if not (of_keras or isinstance(part, kinds)):
            return type(part), {}
        options = {"from_logits": getattr(part, "from_logits", None)}
        return getattr(part, "fn", type(part)), options
    return part, {}


def _is_of_keras(part):
    return (getattr(part, "__module__", None) or "").startswith("keras.")


def _knows(get, name):
    try:
        get(name)
    except ValueError:
        return False
    return True


def _names_of_metrics():
    return [*_CROSSENTROPY, *_ACCURACY, *(f.__name__ for f in _METRIC_FUNCTIONS)]


def _check_terms(argument, given, terms):
    unknown = [name for name in given if name not in terms]
    if unknown:
        raise ValueError(
            f"{argument} must name terms of the model, {', '.join(terms)}; received "
            f"{', '.join(map(repr, unknown))}."
        )


def _unfit(argument, part, use):
    return ValueError(
        f"{argument} must take partners (rows,), the column of each row's true pair, "
        f"and scores (rows, columns); received {_name(part)}, which takes something "
        f"else. {use}"
    )


def _takes_probabilities(argument, part):
    return ValueError(
        f"{argument} must take scores as logits; received {_name(part)}, which takes "
        "probabilities. Use 'sparse_categorical_crossentropy', or give it "
        "from_logits=True."
    )


def _name(part):
    if isinstance(part, str):
        return repr(part)
    return getattr(part, "__name__", None) or type(part).__name__
