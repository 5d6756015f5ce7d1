"""Makes the parts of a model that settings name: views, encoders, losses."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import critics, datasets, encoders, losses, methods, models, views
from keras_infomax.training.experiments import effects
from keras_infomax.training.settings import Settings, start_of


def make_optimizer(learning_rate: float) -> keras.optimizers.Optimizer:
    """Adam with the epsilon of the paper's TensorFlow 1; Keras's own is 1e-7."""
    return keras.optimizers.Adam(learning_rate, epsilon=1e-8)


def make_loss(settings: Settings) -> losses.ScoreLoss | losses.EncodingLoss:
    """The loss that the settings name.

    Raises:
        ValueError: If the bound is unknown, cannot reach the target with this batch
            size, or does not use some of the settings.
    """
    bound = losses.get(settings.bound)
    if isinstance(bound, losses.EncodingLoss):
        what = f"the loss {settings.bound!r}, which scores no pairs"
        effects.check_effect(settings, (*effects.OF_CRITICS, "target"), what)
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
    """The views that the settings name, with noise if requested.

    Raises:
        ValueError: If the views are unknown.
    """
    views_of = views.get(settings.views)
    if settings.noise == 0:
        effects.check_effect(settings, ("coupled_noise",), "views without noise")
        return views_of
    return views.Noisy(views_of, settings.noise, settings.coupled_noise)


def make_probed_views(settings: Settings) -> Callable:
    """The views whose first view is probed.

    For a method, and if both views are augmentations, this is the whole example.

    Raises:
        ValueError: If the views are unknown.
    """
    views_of = make_views(settings)
    if isinstance(views_of, views.Parts):
        return views_of
    if methods.takes_whole_images(settings.experiment):
        return views.get("whole")
    # So the curve shows the encoder, and not the loss of information by augmentation.
    return views.get("whole") if isinstance(views_of, views.Augmented) else views_of


def make_model(
    settings: Settings, data: datasets.Dataset, views_of: Any
) -> models.InfoMax:
    """The model that the settings name, for the views of these examples.

    Raises:
        ValueError: If a name is unknown, there are not two views, or the critic takes
            no `critic_units`.
    """
    first = datasets.taken(data.train_examples, slice(1))
    example = draw(views_of, first, settings.seed, -1)
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
    """The encoder that the settings name, for views like this one.

    Args:
        settings: Settings.
        view: Tensor or array, or a structure of these.
        categories: Number of values of each categorical column of a table.

    Raises:
        ValueError: If the name is unknown, or the encoder does not support the size.
    """
    return encoders.build(
        settings.encoder,
        keras.tree.map_structure(lambda part: tuple(part.shape[1:]), view),
        settings.encoder_units,
        settings.encoding_dim,
        categories,
    )


def check_start(settings: Settings) -> None:
    """Checks that the encoders begin with what the settings were resolved with.

    Args:
        settings: Settings.

    Raises:
        ValueError: If what lies there is other by now, or a digest is of nothing.
    """
    if settings.encoder_digest is None:
        return
    found = start_of(settings)
    if found != settings.encoder_digest:
        raise ValueError(
            "config.encoder_digest must be that of what the encoders begin with, "
            f"{found!r}; received {settings.encoder_digest!r}. What lies there has "
            "changed since: put it back, or leave the digest out, for another run."
        )


def draw(views_of: Any, examples: Any, seed: int, number: int) -> tuple:
    """A fixed draw of the views of examples, which no stream of batches uses.

    Args:
        views_of: Function of examples to their views.
        examples: Array, or structure of arrays.
        seed: Seed of the run.
        number: Number of the draw; negative, unlike those of streams.
    """
    seeded_views = views.seeded(views_of)
    seed_of_draw = datasets.views_seed(seed, number)
    return seeded_views(datasets.prepared(examples), seed=seed_of_draw)


def as_arrays(view: Any) -> Any:
    """A view as arrays.

    Args:
        view: Tensor or array, or a structure of these.
    """
    return keras.tree.map_structure(
        lambda part: (
            part if isinstance(part, np.ndarray) else keras.ops.convert_to_numpy(part)
        ),
        view,
    )
