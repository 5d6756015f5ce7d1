"""Builds an `Experiment`, which a run trains and measures, from settings.

The plain experiment, `infomax`, and those of `methods` are here. Other modules have the
experiments with which the paper compares them.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import datasets, models
from keras_infomax.checks import nearest
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.training.experiments import effects, measuring, parts
from keras_infomax.training.settings import Settings


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A model, its training data, and the callbacks that measure it.

    Args:
        model: Built and compiled Keras model.
        batches: Function from the first step and a number of steps to the dataset of
            these steps. Each batch must depend only on its step and the seed. Otherwise
            a resumed run would differ from an uninterrupted one.
        held_out: Dataset for evaluation, or `None`.
        measuring: Callbacks with a property `measurements`, a dictionary of the latest
            values by column of `measures.MEASURES`.
        data: Data set of the batches, or `None` if they are drawn at random.
        mi_ceiling: Largest value that the estimate can take, in nats, or `None`.
        true_mi: True mutual information in nats, or `None` if it is unknown.
    """

    model: keras.Model
    batches: Callable[[int, int], tf.data.Dataset]
    held_out: tf.data.Dataset | None = None
    measuring: Sequence[keras.callbacks.Callback] = ()
    data: datasets.Dataset | None = None
    mi_ceiling: float | None = None
    true_mi: float | None = None


def infomax(settings: Settings, data: datasets.Dataset | None = None) -> Experiment:
    """Two encoders and a critic, trained by a bound on two views of examples.

    Args:
        settings: Settings.
        data: Data set to use instead of loading `settings.dataset`. Without labels
            there is no probe.

    Raises:
        ValueError: If the settings or the data are unfit.
    """
    if settings.options:
        raise ValueError(
            "config.options must be empty for the experiment 'infomax', since only "
            f"methods have options; received {', '.join(settings.options)}."
        )
    effects.check_effect(settings, ("warm_up_steps",), "the experiment 'infomax'")
    data = load_data(settings, data)
    model = parts.make_model(settings, data, parts.make_views(settings))
    return of_model(settings, data, model)


def method(
    settings: Settings,
    data: datasets.Dataset | None = None,
    *,
    build: Callable[..., models.InfoMax],
) -> Experiment:
    """A method of `methods`, trained on views of examples and probed.

    Args:
        settings: Settings; `options` are the arguments of the method. Settings of the
            encoder and the critic are refused.
        data: Data set to use instead of loading `settings.dataset`.
        build: Function from the shape of an example, and options, to the model.

    Raises:
        ValueError: If the settings or the data are invalid, or the method has no such
            option.
    """
    what = f"the method {settings.experiment!r}, whose parts are config.options"
    effects.check_effect(
        settings, (*effects.OF_ENCODERS, *effects.OF_CRITICS, "warm_up_steps"), what
    )
    known = [*inspect.signature(build).parameters][1:]
    for option in settings.options:
        if option not in known:
            raise ValueError(
                f"Unknown key config.options.{option} of the method "
                f"{settings.experiment!r}.{nearest(option, known)} Expected keys: "
                f"{', '.join(known)}."
            )
    data = load_data(settings, data)
    options = dict(settings.options)
    if "vocabulary_size" in known and "vocabulary_size" not in options:
        options["vocabulary_size"] = _vocabulary_size(data)
    model = build(data.example_shape, **options)
    return of_model(settings, data, model)


def _vocabulary_size(data: datasets.Dataset) -> int:
    """One more than the largest token of the texts."""
    every = keras.tree.flatten((data.train_examples, data.test_examples))
    found = [part for part in every if part.dtype == "int32" and part.size]
    if data.prompts is not None:
        found.append(data.prompts)
    return 1 + max((int(part.max()) for part in found), default=1)


def of_model(
    settings: Settings, data: datasets.Dataset, model: models.InfoMax
) -> Experiment:
    """The experiment that trains a model with the settings' loss on views.

    Args:
        settings: Settings.
        data: Data set.
        model: Model of the settings' views, not compiled.

    Raises:
        ValueError: If the settings or the data are unfit.
    """
    whole, validation = data, None
    if settings.select == "best":
        data, validation = _without_validation(data, settings)
    _check_memory(model, datasets.rows_of(data.train_examples))
    _check_labels(model, settings, data)
    check_batch_size(settings.batch_size, data)
    views_of, probed = parts.make_views(settings), parts.make_probed_views(settings)
    loss = parts.make_loss(settings)
    model.encoder_chunk_size = settings.encoder_chunk_size
    model.compile(parts.make_optimizer(settings.learning_rate), loss)

    def pairs(examples, labels, **steps):
        return datasets.pairs(
            examples,
            views_of,
            settings.batch_size,
            seed=settings.seed,
            index=model.takes_index,
            labels=labels if model.takes_labels else None,
            **steps,
        )

    def batches(start_step, num_steps):
        return pairs(
            data.train_examples,
            data.train_labels,
            start_step=start_step,
            num_steps=num_steps,
        )

    ceiling = model.ceiling(settings.batch_size)
    return Experiment(
        model=model,
        batches=batches,
        held_out=pairs(data.test_examples, data.test_labels),
        measuring=[
            *measuring.make_probes(settings, data, probed),
            *measuring.make_selection(settings, data, validation, probed),
            *measuring.make_condition_numbers(settings, data, probed),
            *measuring.make_retrieval(settings, data, model),
        ],
        data=whole,
        mi_ceiling=ceiling if math.isfinite(ceiling) else None,
    )


def _without_validation(
    data: datasets.Dataset, settings: Settings
) -> tuple[datasets.Dataset, tuple[Any, np.ndarray]]:
    """Splits off a tenth of the training rows, with their labels."""
    if data.train_labels is None or data.test_labels is None:
        raise ValueError(
            "config.select must be 'last' for data without labels, since a probe "
            f"selects the best evaluation; received 'best' and {data.name!r}."
        )
    rows = datasets.rows_of(data.train_examples)
    order = np.random.default_rng(settings.split_seed).permutation(rows)
    held, kept = np.split(order, [rows // 10])
    if len(held) < 2:
        raise ValueError(
            "config.select must be 'last' for fewer than 20 training "
            f"{datasets.noun_of(data.train_examples)}, since a tenth of them selects "
            f"the best evaluation; received 'best' and {rows}."
        )
    held = np.sort(held)
    validation = datasets.taken(data.train_examples, held), data.train_labels[held]
    return data.with_training_rows(np.sort(kept)), validation


def check_batch_size(batch_size: int, data: datasets.Dataset) -> None:
    """Raises a `ValueError` unless both splits have a batch of this size."""
    splits = {
        "training": datasets.rows_of(data.train_examples),
        "test": datasets.rows_of(data.test_examples),
    }
    fitting = datasets.fitting(min(splits.values()))
    for kind, rows in splits.items():
        if batch_size > rows:
            noun = datasets.noun_of(data.train_examples)
            remedy = f"Use batches that fit, --config.batch_size={fitting}, or more"
            if rows < 2:
                remedy = "No batch is smaller than 2: use more"
            raise ValueError(
                f"config.batch_size must be at most the number of {kind} {noun}, "
                f"{rows}; received {batch_size}. {remedy} {noun}."
            )


def _check_memory(model: models.InfoMax, rows: int) -> None:
    for term in model.terms:
        if term.index and term.examples != rows:
            raise ValueError(
                "config.options.examples, the rows of a memory bank, must be the "
                f"number of training examples, {rows}; received {term.examples}. Use "
                f"--config.options.examples={rows}."
            )


def _check_labels(
    model: models.InfoMax, settings: Settings, data: datasets.Dataset
) -> None:
    unlabeled = data.train_labels is None or data.test_labels is None
    if model.takes_labels and unlabeled:
        raise ValueError(
            f"The method {settings.experiment!r} needs labels; received the data set "
            f"{data.name!r}, which has none. Use another data set, or a method without "
            "labels, such as 'simclr'."
        )


def load_data(settings: Settings, data: datasets.Dataset | None) -> datasets.Dataset:
    """The given data set, or else the one that the settings name.

    Raises:
        ValueError: If there is no such data set, or what is given is none.
    """
    if data is not None:
        return _checked(data)
    return datasets.load(
        settings.dataset,
        data_dir=settings.data_dir,
        split_seed=settings.split_seed,
        image_size=settings.image_size,
        on_error=settings.on_error,
        max_pixels=settings.max_pixels,
        max_bytes=settings.max_bytes,
        label=settings.label,
        categorical=settings.categorical or (),
    )


def named(settings: Settings, data: datasets.Dataset | None) -> Settings:
    """The settings with the name of the given data, if any.

    Otherwise records and cards would name a data set that was not used.

    Raises:
        ValueError: If `data` is not a data set.
    """
    if data is None:
        return settings
    return dataclasses.replace(settings, dataset=_checked(data).name)


def _checked(data: Any) -> datasets.Dataset:
    if isinstance(data, datasets.Dataset):
        return data
    raise ValueError(
        f"data must be an ImageDataset or another Dataset; received "
        f"{type(data).__name__}. Make one with "
        "keras_infomax.datasets.from_arrays(train, test), or with from_examples."
    )
