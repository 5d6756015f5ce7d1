"""Figures of docs/mi are those of the committed tables."""

import csv
import math
import re

import numpy as np
import pytest
from conftest import ROOT

from keras_infomax.estimation import benchmark, columns, estimator, evaluation

PAGE = " ".join((ROOT / "docs/mi/README.md").read_text(encoding="utf-8").split())
TABLES = sorted((ROOT / "docs/mi").glob("*.csv"))


def table(name):
    with open(ROOT / f"docs/mi/{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def value(name, task, method, rows="10000", seed="0"):
    (found,) = (
        float(row["value"])
        for row in table(name)
        if (row["task"], row["method"], row["rows"], row["seed"])
        == (task, method, rows, seed)
    )
    return found


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_tables_know_the_truth_and_their_pages(path):
    rows = table(path.stem)
    for row in rows:
        truth = benchmark.task(row["task"]).mutual_information
        assert float(row["truth"]) == pytest.approx(truth, abs=1e-5)
        if row["covered"]:
            inside = float(row["low"]) <= truth <= float(row["high"])
            assert int(row["covered"]) == inside
    page = path.with_suffix(".md").read_text(encoding="utf-8")
    assert page == benchmark.summary(rows)


def test_the_guide_says_what_estimate_mi_does():
    guide = " ".join((ROOT / "docs/estimating.md").read_text(encoding="utf-8").split())
    generator = np.random.default_rng(0)
    for rows, word in (
        (4000, "five parts up to 4,000 rows"),
        (4001, "three up to 20,000"),
        (20_000, "three up to 20,000"),
        (20_001, "Beyond 20,000 rows, a fifth is held out once"),
    ):
        splits = estimator._splits(rows, None, None, generator)
        assert len(splits) == {"five": 5, "three": 3, "Beyond": 1}[word.split()[0]]
        train, validation, held_out = map(len, splits[0])
        assert validation == (train + validation) // 10
        assert held_out == -(-rows // max(len(splits), 5 if len(splits) == 1 else 1))
        assert word in guide
    more = evaluation.ceiling("interpolated", 1001) - math.log(1000)
    assert f"that of InfoNCE plus {more:.1f} nats" in guide
    for values, kind in ((64, "classes"), (65, "numbers")):
        found = columns.read("x", np.arange(200) % values)
        assert getattr(found, kind).shape == (200, 1)
    assert "whole numbers of up to 64 values" in guide


def test_the_staircase():
    for nats in (2, 4, 6, 8, 10):
        row = "| {} | {:.2f} | {:.2f} | {:.2f} | {:.2f} | {:.2f} |".format(
            nats,
            *(
                value("staircase", f"gaussian:20:{nats}", method)
                for method in (
                    *("infonce", "donsker_varadhan", "nwj", "gaussian", "ksg"),
                )
            ),
        )
        assert row in PAGE
    assert f"log of the 3,333 held-out rows, {math.log(3333):.2f} nats" in PAGE


def test_what_is_said_of_the_staircase():
    rows = table("staircase")
    for row in rows:
        if row["method"] == "infonce":
            assert float(row["high"]) < float(row["truth"])
            # The one warning of it is that of the ceiling.
            assert int(row["warnings"]) == (row["task"] == "gaussian:20:10")
        if row["method"] in ("donsker_varadhan", "nwj", "tuba"):
            assert abs(float(row["value"]) - float(row["truth"])) < 0.1
        if row["method"] == "smile" and float(row["truth"]) > 2:
            assert float(row["low"]) > float(row["truth"])
        if row["method"] == "ksg":
            assert float(row["value"]) < 0.3 * float(row["truth"])


def test_what_is_said_of_the_benchmark():
    methods = ("infonce", "donsker_varadhan", "nwj", "ksg")
    # Which of ours are nearer to the truth than what is published beside them.
    nearer = {}
    rows = r"\| `(\w+:[\d:]+)` [^`]*? \| (\d[\d.]+(?: / [\d.]+){3}) \|"
    for task, published in re.findall(rows, PAGE):
        truth = benchmark.task(task).mutual_information
        nearer[task] = [
            abs(value("benchmark", task, method) - truth) < abs(float(other) - truth)
            for method, other in zip(methods, published.split(" / "), strict=True)
        ]
    assert nearer == {
        "gaussian:3:5": [True] * 4,
        "uniform:3:5": [True] * 4,
        "gaussian:5:10": [True] * 4,
        "student:3:5:5": [True, True, True, False],
    }
    for row in table("benchmark"):
        if row["task"] in ("student:3:5:5", "1v1-additive-0.1"):
            assert row["covered"] in ("0", "")
            assert row["warnings"] == "0"
    truth = benchmark.task("1v1-additive-0.1").mutual_information
    off = [truth - value("benchmark", "1v1-additive-0.1", name) for name in methods]
    assert off[3] < 0.2 * min(off[:3])


def test_the_benchmark():
    for task in {row["task"] for row in table("benchmark") if row["rows"] == "10000"}:
        row = "| `{}` | {:.2f} | {:.2f} | {:.2f} | {:.2f} |".format(
            task,
            *(
                value("benchmark", task, method)
                for method in ("infonce", "donsker_varadhan", "nwj", "ksg")
            ),
        )
        assert row in PAGE
