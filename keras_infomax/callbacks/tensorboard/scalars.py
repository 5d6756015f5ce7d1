"""Writes measures as the scalars that TensorBoard shows.

Curves that belong together share a tag and differ in their run, so TensorBoard draws
them in one chart: training and held-out MI with the ceiling, probe accuracy with the
raw baseline. `measures` has the places.
"""

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from keras_infomax import measures
from keras_infomax.callbacks.tensorboard import event_files


class ScalarWriter:
    """Appends rows of metrics to event files, after making them anew from old rows.

    Event files can only grow. Written anew when a run resumes, they hold each step
    once, however often the run was interrupted.

    Args:
        folder: Log directory for TensorBoard. The runs of `measures.CURVES` in it are
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
        """Appends one row; a column that is empty writes nothing.

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
        """Ends the event files."""
        self._writers.close()
