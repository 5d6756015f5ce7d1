"""Writes measures as scalars for TensorBoard.

Curves that belong together have the same tag in different runs, so TensorBoard draws
them in one chart: training and held-out MI with the ceiling, and probe accuracy with
the raw baseline. `measures` defines the tags and runs.
"""

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from keras_infomax import measures
from keras_infomax.callbacks.tensorboard import event_files


class ScalarWriter:
    """Appends rows of metrics to event files that it first rewrites from old rows.

    Event files can only grow. Since a resumed run rewrites them, they hold each step
    once, however often the run was interrupted.

    Args:
        folder: Log directory of TensorBoard, in which the runs of `measures.CURVES` are
            replaced.
        rows: The rows so far.
    """

    def __init__(self, folder: str | os.PathLike, rows: Iterable[Mapping[str, Any]]):
        for run in measures.CURVES:
            event_files.keep_until(pathlib.Path(folder) / run, -1)
        self._writers = event_files.RunWriters(folder)
        for row in rows:
            self.write(row)

    def write(self, row: Mapping[str, Any]) -> None:
        """Appends one row; empty columns are skipped.

        Args:
            row: Values by metric, and the `step`.
        """
        by_run: dict[str, dict[str, Any]] = {run: {} for run in measures.CURVES}
        for metric, value in row.items():
            if metric != "step" and value is not None:
                at = measures.place(metric)
                by_run[at.curve][at.chart] = value
        for run, values in by_run.items():
            self._writers.write_scalars(run, row["step"], values)

    def close(self) -> None:
        """Closes the event files."""
        self._writers.close()
