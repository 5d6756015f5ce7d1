"""Judges the encoders of finished runs by several probes, into one table.

    python -m trainers.probe --workdir=runs/probes --output=docs/probes/probes.csv
    python -m trainers.probe --workdir=runs/digits --probes=linear,mlp

W is the workdir of a run or of a sweep; the table is W/probes.csv by default.
"""

import pathlib

from absl import flags

from keras_infomax import checks, probes
from keras_infomax.training import comparison
from trainers import program

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of a run, or of runs.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "Table; W/probes.csv by default.")
_PROBES = flags.DEFINE_list(
    "probes", list(probes.PROBES), "Names of probes, separated by commas."
)


def main() -> None:
    """Probes."""
    workdir = checks.path("workdir", _WORKDIR.value)
    output = _OUTPUT.value or pathlib.Path(workdir) / "probes.csv"
    rows = comparison.compare(workdir, output, _PROBES.value)
    print(comparison.summary(rows))
    print(output)


if __name__ == "__main__":
    program.run(main)
