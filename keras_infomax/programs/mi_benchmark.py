"""Runs estimators on distributions of known mutual information, into one table.

    keras-infomax mi-benchmark --config=mi/staircase --workdir=runs/staircase

Writes W/results.csv after each estimate, goes on there when repeated, and in the end
W/results.md and W/results.png.
"""

import pathlib

from absl import flags
from ml_collections import config_flags

from keras_infomax.programs import mistakes

WRITES = {"workdir": "."}
# Its configs are no `Settings`.
CONFIGS = "mi/"
KEYS = {
    "tasks": "Names of distributions, such as `gaussian:20:6`; see docs/mi.",
    "rows": "Numbers of rows of a sample.",
    "seeds": "Seeds of samples and estimators.",
    "methods": "Estimators, by the names that `keras-infomax mi --method` takes.",
    "steps": "Most steps of each training.",
}
FLAGS = flags.FlagValues()
_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config of the benchmark, its name or path.", FLAGS
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the table.", FLAGS, required=True
)
_NAME = flags.DEFINE_string("name", "results", "Name of the table.", FLAGS)
flags.mark_flag_as_required("config", FLAGS)


def main() -> None:
    """Compares."""
    from keras_infomax import files
    from keras_infomax.estimation import benchmark
    from keras_infomax.plots import drawing

    with mistakes.of_the_command():
        benchmark.check(_CONFIG.value.to_dict())
    folder = pathlib.Path(_WORKDIR.value)
    path = benchmark.run(_CONFIG.value.to_dict(), folder, _NAME.value)
    table = benchmark.read(path)
    files.write_text(path.with_suffix(".md"), benchmark.summary(table))
    drawing.save(benchmark.draw(table), path.with_suffix(".png"))
    for suffix in (".csv", ".md", ".png"):
        print(path.with_suffix(suffix))
