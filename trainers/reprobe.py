"""Probes the encoders of finished runs once more, as the paper's notebook did.

    python -m trainers.reprobe --workdir=runs/figure3 --output=docs/paper/probes.csv

The notebook stops its solver after a few passes over the data. For every finished run
below the workdir, the table sets that accuracy beside the one at convergence.
`trainers.probe` compares all protocols, on runs and on pixels.
"""

import pathlib
from typing import Any

from absl import flags

from keras_infomax import comparison, probes, runs
from trainers import program

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the runs.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Table to write.", required=True)

KEY = ("figure", "dataset", "encoder", "critic", "bound", "target", "seed", "steps")
COLUMNS = (*KEY, "converged", "stopped", "passes")


def reprobe(workdir: pathlib.Path) -> dict[str, Any]:
    """Accuracies of one finished run.

    Args:
        workdir: Workdir of the run.

    Returns:
        What tells the run from others, and `converged` and `stopped` accuracies.
    """
    run = comparison.FinishedRun.load(workdir)
    (x, labels), (test_x, test_labels) = (
        (probes.encode(run.encoder, views), labels)
        for views, labels in (run.train, run.test)
    )
    stopped = probes.get("linear_stopped").fit(x, labels)
    return {
        **{key: run.settings.as_dict()[key] for key in KEY},
        "converged": runs.read_metrics(workdir / "metrics.csv")[-1]["probe_accuracy"],
        "stopped": stopped.score(test_x, test_labels),
        "passes": int(stopped.pipeline[-1].n_iter_[0]),
    }


def main() -> None:
    """Probes once more."""
    rows = []
    for workdir in comparison.finished_workdirs(_WORKDIR.value):
        rows.append(reprobe(workdir))
        print(workdir.name, rows[-1]["converged"], rows[-1]["stopped"], flush=True)
    comparison.write_table(_OUTPUT.value, COLUMNS, rows)


if __name__ == "__main__":
    program.run(main)
