"""Runs `trainers.train`, and ends it after the first steps.

python -m benchmarks.first_step --config=configs/digits_halves.py --workdir=W
"""

import os
import runpy

from keras_infomax import callbacks


def _end(self, batch, logs=None):
    os._exit(0)


if __name__ == "__main__":
    # Every run has this callback, before all others.
    callbacks.StopOnNonFinite.on_train_batch_end = _end
    runpy.run_module("trainers.train", run_name="__main__", alter_sys=True)
