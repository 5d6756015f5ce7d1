"""Which backend Keras runs on, and what is said where a part needs another one.

The environment variable `KERAS_BACKEND` chooses it, before Keras is imported.
"""

import importlib

import keras

TENSORFLOW, JAX, TORCH = BACKENDS = ("tensorflow", "jax", "torch")


def name() -> str:
    """The backend of this process: `"tensorflow"`, `"jax"` or `"torch"`.

    Example:
    >>> name() in BACKENDS
    True
    """
    return keras.config.backend()


def is_tensorflow() -> bool:
    """Whether Keras runs on TensorFlow."""
    return name() == TENSORFLOW


def version() -> str:
    """The version of the backend's own package."""
    return importlib.import_module(name()).__version__


def keras_before(*release: int) -> bool:
    """Whether Keras is older than a release.

    Example:
    >>> keras_before(3, 8)
    False
    """
    found = keras.__version__.split(".")[: len(release)]
    return tuple(map(int, found)) < release


def needs(what: str, *on: str, instead: str = "") -> None:
    """Refuses, in one line, what the backend of this process cannot do.

    Args:
        what: What needs another backend, the beginning of a sentence.
        *on: The backends that it works on.
        instead: A sentence that says what to do on this one.

    Raises:
        ValueError: If the backend is none of those.

    Example:
    >>> needs("The bounds", "tensorflow", "jax", "torch")
    """
    if name() in on:
        return
    allowed = " or ".join(map(repr, on))
    advice = instead or f"Set KERAS_BACKEND={on[0]} before Keras is imported."
    raise ValueError(
        f"{what} must run on the Keras backend {allowed}; received {name()!r}. {advice}"
    )
