"""Writes the metrics of a run where TensorBoard reads them.

Curves that belong together share a tag and differ in their run, so TensorBoard draws
them in one chart: training and held-out MI with the ceiling, probe accuracy with the
pixel baseline.
"""

import os
import pathlib
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

# TensorBoard run -> tag -> column of the metrics.
RUNS = {
    "train": {"loss": "loss", "mi_nats": "mi"},
    "held_out": {
        "loss": "val_loss",
        "mi_nats": "val_mi",
        "probe_accuracy": "probe_accuracy",
    },
    "ceiling": {"mi_nats": "mi_ceiling"},
    "pixels": {"probe_accuracy": "pixel_baseline"},
}


class ScalarWriter:
    """Appends rows of metrics to event files, after making them anew from old rows.

    Event files can only grow. Written anew when a run resumes, they hold each step
    once, however often the run was interrupted.

    Args:
        folder: Log directory for TensorBoard. What it holds is replaced.
        rows: The rows so far.
    """

    def __init__(self, folder: str | os.PathLike, rows: Iterable[Mapping[str, Any]]):
        folder = pathlib.Path(folder)
        shutil.rmtree(folder, ignore_errors=True)
        self._writers = {
            run: tf.summary.create_file_writer(str(folder / run)) for run in RUNS
        }
        for row in rows:
            self.write(row)

    def write(self, row: Mapping[str, Any]) -> None:
        """Appends one row; a column that is empty writes nothing."""
        for run, columns in RUNS.items():
            with self._writers[run].as_default(step=row["step"]):
                for tag, column in columns.items():
                    if row[column] is not None:
                        tf.summary.scalar(tag, row[column])
            self._writers[run].flush()

    def close(self) -> None:
        """Ends the event files."""
        for writer in self._writers.values():
            writer.close()
