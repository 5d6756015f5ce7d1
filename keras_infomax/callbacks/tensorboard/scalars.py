"""Where TensorBoard shows which metric.

Curves that belong together share a tag and differ in their run, so TensorBoard draws
them in one chart: training and held-out MI with the ceiling, probe accuracy with the
pixel baseline.
"""

import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from keras_infomax.callbacks.tensorboard import event_files

# Probes on raw views are in the last but one where these are images, or in the last.
TRAIN, HELD_OUT, CEILING, TRUTH, PIXELS, RAW_VIEWS = RUNS = (
    "train",
    "held_out",
    "ceiling",
    "truth",
    "pixels",
    "raw_views",
)

# The run and the tag of metrics; `place` has the rule for all others.
_PLACES = {
    "mi_ceiling": (CEILING, "mi_nats"),
    "true_mi": (TRUTH, "mi_nats"),
    "probe_accuracy": (HELD_OUT, "probe_accuracy"),
    "probe_information": (HELD_OUT, "probe_information"),
    "pixel_baseline": (PIXELS, "probe_accuracy"),
    "stopped_accuracy": (HELD_OUT, "stopped_accuracy"),
    "stopped_pixels": (PIXELS, "stopped_accuracy"),
    "test_accuracy": (HELD_OUT, "test_accuracy"),
}


def place(metric: str) -> tuple[str, str]:
    """The TensorBoard run and the tag of a metric, by its name in logs and tables.

    Args:
        metric: Name, with `val_` in front if it is of held-out data.

    Example:
    >>> place("val_mi")
    ('held_out', 'mi_nats')
    >>> place("mi_global_local")
    ('train', 'mi_nats/global_local')
    """
    if metric in _PLACES:
        return _PLACES[metric]
    run = HELD_OUT if metric.startswith("val_") else TRAIN
    tag = metric.removeprefix("val_")
    if tag == "mi" or tag.startswith("mi_"):
        tag = "/".join(["mi_nats", *filter(None, [tag[3:]])])
    # One group for all percentiles.
    return run, tag.replace("log_condition_", "log_condition/")


class ScalarWriter:
    """Appends rows of metrics to event files, after making them anew from old rows.

    Event files can only grow. Written anew when a run resumes, they hold each step
    once, however often the run was interrupted.

    Args:
        folder: Log directory for TensorBoard. The runs of `RUNS` in it are replaced.
        rows: The rows so far.
    """

    def __init__(self, folder: str | os.PathLike, rows: Iterable[Mapping[str, Any]]):
        for run in RUNS:
            event_files.keep_until(pathlib.Path(folder) / run, -1)
        self._writers = event_files.RunWriters(folder)
        for row in rows:
            self.write(row)

    def write(self, row: Mapping[str, Any]) -> None:
        """Appends one row; a column that is empty writes nothing.

        Args:
            row: Values by metric, and the `step`.
        """
        by_run: dict[str, dict[str, Any]] = {run: {} for run in RUNS}
        for metric, value in row.items():
            if metric != "step" and value is not None:
                run, tag = place(metric)
                by_run[run][tag] = value
        for run, values in by_run.items():
            self._writers.write_scalars(run, row["step"], values)

    def close(self) -> None:
        """Ends the event files."""
        self._writers.close()
