"""Figures of docs/mi are those of the committed tables."""

import csv
import math

import pytest
from conftest import ROOT

from keras_infomax.estimation import benchmark

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
