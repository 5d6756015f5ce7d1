"""Runs the grid of a config over seeds, into one table; repeated, it goes on.

    keras-infomax sweep --config=paper/figure3 --workdir=runs/figure3 --seeds=3

Runs that the table holds already are skipped.
"""

import sys

from absl import flags
from ml_collections import config_flags

import keras_infomax as kim
from keras_infomax.programs import mistakes

WRITES = {"workdir": ".", "results": ""}
FLAGS = flags.FlagValues()
_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config of the experiment, its name or path.", FLAGS
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the runs.", FLAGS, required=True
)
_SEEDS = flags.DEFINE_integer("seeds", 1, "Number of seeds.", 1, None, FLAGS)
_RESULTS = flags.DEFINE_string(
    "results", None, "Table; W/results.csv by default.", FLAGS
)
_PROCESSES = flags.DEFINE_integer(
    "processes", None, "Runs at a time; as many as cores allow.", 1, None, FLAGS
)
flags.mark_flag_as_required("config", FLAGS)


def main() -> None:
    """Sweeps."""
    with mistakes.of_the_command():
        sweep = kim.training.Sweep.resolve(_CONFIG.value)
        sweep.runs(_SEEDS.value)
    failures = kim.training.sweep(
        sweep,
        _WORKDIR.value,
        seeds=_SEEDS.value,
        results=_RESULTS.value,
        processes=_PROCESSES.value,
    )
    for name, reason in failures.items():
        print(f"failed: {name}: {reason}", file=sys.stderr)
    if failures:
        sys.exit(1)
