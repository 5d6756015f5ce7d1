"""Benchmarks run, and the documents quote what they wrote."""

import json

from conftest import ROOT

from benchmarks import serving
from keras_infomax import encoders


def test_serving_measures_every_format_and_batch_size():
    results = serving.measure(encoders.mlp(serving.VIEW, (8,), 4), seconds=0)
    assert len(results) == 5 * len(serving.ROWS)
    for result in results:
        expected = 1e3 * result["rows"] / result["median_ms"]
        assert abs(result["rows_per_second"] / expected - 1) < 0.05
    lines = serving.table(results).splitlines()
    assert [len(line.split()[-4:]) for line in lines] == [4] * 6


def test_the_page_on_exports_quotes_the_results():
    facts = json.loads((ROOT / "benchmarks/results/serving.json").read_text())
    page = (ROOT / "docs/exports.md").read_text()
    assert str(facts["machine"]["cpu"]) in page
    for encoder in facts["encoders"].values():
        assert f"{encoder['parameters']:,}" in page
        assert serving.table(encoder["results"]) in page
