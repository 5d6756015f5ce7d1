"""What a run trains and measures: the parts that `training.train` puts to work.

An experiment is a function of settings that returns an `Experiment`. The plain one,
`infomax`, is here; what else the paper compares it with stands in modules of its own.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import (
    callbacks,
    critics,
    datasets,
    encoders,
    losses,
    methods,
    models,
    views,
)
from keras_infomax.checks import nearest
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.training.settings import Settings


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A model, what it is trained on, and what is measured while it is.

    Args:
        model: Built and compiled Keras model.
        batches: Function of the first step and a number of steps to the dataset of
            these steps. Each batch must depend on its step and the seed alone, or a
            resumed run would not end as an uninterrupted one.
        held_out: Dataset to evaluate on, or `None`.
        measuring: Callbacks with a property `measurements`, a dictionary of columns
            of `measures.MEASURES` and their latest values.
        data: Data set that the batches are made of, or `None` if they are drawn.
        mi_ceiling: Largest value that the estimate can take, in nats, or `None`.
        true_mi: What the estimate is of, in nats, or `None` where nobody knows.
    """

    model: keras.Model
    batches: Callable[[int, int], tf.data.Dataset]
    held_out: tf.data.Dataset | None = None
    measuring: Sequence[keras.callbacks.Callback] = ()
    data: datasets.Dataset | None = None
    mi_ceiling: float | None = None
    true_mi: float | None = None


# Settings that belong together, by which experiments say what they leave alone.
OF_CRITICS = ("critic", "critic_units", "temperature")
OF_BOUNDS = ("bound", "target", "chunk_size")
OF_ENCODERS = ("encoder", "encoder_units", "encoding_dim", "shared_encoder")
OF_PAIRS = (*OF_CRITICS, *OF_BOUNDS, "shared_encoder", "encoder_chunk_size")
OF_VIEWS = ("views", "noise", "coupled_noise", "image_size", "jacobian_rows")


def check_effect(settings: Settings, names: Iterable[str], what: str) -> None:
    """Refuses settings that are not the default ones, and would change nothing.

    Args:
        settings: Settings.
        names: Names of those that have no effect.
        what: What they have no effect on.

    Raises:
        ValueError: If one of them is not its default.
    """
    for name in names:
        value, default = getattr(settings, name), getattr(Settings(), name)
        if value != default:
            raise ValueError(
                f"config.{name} must be left out, since it has no effect on {what}; "
                f"received {value!r}. Its default is {default!r}."
            )


def infomax(settings: Settings, data: datasets.Dataset | None = None) -> Experiment:
    """Two encoders and a critic, trained by a bound on two views of examples.

    Args:
        settings: Settings.
        data: Data set to use instead of loading `settings.dataset`. An unlabeled one
            is trained on without a probe.

    Raises:
        ValueError: If the settings or the data are unfit.
    """
    if settings.options:
        raise ValueError(
            "config.options belong to the methods; the experiment 'infomax' takes "
            f"none, and received {', '.join(settings.options)}."
        )
    check_effect(settings, ("warm_up_steps",), "the experiment 'infomax'")
    data = load_data(settings, data)
    model = make_model(settings, data, make_views(settings))
    return of_model(settings, data, model)


def method(
    settings: Settings,
    data: datasets.Dataset | None = None,
    *,
    build: Callable[..., models.InfoMax],
) -> Experiment:
    """A method of the family, trained on views of examples and probed on these.

    Args:
        settings: Settings; `options` are the arguments of the method. Those of encoder
            and critic are refused.
        data: Data set to use instead of loading `settings.dataset`.
        build: Function of the shape of an example, and of options, to the model.

    Raises:
        ValueError: If the settings or the data are unfit, or the method has no such
            option.
    """
    what = f"the method {settings.experiment!r}, whose parts are config.options"
    check_effect(settings, (*OF_ENCODERS, *OF_CRITICS, "warm_up_steps"), what)
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
    """One more than the largest of all integers, which are the tokens of texts."""
    every = keras.tree.flatten((data.train_examples, data.test_examples))
    found = [part for part in every if part.dtype == "int32" and part.size]
    if data.prompts is not None:
        found.append(data.prompts)
    return 1 + max((int(part.max()) for part in found), default=1)


def of_model(
    settings: Settings, data: datasets.Dataset, model: models.InfoMax
) -> Experiment:
    """The experiment that trains a model by the settings' loss on views of examples.

    Args:
        settings: Settings.
        data: Data set.
        model: Model of the settings' views, not compiled yet.

    Raises:
        ValueError: If the settings or the data are unfit.
    """
    whole, validation = data, None
    if settings.select == "best":
        data, validation = _without_validation(data, settings)
    _check_memory(model, datasets.rows_of(data.train_examples))
    _check_labels(model, settings, data)
    check_batch_size(settings.batch_size, data)
    views_of, probed = make_views(settings), make_probed_views(settings)
    loss = make_loss(settings)
    model.encoder_chunk_size = settings.encoder_chunk_size
    model.compile(
        optimizer=make_optimizer(settings.learning_rate),
        loss=loss,
    )

    def batches(start_step, num_steps):
        return datasets.pairs(
            data.train_examples,
            views_of,
            settings.batch_size,
            seed=settings.seed,
            start_step=start_step,
            num_steps=num_steps,
            index=model.takes_index,
            labels=data.train_labels if model.takes_labels else None,
        )

    ceiling = model.ceiling(settings.batch_size)
    return Experiment(
        model=model,
        batches=batches,
        held_out=datasets.pairs(
            data.test_examples,
            views_of,
            settings.batch_size,
            seed=settings.seed,
            index=model.takes_index,
            labels=data.test_labels if model.takes_labels else None,
        ),
        measuring=[
            *make_probes(settings, data, probed),
            *make_selection(settings, data, validation, probed),
            *make_condition_numbers(settings, data, probed),
            *make_retrieval(settings, data, model),
        ],
        data=whole,
        mi_ceiling=ceiling if math.isfinite(ceiling) else None,
    )


def _without_validation(
    data: datasets.Dataset, settings: Settings
) -> tuple[datasets.Dataset, tuple[Any, np.ndarray]]:
    """Data without a tenth of the training rows, and these rows with their labels."""
    if data.train_labels is None or data.test_labels is None:
        raise ValueError(
            "config.select must be 'last' for data without labels, since a probe "
            f"chooses the best evaluation; received 'best' and {data.name!r}."
        )
    rows = datasets.rows_of(data.train_examples)
    order = np.random.default_rng(settings.split_seed).permutation(rows)
    held, kept = np.split(order, [rows // 10])
    if len(held) < 2:
        raise ValueError(
            "config.select must be 'last' for fewer than 20 training "
            f"{datasets.noun_of(data.train_examples)}, of which a tenth would choose "
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
    unlabelled = data.train_labels is None or data.test_labels is None
    if model.takes_labels and unlabelled:
        raise ValueError(
            f"The method {settings.experiment!r} takes labels; received the data set "
            f"{data.name!r}, which lacks them. Take another data set, or a method "
            "without labels, such as 'simclr'."
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
    """The settings with the name of the data that are given, if any.

    Or records and cards would tell of a data set that was not used.

    Raises:
        ValueError: If what is given is no data set.
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


def make_optimizer(learning_rate: float) -> keras.optimizers.Optimizer:
    """Adam with the epsilon of the paper's TensorFlow 1; Keras's own is 1e-7."""
    return keras.optimizers.Adam(learning_rate, epsilon=1e-8)


def make_loss(settings: Settings) -> losses.ScoreLoss | losses.EncodingLoss:
    """The loss that the settings name.

    Raises:
        ValueError: If the bound is unknown, or cannot reach the target with batches
            of this size, or there are settings of what the loss does not use.
    """
    bound = losses.get(settings.bound)
    if isinstance(bound, losses.EncodingLoss):
        what = f"the loss {settings.bound!r}, which scores no pairs"
        check_effect(settings, (*OF_CRITICS, "target"), what)
    if settings.chunk_size is not None:
        config = bound.get_config()
        if "chunk_size" not in config:
            raise ValueError(
                f"The bound {settings.bound!r} needs all rows at once; received "
                f"chunk_size={settings.chunk_size}. Leave config.chunk_size at None."
            )
        bound = type(bound).from_config({**config, "chunk_size": settings.chunk_size})
    if settings.target is None:
        return bound
    loss = losses.TargetLoss(bound, settings.target)
    loss.check_reachable(settings.batch_size)
    return loss


def make_views(settings: Settings) -> Callable:
    """The views that the settings name, noisy if they say so.

    Raises:
        ValueError: If the views are unknown.
    """
    views_of = views.get(settings.views)
    if settings.noise == 0:
        check_effect(settings, ("coupled_noise",), "views without noise")
        return views_of
    return views.Noisy(views_of, settings.noise, settings.coupled_noise)


def make_probed_views(settings: Settings) -> Callable:
    """The views whose first is what probes read.

    Of a method, and where both views are augmentations, it is the whole example.

    Raises:
        ValueError: If the views are unknown.
    """
    views_of = make_views(settings)
    if isinstance(views_of, views.Parts):
        return views_of
    if methods.takes_whole_images(settings.experiment):
        return views.get("whole")
    # The curve shows the encoder then, and not what was augmented away.
    return views.get("whole") if isinstance(views_of, views.Augmented) else views_of


def make_model(
    settings: Settings, data: datasets.Dataset, views_of: Any
) -> models.InfoMax:
    """The model that the settings name, for the views of these examples.

    Raises:
        ValueError: If a name is unknown, the views are not two, or a critic takes no
            `critic_units`.
    """
    first = datasets.taken(data.train_examples, slice(1))
    example = _draw(views_of, first, settings.seed, -1)
    if len(example) != 2:
        raise ValueError(
            f"config.views must make two views; received {len(example)} from "
            f"{settings.views!r}."
        )
    view_x, view_y = example
    return models.InfoMax(
        make_encoder(settings, view_x, data.categories),
        None
        if settings.shared_encoder
        else make_encoder(settings, view_y, data.categories),
        make_critic(settings),
    )


def make_critic(settings: Settings) -> keras.layers.Layer:
    """The critic that the settings name.

    Raises:
        ValueError: If the name is unknown, or the critic takes no `critic_units` or no
            `temperature`.
    """
    units = settings.critic_units
    options: dict[str, Any] = {} if units is None else {"hidden_units": units}
    if settings.temperature is not None:
        options["temperature"] = settings.temperature
    if settings.critic == "mlp":
        options["chunk_size"] = settings.chunk_size
    return critics.get(settings.critic, **options)


def make_encoder(
    settings: Settings, view: Any, categories: Sequence[int] | None = None
) -> keras.Model:
    """The encoder that the settings name, for views like this one `(rows, ...)`.

    Args:
        settings: Settings.
        view: Tensor or array, or a structure of these.
        categories: How many values each column of categories has, of a table.

    Raises:
        ValueError: If the name is unknown, or the encoder cannot have that size.
    """
    return encoders.build(
        settings.encoder,
        keras.tree.map_structure(lambda part: tuple(part.shape[1:]), view),
        settings.encoder_units,
        settings.encoding_dim,
        categories,
    )


def make_probes(
    settings: Settings, data: datasets.Dataset, views_of: Any
) -> list[keras.callbacks.Callback]:
    """A linear probe of view x, and one stopped early if asked for, of labeled data.

    Where views are random, one draw for each split is fixed for the whole run, so that
    the curve shows the encoder alone, and the raw baseline is that of the same draw.

    Args:
        settings: Settings.
        data: Data set whose splits the probe is fitted and scored on.
        views_of: Function of examples to their views.

    Returns:
        The linear probe first; empty if a split has no labels, or there is but one
        class to tell.
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
    """The probe by which the best evaluation is chosen, where one is to be.

    Args:
        settings: Settings.
        data: Data set on whose training split the probe is fitted.
        validation: Examples and labels that it is scored on, or `None`.
        views_of: Function of examples to their views.
    """
    if validation is None:
        return []
    train = _probed(settings, views_of, data.train_examples, data.train_labels, -1)
    held_out = _probed(settings, views_of, *validation, -3)
    return [callbacks.Probes(train, held_out, {"selection": "linear"})]


def _probed(settings, views_of, examples, labels, draw):
    """View x of examples, in one fixed draw, with their labels."""
    return _as_arrays(_draw(views_of, examples, settings.seed, draw)[0]), labels


def make_retrieval(
    settings: Settings, data: datasets.Dataset, model: models.InfoMax
) -> list[keras.callbacks.Callback]:
    """Recall of one part of the test examples by the other, where parts are the views.

    And zero-shot classification, where the data have labels and prompts.
    """
    if not isinstance(make_views(settings), views.Parts) or model.network is not None:
        return []
    parts = _draw(views.get("parts"), data.test_examples, settings.seed, -2)
    parts = tuple(map(_as_arrays, parts))
    if not all(isinstance(part, np.ndarray) for part in parts):
        return []
    found: list[keras.callbacks.Callback] = [callbacks.Retrieval(parts)]
    if data.prompts is not None and data.test_labels is not None:
        found.append(callbacks.ZeroShot(parts[0], data.test_labels, data.prompts))
    return found


def make_condition_numbers(
    settings: Settings, data: datasets.Dataset, views_of: Any
) -> list[keras.callbacks.Callback]:
    """Condition numbers of encoder x on some training views, if they are asked for.

    The examples are a random choice, and with the draws of their views it is fixed
    for the whole run.

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
    view_x = _draw(views_of, examples, settings.seed, -3)[0]
    return [callbacks.ConditionNumbers(_as_arrays(view_x))]


def _draw(views_of: Any, examples: Any, seed: int, number: int) -> tuple:
    """Views of examples outside any stream of batches, by the draw of this number."""
    seeded_views = views.seeded(views_of)
    draw = datasets.views_seed(seed, number)
    return seeded_views(datasets.prepared(examples), seed=draw)


def _as_arrays(view: Any) -> Any:
    return keras.tree.map_structure(
        lambda part: (
            part if isinstance(part, np.ndarray) else keras.ops.convert_to_numpy(part)
        ),
        view,
    )
