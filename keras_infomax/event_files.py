"""Event files, in which TensorBoard finds what it shows: written, and cut back."""

import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping

import tensorflow as tf

from keras_infomax import files

_PATTERN = "events.out.tfevents.*"


class RunWriters:
    """Writes summaries of several TensorBoard runs, a folder each.

    A run gets its folder with its first value, since TensorBoard lists empty ones.

    Args:
        log_dir: Folder of the runs.
    """

    def __init__(self, log_dir: str | os.PathLike):
        self._log_dir = pathlib.Path(log_dir)
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def write_scalars(self, run: str, step: int, values: Mapping[str, float]) -> None:
        """Appends scalars to a run; nothing where there are none.

        Args:
            run: Name of the run.
            step: Step of the values.
            values: Values by tag.
        """
        if values:
            self.write(
                run, step, lambda: [tf.summary.scalar(t, v) for t, v in values.items()]
            )

    def write(self, run: str, step: int, summarize: Callable[[], object]) -> None:
        """Appends to a run what a function writes by `tf.summary`.

        Args:
            run: Name of the run.
            step: Step of the summaries.
            summarize: Function without arguments.
        """
        if run not in self._writers:
            path = str(self._log_dir / run)
            self._writers[run] = tf.summary.create_file_writer(path)
        with self._writers[run].as_default(step=step):
            summarize()
        self._writers[run].flush()

    def close(self) -> None:
        """Ends the event files; what is written next opens new ones."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def keep_until(folder: str | os.PathLike, step: int) -> bool:
    """Drops the events after a step, so that a run that goes on there has none twice.

    Args:
        folder: Folder of one TensorBoard run; it need not exist.
        step: Last step whose events stay. Below 0, nothing does.

    Returns:
        Whether any events stay.
    """
    folder = pathlib.Path(folder)
    if step < 0:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    # What a process left that was killed while it replaced a file.
    for leftover in folder.glob(f".{_PATTERN}"):
        leftover.unlink()
    kept = False
    for path in sorted(folder.glob(_PATTERN)):
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
    """Records up to where the file ends, be it in the midst of one."""
    try:
        for record in tf.data.TFRecordDataset(str(path)):
            yield record.numpy()
    except tf.errors.DataLossError:
        return
