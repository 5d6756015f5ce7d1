"""Writes the hyper-parameters of a run for TensorBoard's HParams page."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_infomax.callbacks.tensorboard import event_files

_SUFFIX = ".hparams"


def plain(values: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """Converts hyper-parameters to TensorBoard's form: flat, and without `None`.

    Args:
        values: Numbers, including those of NumPy, strings and booleans; other values
            become text. Values of a mapping are named `outer.inner`; `None` is left
            out.

    Example:
    >>> plain({"units": (300, 300), "target": None, "options": {"crop": np.int32(4)}})
    {'units': '(300, 300)', 'options.crop': 4}
    """
    flat: dict[str, bool | int | float | str] = {}
    for name, value in values.items():
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, Mapping):
            inner = plain(value)
            flat |= {f"{name}.{key}": found for key, found in inner.items()}
        elif isinstance(value, bool | int | float | str):
            flat[name] = value
        elif value is not None:
            flat[name] = str(value)
    return flat


class Session:
    """One run on the HParams page: its hyper-parameters and its status.

    The metrics of the page are the scalars in the folders below. A resumed run replaces
    the session.

    Args:
        log_dir: Log directory of the run.
        values: Hyper-parameters, as `plain` takes them.
    """

    def __init__(self, log_dir: str | os.PathLike, values: Mapping[str, Any]):
        self._log_dir = pathlib.Path(log_dir)
        self._values = plain(values)

    def start(self) -> None:
        """Writes the hyper-parameters; replaces those of an earlier start."""
        from tensorboard.plugins.hparams import api

        for earlier in self._log_dir.glob(event_files.PATTERN + _SUFFIX):
            earlier.unlink()
        # Not the default name, a hash, which is the same for runs with equal values.
        name = "/".join(self._log_dir.resolve().parts[-3:]).removesuffix("/tensorboard")
        self._write(api.hparams_pb(self._values, trial_id=name))

    def end(self) -> None:
        """Marks the run as finished."""
        from tensorboard.plugins.hparams import api_pb2, summary

        self._write(summary.session_end_pb(api_pb2.STATUS_SUCCESS))

    def _write(self, summary: Any) -> None:
        writer = event_files.open_file(self._log_dir, _SUFFIX)
        event_files.append(writer, 0, summary)
        writer.close()
