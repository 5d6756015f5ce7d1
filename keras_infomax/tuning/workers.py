"""Processes that share the trials of a search, by keras-tuner's own protocol."""

import contextlib
import os
from collections.abc import Iterator

import grpc

from keras_infomax import private

_IDENTITY = "KERASTUNER_TUNER_ID"
_VARIABLES = ("KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", _IDENTITY)


def check_environment() -> None:
    """Refuses some of keras-tuner's variables without the others.

    Without the address of a chief, keras-tuner would search alone, and every process
    in the same workdir.

    Raises:
        ValueError: If some are set and some are not.
    """
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    if 0 < len(missing) < len(_VARIABLES):
        raise ValueError(
            "Several workers need all of the environment variables "
            f"{', '.join(_VARIABLES)}; {' and '.join(missing)} not set. Set all of "
            "them, or none to search with one process."
        )


def is_shared() -> bool:
    """Whether the trials are handed out by a chief, which may be this process."""
    return _VARIABLES[0] in os.environ


def is_worker() -> bool:
    """Whether this process trains for a chief elsewhere, by keras-tuner's variables."""
    return is_shared() and "chief" not in os.environ.get(_IDENTITY, "")


@contextlib.contextmanager
def connected() -> Iterator[None]:
    """Says which chief a worker waits for, and what is wrong if it does not answer.

    Raises:
        ConnectionError: If the chief cannot be reached by its workers, or is gone.
    """
    address = ":".join(os.environ.get(name, "") for name in _VARIABLES[:2])
    if is_worker():
        print(f"{os.environ[_IDENTITY]} asks the chief at {address}", flush=True)
    try:
        with private.without_prints_of_conditions():
            yield
    except grpc.RpcError as error:
        raise ConnectionError(
            f"The chief of this search, at {address}, does not answer. Start it, and "
            "then this worker again: the search goes on."
        ) from error
    except RuntimeError as error:
        if "bind to address" not in str(error):
            raise
        raise ConnectionError(
            f"The chief cannot listen at {address}, where another process may do so. "
            "Choose another KERASTUNER_ORACLE_PORT for it and its workers."
        ) from error
