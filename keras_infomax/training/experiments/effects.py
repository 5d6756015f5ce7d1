"""Refuses settings that would have no effect on an experiment."""

from collections.abc import Iterable

from keras_infomax.training.settings import Settings

# Groups of settings that an experiment may not use.
OF_CRITICS = ("critic", "critic_units", "temperature")
OF_BOUNDS = ("bound", "target", "chunk_size")
OF_ENCODERS = ("encoder", "encoder_units", "encoding_dim", "shared_encoder")
OF_PAIRS = (*OF_CRITICS, *OF_BOUNDS, "shared_encoder", "encoder_chunk_size")
OF_VIEWS = ("views", "noise", "coupled_noise", "image_size", "jacobian_rows")


def check_effect(settings: Settings, names: Iterable[str], what: str) -> None:
    """Refuses non-default settings that would have no effect.

    Args:
        settings: Settings.
        names: Names of settings without effect.
        what: Phrase for the message that names what they do not affect.

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
