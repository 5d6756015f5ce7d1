"""Adds the paper's own probe to results of runs that were trained without it.

    keras-infomax reprobe --workdir=runs/figure3 --results=runs/figure3/results.csv

The notebook stops its solver after a few passes over the data. With
`config.stopped_probe` every evaluation measures that; for the other finished runs below
the workdir, this fits it to what they ended with, and fills in the last of their rows.
`keras-infomax probe` compares all protocols, on runs and on raw views.
"""

from absl import flags

READS = {"workdir": ".", "results": ""}
WRITES = {"results": ""}
FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the runs.", FLAGS, required=True
)
_RESULTS = flags.DEFINE_string(
    "results", None, "Table to fill in.", FLAGS, required=True
)


def main() -> None:
    """Probes once more."""
    from keras_infomax import probes
    from keras_infomax.training import comparison, sweeps

    folder = _WORKDIR.value
    table = sweeps.Table(_RESULTS.value)
    keys = {
        workdir: sweeps.key(comparison.read_settings(workdir))
        for workdir in comparison.finished_workdirs(folder)
    }
    held = table.match(list(keys.values()))
    for workdir, key in keys.items():
        row = table.last(held[key]) if key in held else None
        if row is None or row["stopped_accuracy"]:
            continue
        run = comparison.FinishedRun.load(workdir)
        stopped = {"stopped": probes.get("linear_stopped")}
        accuracy, raw = (
            probes.judge(stopped, encoder, run.train, run.test)["stopped"].accuracy
            for encoder in (run.encoder, None)
        )
        table.fill(held[key], stopped_accuracy=accuracy, stopped_raw=raw)
        print(workdir.name, row["probe_accuracy"], f"{accuracy:.6g}", flush=True)
