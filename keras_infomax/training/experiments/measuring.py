"""Makes the callbacks that measure the model of an experiment."""

from typing import Any

import keras
import numpy as np

from keras_infomax import callbacks, datasets, models, views
from keras_infomax.training.experiments import parts
from keras_infomax.training.settings import Settings


def make_probes(
    settings: Settings, data: datasets.Dataset, views_of: Any
) -> list[keras.callbacks.Callback]:
    """A linear probe of view x, and optionally one that stops early.

    Random views are drawn once for each split and fixed for the whole run. So the curve
    shows only changes of the encoder, and the raw baseline uses the same draw.

    Args:
        settings: Settings.
        data: Data set whose splits fit and evaluate the probe.
        views_of: Function of examples to their views.

    Returns:
        List with the linear probe first; empty if a split has no labels, or all labels
        are of one class.
    """
    if data.train_labels is None or data.test_labels is None:
        return []
    if len(np.unique(data.train_labels)) < 2:
        print(f"No probe: all training examples of {data.name!r} are of one class.")
        return []
    train = _probed(settings, views_of, data.train_examples, data.train_labels, -1)
    test = _probed(settings, views_of, data.test_examples, data.test_labels, -2)
    found: list[keras.callbacks.Callback] = [callbacks.LinearProbe(train, test)]
    if settings.stopped_probe:
        stopped = {"stopped": "linear_stopped"}
        found.append(callbacks.Probes(train, test, stopped))
    return found


def make_selection(
    settings: Settings,
    data: datasets.Dataset,
    validation: tuple[Any, np.ndarray] | None,
    views_of: Any,
) -> list[keras.callbacks.Callback]:
    """The probe that selects the best evaluation, if the settings ask for it.

    Args:
        settings: Settings.
        data: Data set whose training split fits the probe.
        validation: Examples and labels for its score, or `None`.
        views_of: Function of examples to their views.
    """
    if validation is None:
        return []
    train = _probed(settings, views_of, data.train_examples, data.train_labels, -1)
    held_out = _probed(settings, views_of, *validation, -3)
    return [callbacks.Probes(train, held_out, {"selection": "linear"})]


def _probed(settings, views_of, examples, labels, draw):
    """View x of examples, in one fixed draw, with their labels."""
    return parts.as_arrays(
        parts.draw(views_of, examples, settings.seed, draw)[0]
    ), labels


def make_retrieval(
    settings: Settings, data: datasets.Dataset, model: models.InfoMax
) -> list[keras.callbacks.Callback]:
    """Retrieval between the parts of test examples, if the parts are the views.

    Also zero-shot classification, if the data have labels and prompts.
    """
    if (
        not isinstance(parts.make_views(settings), views.Parts)
        or model.network is not None
    ):
        return []
    drawn = parts.draw(views.get("parts"), data.test_examples, settings.seed, -2)
    pair = tuple(map(parts.as_arrays, drawn))
    if not all(isinstance(view, np.ndarray) for view in pair):
        return []
    found: list[keras.callbacks.Callback] = [callbacks.Retrieval(pair)]
    if data.prompts is not None and data.test_labels is not None:
        found.append(callbacks.ZeroShot(pair[0], data.test_labels, data.prompts))
    return found


def make_condition_numbers(
    settings: Settings, data: datasets.Dataset, views_of: Any
) -> list[keras.callbacks.Callback]:
    """Condition numbers of encoder x on some training views, if requested.

    The examples and the draws of their views are random, and fixed for the whole run.

    Raises:
        ValueError: If there are too few examples.
    """
    rows = datasets.rows_of(data.train_examples)
    if settings.jacobian_rows > rows:
        raise ValueError(
            "config.jacobian_rows must be at most the number of training examples; "
            f"received {settings.jacobian_rows}, and {rows} examples. Use "
            f"--config.jacobian_rows={rows} or fewer."
        )
    if settings.jacobian_rows == 0:
        return []
    order = np.random.default_rng(settings.seed).permutation(rows)
    examples = datasets.taken(data.train_examples, order[: settings.jacobian_rows])
    view_x = parts.draw(views_of, examples, settings.seed, -3)[0]
    return [callbacks.ConditionNumbers(parts.as_arrays(view_x))]
