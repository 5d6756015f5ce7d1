"""Runs the grid of a config over seeds, into one table; repeated, it goes on.

    python -m trainers.sweep --config=configs/paper/figure3.py --workdir=runs/figure3 \
        --seeds=3 --results=docs/paper/results.csv

Runs that the table holds already are skipped.
"""

import sys

from absl import flags
from ml_collections import config_flags

from keras_infomax.training import sweeps
from trainers import program

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config of the experiment.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the runs.", required=True)
_SEEDS = flags.DEFINE_integer("seeds", 1, "Number of seeds.")
_RESULTS = flags.DEFINE_string("results", None, "Table; W/results.csv by default.")
_PROCESSES = flags.DEFINE_integer("processes", None, "Runs at a time.")


def main() -> None:
    """Sweeps."""
    failures = sweeps.sweep(
        sweeps.Sweep.resolve(_CONFIG.value),
        _WORKDIR.value,
        seeds=_SEEDS.value,
        results=_RESULTS.value,
        processes=_PROCESSES.value,
    )
    for name, reason in failures.items():
        print(f"failed: {name}: {reason}", file=sys.stderr)
    if failures:
        sys.exit(1)


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    program.run(main)
