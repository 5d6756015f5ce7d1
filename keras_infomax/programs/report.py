"""Draws the paper's figures and judges its claims from a table of results.

    keras-infomax report --workdir=runs/figure3

Reads W/results.csv and writes pictures beside it, and claims.md if there are runs of
the paper's experiments. If the folder has the tables of `docs/paper`, probes.csv of
`keras-infomax probe` and figure3.csv, it writes probes.md and its picture, too.
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
    from keras_infomax.paper import claims_page, figures, probes_page, verdicts
    from keras_infomax.training import comparison, sweeps

    folder = pathlib.Path(_WORKDIR.value)
    results = verdicts.Results(sweeps.read_table(folder / "results.csv"))
    for path in figures.draw(results, folder):
        print(path)
    if claims_page.any_run(results):
        files.write_text(folder / "claims.md", claims_page.report(results))
        print(folder / "claims.md")
    judged, trained = folder / "probes.csv", folder / "figure3.csv"
    rows = comparison.read_table(judged) if judged.exists() else []
    if probes_page.is_about(rows) and trained.exists():
        runs = verdicts.Results(sweeps.read_table(trained))
        for path in probes_page.draw(rows, folder):
            print(path)
        files.write_text(folder / "probes.md", probes_page.report(rows, runs))
        print(folder / "probes.md")
