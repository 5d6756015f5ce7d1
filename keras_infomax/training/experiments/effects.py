"""Refuses settings that would have no effect on an experiment."""

from collections.abc import Iterable

from keras_infomax.training.settings import Settings

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
