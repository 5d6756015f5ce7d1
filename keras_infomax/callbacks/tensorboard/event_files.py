"""Writes and truncates the event files that TensorBoard reads."""

from __future__ import annotations

import contextlib
import os
import pathlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from keras_infomax import files
from keras_infomax.lazy_tensorflow import tf

PATTERN = "events.out.tfevents.*"


class RunWriters:
    """Writes summaries of several TensorBoard runs, each in its own folder.

    The folder of a run is made with its first value, since TensorBoard also lists empty
    folders. Values are in the files when a call returns.

    `tf.summary` is not used: its operations take as long as the steps of a small model.

    Args:
        log_dir: Folder of the runs.
    """

    def __init__(self, log_dir: str | os.PathLike):
        self._log_dir = pathlib.Path(log_dir)
        self._writers: dict[str, tf.io.TFRecordWriter] = {}

    def write_scalars(self, run: str, step: int, values: Mapping[str, float]) -> None:
        """Appends scalars to a run; does nothing without values.

        Args:
            run: Name of the run.
            step: Step of the values.
            values: Values by tag.
        """
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        if values:
            self.write(run, step, [scalar_pb(tag, v) for tag, v in values.items()])

    def write(self, run: str, step: int, summaries: Iterable[Any]) -> None:
        """Appends summaries to a run.

        Args:
            run: Name of the run.
            step: Step of the summaries.
            summaries: Protocol buffers of TensorBoard.
        """
        if run not in self._writers:
            self._writers[run] = open_file(self._log_dir / run)
        for summary in summaries:
            append(self._writers[run], step, summary)
        self._writers[run].flush()

    def close(self) -> None:
        """Closes the event files; the next write opens new ones."""
        for writer in self._writers.values():
            # On a full disk this fails again, and would hide the first error.
            with contextlib.suppress(tf.errors.OpError):
                writer.close()
        self._writers = {}


def open_file(folder: str | os.PathLike, suffix: str = "") -> tf.io.TFRecordWriter:
    """Opens a new event file, which TensorBoard reads after the existing ones.

    Args:
        folder: Folder of a TensorBoard run, made if it does not exist.
        suffix: End of the file's name.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    unique = f"{time.time_ns():020d}.{os.getpid()}"
    name = PATTERN.replace("*", unique) + suffix
    writer = tf.io.TFRecordWriter(str(folder / name))
    version = tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2")
    writer.write(version.SerializeToString())
    return writer


def append(writer: tf.io.TFRecordWriter, step: int, summary: Any) -> None:
    """Appends a summary to an event file.

    Args:
        writer: The open file.
        step: Step of the summary.
        summary: Protocol buffer of TensorBoard.
    """
    event = tf.compat.v1.Event(wall_time=time.time(), step=step)
    event.summary.ParseFromString(summary.SerializeToString())
    writer.write(event.SerializeToString())


def keep_until(folder: str | os.PathLike, step: int) -> bool:
    """Removes the events after a step, so that a resumed run has no event twice.

    Only event files change, since a folder called `train` may hold other data.

    Args:
        folder: Folder of one TensorBoard run, which need not exist.
        step: Last step whose events are kept. Below 0, all events are removed, and the
            folder, too, if it is then empty.

    Returns:
        Whether any events are kept.
    """
    folder = pathlib.Path(folder)
    # Left by a process that was killed while it replaced a file.
    for leftover in folder.glob(f".{PATTERN}"):
        leftover.unlink()
    if step < 0:
        for path in folder.glob(PATTERN):
            path.unlink()
        with contextlib.suppress(OSError):
            folder.rmdir()
        return False
    kept = False
    for path in sorted(folder.glob(PATTERN)):
        records = list(_records(path))
        stay = [r for r in records if tf.compat.v1.Event.FromString(r).step <= step]
        kept |= any(tf.compat.v1.Event.FromString(r).HasField("summary") for r in stay)
        if len(stay) < len(records):
            with files.replaced_file(path) as temporary:
                with tf.io.TFRecordWriter(str(temporary)) as writer:
                    for record in stay:
                        writer.write(record)
    return kept


def _records(path: pathlib.Path) -> Iterator[bytes]:
    """All complete records of a file, which may end within a record."""
    try:
        for record in tf.data.TFRecordDataset(str(path)):
            yield record.numpy()
    except tf.errors.DataLossError:
        return
