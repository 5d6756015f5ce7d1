"""Writes the metrics of a run where TensorBoard reads them.

Curves that belong together share a tag and differ in their run, so TensorBoard draws
them in one chart: training and held-out MI with the ceiling, probe accuracy with the
pixel baseline.
"""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

# TensorBoard run -> tag -> column of the metrics.
RUNS = {
    "train": {
        "loss": "loss",
        "mi_nats": "mi",
        "log_condition/min": "log_condition_min",
        "log_condition/20": "log_condition_20",
        "log_condition/40": "log_condition_40",
        "log_condition/60": "log_condition_60",
        "log_condition/80": "log_condition_80",
        "log_condition/max": "log_condition_max",
        "singular_examples": "singular_examples",
    },
    "held_out": {
        "loss": "val_loss",
        "mi_nats": "val_mi",
        "probe_accuracy": "probe_accuracy",
        "test_accuracy": "test_accuracy",
    },
    "ceiling": {"mi_nats": "mi_ceiling"},
    "truth": {"mi_nats": "true_mi"},
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
        self._folder = folder
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        for row in rows:
            self.write(row)

    def write(self, row: Mapping[str, Any]) -> None:
        """Appends one row; a column that is empty writes nothing."""
        for run, columns in RUNS.items():
            values = {t: row[c] for t, c in columns.items() if row[c] is not None}
            if not values:
                continue
            if run not in self._writers:
                # Not before its first value: TensorBoard lists runs that are empty.
                path = str(self._folder / run)
                self._writers[run] = tf.summary.create_file_writer(path)
            with self._writers[run].as_default(step=row["step"]):
                for tag, value in values.items():
                    tf.summary.scalar(tag, value)
            self._writers[run].flush()

    def close(self) -> None:
        """Ends the event files, which lack nothing: each row was flushed."""
        for writer in self._writers.values():
            # On a full disk this fails once more, and would hide the first failure.
            with contextlib.suppress(tf.errors.OpError):
                writer.close()
