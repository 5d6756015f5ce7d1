"""Makes the config of an experiment from what it changes in the default settings."""

import typing
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
from ml_collections import config_dict

from keras_infomax.checks import nearest
from keras_infomax.training.settings import Settings

# Seconds, on the embedded digits; the kind of the experiment stays as it is.
_SMOKE = {
    "dataset": "digits",
    "image_size": None,
    "steps": 20,
    "eval_every": 10,
}


def configuration(
    variant: str,
    figure: str,
    grid: Mapping[str, Sequence[Any]] | None = None,
    quick: Mapping[str, Any] | None = None,
    space: Mapping[str, Any] | None = None,
    search: Mapping[str, Any] | None = None,
    smoke: Mapping[str, Any] | None = None,
    **values: Any,
) -> ml_collections.ConfigDict:
    """Returns a config with every key of `Settings`, so that flags can override it.

    Args:
        variant: What follows the colon of `--config=configs/X.py:VARIANT`: empty for
            the full budget, `quick` for the one of `quick`, or `smoke` for a run of
            seconds.
        figure: What results call the experiment.
        grid: Keys that a sweep varies, and their values.
        quick: The keys in which the quick variant differs: steps and evaluations.
        space: Keys that a search varies, and over what; see `tuning.Space`.
        search: How it searches; see `tuning.Search`. Three trials in the smoke variant.
        smoke: The keys in which the smoke variant differs besides steps and
            evaluations, where the embedded digits would be of another kind.
        **values: The keys in which the experiment differs from the defaults.

    Returns:
        Config of the settings, and `grid`, or `space` and `search`.

    Raises:
        ValueError: If the variant is unknown.
    """
    variants: dict[str, Mapping[str, Any]] = {
        "": {},
        "smoke": {**_SMOKE, **(smoke or {})},
    }
    if "warm_up_steps" in values:
        variants["smoke"] = {**variants["smoke"], "warm_up_steps": 10}
    if quick is not None:
        variants["quick"] = quick
    if variant not in variants:
        raise ValueError(
            f"Unknown variant {variant!r}.{nearest(variant, variants)} Expected one "
            f"of: {', '.join(filter(None, variants))}; or none after the path."
        )
    resolved = {**Settings().as_dict(), **values, **variants[variant]}
    resolved |= {"figure": figure, "budget": variant or "full"}
    types = typing.get_type_hints(Settings)
    config = ml_collections.ConfigDict()
    for key, value in resolved.items():
        # A None must know its type, or no flag could override it.
        config[key] = _placeholder(types[key]) if value is None else value
    config.grid = ml_collections.ConfigDict(
        {key: tuple(points) for key, points in (grid or {}).items()}
    )
    if space is not None:
        config.space = ml_collections.ConfigDict(space)
        config.search = ml_collections.ConfigDict(search)
        if variant == "smoke":
            config.search.max_trials = 3
    return config


def _placeholder(annotation: Any) -> Any:
    """A typed empty value for an annotation such as `float | None`."""
    (kind,) = (t for t in typing.get_args(annotation) if t is not type(None))
    return config_dict.placeholder(typing.get_origin(kind) or kind)


def benchmark(variant: str, **values: Any) -> ml_collections.ConfigDict:
    """Returns a config of `estimation.benchmark`.

    Args:
        variant: Empty, or `smoke` for the first task, 200 rows and no training.
        **values: `tasks`, `rows` and `seeds`; the other keys if they differ.

    Raises:
        ValueError: If the variant is unknown.
    """
    if variant not in ("", "smoke"):
        raise ValueError(
            f"Unknown variant {variant!r}.{nearest(variant, ['smoke'])} Expected "
            "smoke, or none after the path."
        )
    methods = (
        *("infonce", "donsker_varadhan", "nwj", "tuba", "interpolated", "smile"),
        *("jensen_shannon_information", "ksg", "gaussian"),
    )
    settings = {"methods": methods, "steps": 4_000, **values}
    if variant == "smoke":
        settings |= {"tasks": settings["tasks"][:1], "rows": [200], "seeds": [0]}
        settings |= {"steps": 0}
    return ml_collections.ConfigDict(settings)
