"""Figures in README and docs are those of the committed result files."""

import csv
import json

import numpy as np
import pytest
from conftest import ROOT

from keras_infomax.methods import METHODS


def table(path):
    with open(ROOT / path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def gains(path):
    """Points that the encodings gain over the pixels, at the end of every run."""
    return [
        100 * (float(row["probe_accuracy"]) - float(row["pixel_baseline"]))
        for row in table(path)
        if row["step"] == row["steps"]
    ]


def text(path):
    return " ".join((ROOT / path).read_text(encoding="utf-8").split())


def test_gains_over_seeds_and_splits():
    readme = text("README.md")
    for path, form in (
        (
            "docs/demo/seeds.csv",
            "is {:.1f} points on average, between {:.1f} and {:.1f}",
        ),
        ("docs/demo/splits.csv", "it is {:.1f} points, between {:.1f} and {:.1f}"),
    ):
        found = gains(path)
        assert len(found) == 10
        assert form.format(np.mean(found), min(found), max(found)) in readme


def test_table_of_the_demo():
    readme = text("README.md")
    summary = json.loads((ROOT / "docs/demo/summary.json").read_text(encoding="utf-8"))
    for words, key, digits in (
        ("pixels (baseline)", "pixel_baseline", 4),
        ("encodings before training", "probe_accuracy_start", 4),
        ("encodings after 3000 steps", "probe_accuracy", 4),
        ("training batches", "mi", 3),
        ("held-out batches", "mi_held_out", 3),
    ):
        assert f"{words} {summary[key]:.{digits}f}" in readme


def test_accuracies_of_the_two_probes():
    page = text("docs/paper/README.md")
    runs = {}
    for row in table("docs/paper/results.csv"):
        if row["figure"] == "figure3" and row["step"] == row["steps"]:
            runs.setdefault((row["bound"], row["critic"]), []).append(row)
    assert len(runs) == 6
    for (bound, critic), rows in runs.items():
        stopped, converged = (
            np.mean([float(row[column]) for row in rows])
            for column in ("stopped_accuracy", "probe_accuracy")
        )
        line = f"| {bound} | {critic} | {stopped:.3f} | {converged:.3f} | {len(rows)} |"
        assert line in page


@pytest.mark.parametrize("dataset", ["digits", "cifar10"])
def test_methods(dataset):
    page = text("docs/methods/README.md")
    rows = [r for r in table("docs/methods/results.csv") if r["dataset"] == dataset]
    names = {row["figure"] for row in rows}
    assert names == set(METHODS) if dataset == "digits" else names <= set(METHODS)
    for name in names:
        ours = [row for row in rows if row["figure"] == name]
        first = [row for row in ours if row["step"] == "0"]
        last = [row for row in ours if row["step"] == row["steps"]]
        assert len(first) == len(last) == len({row["seed"] for row in ours})
        (pixels,) = {row["pixel_baseline"] for row in ours}
        assert f"on their pixels it is {pixels}" in page

        def mean(found, column):
            return np.mean([float(row[column]) for row in found])

        before, after = (mean(found, "probe_accuracy") for found in (first, last))
        assert (
            f"| `{name}` | {last[0]['steps']} | {before:.4f} | {after:.4f} | "
            f"{mean(last, 'mi_test'):.2f} |"
        ) in page
        assert min(float(row["probe_accuracy"]) for row in last) > float(pixels)
