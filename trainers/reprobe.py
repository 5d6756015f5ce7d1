"""Probes the encoders of finished runs once more, as the paper's notebook did.

    python -m trainers.reprobe --workdir=runs/figure3 --output=docs/paper/probes.csv

The notebook stops its solver after a few passes over the data. For every finished run
below the workdir, the table sets that accuracy beside the one at convergence.
"""

import csv
import io
import json
import pathlib
from typing import Any

import keras
from absl import flags

from keras_infomax import experiments, files, probes, runs
from keras_infomax.settings import Settings
from trainers import program

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the runs.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Table to write.", required=True)

KEY = ("figure", "dataset", "encoder", "critic", "bound", "target", "seed", "steps")


def reprobe(run: pathlib.Path) -> dict[str, Any]:
    """Accuracies of one finished run.

    Args:
        run: Workdir of the run.

    Returns:
        What tells the run from others, and `converged` and `stopped` accuracies.
    """
    settings = Settings.resolve(json.loads((run / "config.json").read_text("utf-8")))
    data = experiments.load_data(settings, None)
    (probe,) = experiments.make_probes(data, experiments.make_views(settings))
    model = keras.saving.load_model(run / "model.keras", compile=False)
    train, test = (
        probes.encode(model.encoder_x, views) for views, _ in (probe.train, probe.test)
    )
    stopped = probes.LogisticProbe(solver="saga", tolerance=0.1)
    stopped.fit(train, probe.train[1])
    return {
        **{key: settings.as_dict()[key] for key in KEY},
        "converged": runs.read_metrics(run / "metrics.csv")[-1]["probe_accuracy"],
        "stopped": stopped.score(test, probe.test[1]),
        "passes": int(stopped.pipeline[-1].n_iter_[0]),
    }


def main() -> None:
    """Probes once more."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, [*KEY, "converged", "stopped", "passes"], lineterminator="\n"
    )
    writer.writeheader()
    for model in sorted(pathlib.Path(_WORKDIR.value).glob("*/model.keras")):
        row = reprobe(model.parent)
        writer.writerow(row)
        print(model.parent.name, row["converged"], row["stopped"], flush=True)
    files.write_text(_OUTPUT.value, text.getvalue())


if __name__ == "__main__":
    program.run(main)
