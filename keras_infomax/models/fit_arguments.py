"""Checks the arguments of `fit`, `evaluate`, `predict` and the methods on batches.

`fit_data` brings the data among them into one form.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_infomax import checks, private
from keras_infomax.models import fit_data


def checked(method: str, given: dict[str, Any], least: int) -> dict[str, Any]:
    """Checks the arguments of a method of Keras, for a model of pairs.

    Args:
        method: Name of the method.
        given: All of its arguments, by name.
        least: Smallest number of rows in a batch.

    Returns:
        The arguments, with the data in the form that such a model unpacks.

    Raises:
        ValueError: If one is invalid.
    """
    return _CHECKS[method](method, {**given}, least)


def _checked_fit(method, given, least):
    given["x"] = fit_data.texts_as_tensors(given["x"])
    validation = fit_data.texts_as_tensors(given["validation_data"])
    fit_data.check_no_targets(method, given["y"], given["class_weight"])
    given["epochs"] = checks.integer("epochs", given["epochs"], 0, 10)
    given["initial_epoch"] = checks.integer(
        "initial_epoch", given["initial_epoch"], 0, 0
    )
    of_validation = ("validation_steps", "validation_batch_size")
    counts = ("batch_size", "steps_per_epoch", *of_validation)
    check_counts(**{name: given[name] for name in counts})
    check_choices(
        given["shuffle"], given["verbose"], validation_freq=given["validation_freq"]
    )
    part = checks.probability("validation_split", given["validation_split"], "[)", 0.1)
    given["callbacks"] = checked_callbacks(given["callbacks"])
    weights = given["sample_weight"]
    if part and validation is None:
        (given["x"], weights), held_out = fit_data.split(given["x"], weights, part)
        validation = (held_out[0], None, held_out[1])
    check_validation(
        validation is not None, **{name: given[name] for name in of_validation}
    )
    given["x"] = fit_data.checked_data(
        method,
        given["x"],
        weights,
        given["batch_size"],
        given["steps_per_epoch"],
        least,
    )
    if validation is not None:
        validation = fit_data.checked_validation(
            validation,
            given["validation_batch_size"],
            given["batch_size"],
            given["validation_steps"],
            least,
        )
    given["validation_data"] = validation
    return given | {"sample_weight": None, "validation_split": 0.0}


def _checked_evaluate(method, given, least):
    # `fit` has checked its validation data already.
    if private.is_in_fit(given["kwargs"]):
        return given
    fit_data.check_no_targets(method, given["y"])
    check_counts(batch_size=given["batch_size"], steps=given["steps"])
    check_choices(verbose=given["verbose"])
    given["callbacks"] = checked_callbacks(given["callbacks"])
    given["x"] = fit_data.checked_data(
        method,
        fit_data.texts_as_tensors(given["x"]),
        given["sample_weight"],
        given["batch_size"],
        given["steps"],
        least,
    )
    return given | {"sample_weight": None}


def _checked_predict(method, given, least):
    check_counts(batch_size=given["batch_size"], steps=given["steps"])
    check_choices(verbose=given["verbose"])
    given["callbacks"] = checked_callbacks(given["callbacks"])
    return _checked_views_alone(method, given, least)


def _checked_views_alone(method, given, least):
    x = fit_data.texts_as_tensors(given["x"])
    return given | {"x": fit_data.checked_views(method, x)}


def _checked_on_batch(method, given, least):
    fit_data.check_no_targets(method, given["y"], given.get("class_weight"))
    x = fit_data.texts_as_tensors(given["x"])
    x, weights = fit_data.checked_batch(method, x, given["sample_weight"], least)
    return given | {"x": x, "sample_weight": weights}


_CHECKS: dict[str, Callable[..., dict[str, Any]]] = {
    "fit": _checked_fit,
    "evaluate": _checked_evaluate,
    "predict": _checked_predict,
    "train_on_batch": _checked_on_batch,
    "test_on_batch": _checked_on_batch,
    "predict_on_batch": _checked_views_alone,
}


def check_compiled(method: str, model: keras.Model) -> None:
    """Raises if a model was not compiled.

    Args:
        method: Name of the method that was called.
        model: The model.

    Raises:
        ValueError: If it was not.
    """
    if not model.compiled:
        raise ValueError(
            f"{method} must be called on a compiled model; received {model.name!r}, "
            "which is not. First call `compile(optimizer, loss)`."
        )


def check_counts(**counts: Any) -> None:
    """Raises unless counts are positive integers or `None`.

    Args:
        **counts: Numbers of rows or steps, by argument.

    Raises:
        ValueError: If one is neither; the message names the argument.
    """
    for argument, value in counts.items():
        checks.positive_integer(argument, value, optional=True)


def check_choices(shuffle: Any = True, verbose: Any = "auto", **lists: Any) -> None:
    """Refuses values that Keras would read as other values.

    Args:
        shuffle: Argument of `fit`.
        verbose: Argument of `fit`.
        **lists: Arguments that may be an integer of at least 1, or a list of them.

    Raises:
        ValueError: If a value is not one that the argument takes.
    """
    checks.one_of(
        "shuffle",
        bool(shuffle) if isinstance(shuffle, np.bool_) else shuffle,
        (True, False, "batch"),
    )
    checks.one_of(
        "verbose",
        int(verbose) if isinstance(verbose, bool) else verbose,
        ("auto", 0, 1, 2),
    )
    for argument, values in lists.items():
        several = isinstance(values, (list, tuple, set, range))
        for value in values if several else (values,):
            checks.positive_integer(argument, value, 1)


def checked_callbacks(callbacks: Any) -> Any:
    """Callbacks as a list.

    Args:
        callbacks: Callback, list of them, `CallbackList`, or `None`.

    Returns:
        New list, or the `CallbackList`.

    Raises:
        ValueError: If an element is not a callback.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    found = [] if callbacks is None else keras.tree.flatten(callbacks)
    for callback in found:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(
                "callbacks must be a keras.callbacks.Callback, or a list of them; "
                f"received {callback!r}. Derive your own callback from this class, and "
                "pass an instance."
            )
    return found


def check_validation(given: bool, **options: Any) -> None:
    """Refuses options of validation without validation data.

    Args:
        given: Whether there are validation data.
        **options: Values by argument.

    Raises:
        ValueError: If an option is given without data.
    """
    for argument, value in options.items():
        if value is not None and not given:
            raise ValueError(
                f"{argument} needs validation_data or validation_split; received "
                f"{argument}={value!r} alone."
            )
