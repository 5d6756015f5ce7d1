"""Draws the paper's figures and judges its claims from a table of results.

    python -m trainers.report --workdir=runs/figure3
    python -m trainers.report --workdir=docs/paper

Reads W/results.csv and writes pictures beside it, and claims.md if there are runs of
the paper's experiments.
"""

import pathlib

from absl import flags

from keras_infomax import checks, files
from keras_infomax.paper import claims_page, figures, verdicts
from keras_infomax.training import sweeps
from trainers import program

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder with results.csv.", required=True
)


def main() -> None:
    """Reports."""
    folder = pathlib.Path(checks.path("workdir", _WORKDIR.value))
    results = verdicts.Results(sweeps.read_table(folder / "results.csv"))
    for path in figures.draw(results, folder):
        print(path)
    if claims_page.any_run(results):
        files.write_text(folder / "claims.md", claims_page.report(results))
        print(folder / "claims.md")


if __name__ == "__main__":
    program.run(main)
