"""Judges the encoders of finished runs by several probes, into one table.

    keras-infomax probe --workdir=runs/digits
    keras-infomax probe --workdir=runs/digits --probes=linear,mlp

W is the workdir of a run or of a sweep; the table is W/probes.csv by default. What it
holds already is not judged again, so that a long comparison can be interrupted.
"""

import pathlib

from absl import flags

from keras_infomax.programs import mistakes

READS = {"workdir": "."}
WRITES = {"output": ""}
FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of a run, or of runs.", FLAGS, required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "Table; W/probes.csv by default.", FLAGS)
_PROBES = flags.DEFINE_list(
    "probes",
    None,
    "Names of probes, separated by commas; by default those of probes.PROBES.",
    FLAGS,
)


def main() -> None:
    """Probes."""
    from keras_infomax import probes
    from keras_infomax.training import comparison

    workdir = _WORKDIR.value
    with mistakes.of_the_command():
        comparison.finished_workdirs(workdir)
    output = _OUTPUT.value or pathlib.Path(workdir) / "probes.csv"
    rows = comparison.compare(workdir, output, _PROBES.value or list(probes.PROBES))
    print(comparison.summary(rows))
    print(output)
