"""Makes the config of an experiment from what it changes in the default settings."""

import dataclasses
import typing
from typing import Any

import ml_collections
from ml_collections import config_dict

from keras_infomax.settings import Settings

# Seconds, on the embedded digits; the kind of the experiment stays as it is.
_SMOKE = {"dataset": "digits", "image_size": None, "steps": 20, "eval_every": 10}


def configuration(variant: str, **values: Any) -> ml_collections.ConfigDict:
    """Returns a config with every key of `Settings`, so that flags can override it.

    Args:
        variant: What follows the colon of `--config=configs/X.py:VARIANT`: empty, or
            `smoke` for a run of seconds.
        **values: The keys in which the experiment differs from the defaults.

    Raises:
        ValueError: If the variant is unknown.
    """
    if variant not in ("", "smoke"):
        raise ValueError(
            f"Unknown variant {variant!r}. Expected 'smoke', or none after the path."
        )
    defaults = {f.name: f.default for f in dataclasses.fields(Settings)}
    resolved = {**defaults, **values, **(_SMOKE if variant else {})}
    types = typing.get_type_hints(Settings)
    config = ml_collections.ConfigDict()
    for key, value in resolved.items():
        # A None must know its type, or no flag could override it.
        config[key] = _placeholder(types[key]) if value is None else value
    return config


def _placeholder(annotation: Any) -> Any:
    """A typed empty value for an annotation such as `float | None`."""
    (kind,) = (t for t in typing.get_args(annotation) if t is not type(None))
    return config_dict.placeholder(typing.get_origin(kind) or kind)
