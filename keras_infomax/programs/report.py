"""Draws the paper's figures and judges its claims from a table of results.

    keras-infomax report --workdir=runs/figure3

Reads W/results.csv and writes pictures beside it, and claims.md if there are runs of
the paper's experiments.
"""

import pathlib

from absl import flags

READS = {"workdir": "results.csv"}
FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder with results.csv.", FLAGS, required=True
)


def main() -> None:
    """Reports."""
    from keras_infomax import files
    from keras_infomax.paper import claims_page, figures, verdicts
    from keras_infomax.training import sweeps

    folder = pathlib.Path(_WORKDIR.value)
    results = verdicts.Results(sweeps.read_table(folder / "results.csv"))
    for path in figures.draw(results, folder):
        print(path)
    if claims_page.any_run(results):
        files.write_text(folder / "claims.md", claims_page.report(results))
        print(folder / "claims.md")
