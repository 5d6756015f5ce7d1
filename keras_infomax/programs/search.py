"""Searches the space of a config, trains and exports the best; repeated, it goes on.

    keras-infomax search --config=search_critics --workdir=runs/search

Several processes share the trials by keras-tuner's environment variables; see
docs/keras_tuner.md.
"""

from absl import flags
from ml_collections import config_flags

import keras_infomax as kim
from keras_infomax.programs import mistakes, running

WRITES = {"workdir": ".", "report": "."}
FLAGS = flags.FlagValues()
_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config of the search, its name or path.", FLAGS
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the search.", FLAGS, required=True
)
_REPORT = flags.DEFINE_string(
    "report", None, "Folder of the table and the plots; W by default.", FLAGS
)
flags.mark_flag_as_required("config", FLAGS)


def main() -> None:
    """Searches."""
    config, workdir, tuning = _CONFIG.value, _WORKDIR.value, kim.tuning
    running.quieten_retracing()
    with mistakes.of_the_command():
        objective = tuning.Search.resolve(config).objective
    trials = tuning.search(config, workdir)
    if tuning.is_worker():
        print("No trials are left; the chief reports.")
        return
    tuning.report(trials, _REPORT.value or workdir, objective)
    last = tuning.train_best(config, workdir, trials)
    print(tuning.to_text(trials))
    print(
        f"The best one, trained anew on all training images for {last['step']} steps:"
    )
    names = {"probe_accuracy": "probe accuracy", "val_mi": "MI in nats"}
    for metric, name in names.items():
        if last[metric] is not None:
            print(f"  on the test images, {name:<16}{last[metric]:.4f}")
    print(f"Plots:  {_REPORT.value or workdir}/trials.png")
    print(f"Run:    {workdir}/best, with its encoder in {workdir}/encoder")
