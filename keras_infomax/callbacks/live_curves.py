"""Draws the curves of a run during training."""

import math
import sys
import time
from typing import Any

import keras

from keras_infomax import checks, plots
from keras_infomax.callbacks.probes import checked_probe
from keras_infomax.plots import curves, drawing


class LiveCurves(keras.callbacks.Callback):
    """Updates a picture of mutual information and probe accuracy after every epoch.

    In a notebook, it updates one picture below the cell. With `path`, a file is
    replaced, with or without a notebook. List this callback after the probe, whose
    results it draws. It acts only at the end of epochs, so several steps can still run
    in one call. The picture is that of `plots.history`.

    Args:
        probe: The `LinearProbe` or `Probes` of the same `fit`, for the accuracies on
            raw views and of the encoder before training. Defaults to `None`: only
            accuracies in the logs are drawn.
        batch_size: Rows of a global batch, which determine the ceiling of the model's
            estimate. Defaults to `None`: no ceiling is drawn.
        path: File to which the picture is also written; its suffix chooses the format.
            Defaults to `None`: the picture is only in the notebook.
        seconds: Non-negative float, the minimum time between two pictures, so that
            drawing does not take longer than training. The last epoch is always drawn.
            Defaults to 2.

    Raises:
        ValueError: If an argument is invalid, or, in `fit`, if there is neither a
            notebook nor a `path`.
        ImportError: If Matplotlib is missing.

    Example:
    ```python
    probe = kim.callbacks.LinearProbe(train=(x, labels), test=(x_test, labels_test))
    live = kim.callbacks.LiveCurves(probe, batch_size=128)
    model.fit((x, y), batch_size=128, epochs=10, callbacks=[probe, live])
    ```
    """

    # As in TensorBoard: it acts only at the end of epochs.
    steps_between_looks = None

    def __init__(self, probe=None, batch_size=None, path=None, seconds=2.0):
        super().__init__()
        plots.check_installed()
        self.probe = checked_probe(probe)
        self.batch_size = checks.positive_integer(
            "batch_size", batch_size, 128, optional=True
        )
        self.path = None if path is None else checks.path("path", path, "curves.png")
        self.seconds = checks.non_negative_number("seconds", seconds, 2.0)
        self._forget()

    def _forget(self):
        """Resets the state of one `fit`."""
        self._rows: list[dict[str, Any]] = []
        self._shown: Any = None
        self._drawn_at = -math.inf

    def on_train_begin(self, logs=None):
        self._forget()
        if self.path is None and not _in_notebook():
            raise ValueError(
                "path must be a file such as 'curves.png' outside of a notebook; "
                "received None."
            )

    def on_epoch_begin(self, epoch, logs=None):
        # Not in on_train_begin, as in LinearProbe.
        if not self._rows:
            if self.probe is not None and not self.probe.history:
                raise ValueError(
                    "probe must be a callback of the same fit, listed before "
                    "LiveCurves; received one without measurements. Write "
                    "callbacks=[probe, live]."
                )
            self._add(epoch, {})

    def on_epoch_end(self, epoch, logs=None):
        self._add(epoch + 1, logs or {})
        if time.monotonic() - self._drawn_at >= self.seconds:
            self._draw()

    def on_train_end(self, logs=None):
        if self._rows:
            self._draw()

    def _add(self, epoch: int, logs: dict[str, Any]) -> None:
        row = {**logs, "epoch": epoch}
        if self.probe is not None:
            row.update(self.probe.measurements)
        if self.batch_size is not None and hasattr(self.model, "ceiling"):
            ceiling = self.model.ceiling(self.batch_size)
            row["mi_ceiling"] = ceiling if math.isfinite(ceiling) else None
        self._rows.append(row)

    def _draw(self) -> None:
        figure = curves.draw(self._rows, "epoch")
        if self.path is not None:
            drawing.save(figure, self.path)
        if _in_notebook():
            from IPython import display

            if self._shown is None:
                self._shown = display.display(figure, display_id=True)
            else:
                self._shown.update(figure)
        self._drawn_at = time.monotonic()


def _in_notebook() -> bool:
    """Whether this process can show pictures, because Jupyter started it."""
    shell = sys.modules.get("IPython")
    return shell is not None and hasattr(shell.get_ipython(), "kernel")
