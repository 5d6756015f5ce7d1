"""Benchmarks run, and the documents quote what they wrote."""

import json
import sys

from conftest import ROOT

from benchmarks import scaling, serving, tensor_board, training
from keras_infomax import encoders
from keras_infomax.settings import Settings


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


def test_tensor_board_is_measured_in_pairs():
    settings = Settings.resolve({"steps": 4, "eval_every": 2, "batch_size": 32})
    facts = tensor_board.measure(settings, pairs=1)
    (pair,) = facts["pairs"]
    for kind in ("elapsed_s", "processor_s"):
        share = pair["with"][kind] / pair["without"][kind] - 1
        assert abs(facts[f"median_share_of_{kind}"] - share) < 1e-3
    seconds = pair["with"]["in_callback_s"]
    assert 0 == pair["without"]["in_callback_s"] < seconds < pair["with"]["elapsed_s"]
    share = seconds / (pair["with"]["elapsed_s"] - seconds)
    assert abs(facts["median_share_in_callback"] - share) < 1e-3


def test_the_page_on_tensor_board_quotes_the_results():
    facts = json.loads((ROOT / "benchmarks/results/tensor_board.json").read_text())
    page = (ROOT / "docs/tensorboard.md").read_text(encoding="utf-8")
    assert facts["median_share_in_callback"] <= 0.05
    for kind in ("in_callback", "of_elapsed_s", "of_processor_s"):
        share = facts[f"median_share_{kind}"]
        assert f"{100 * share:+.1f} %".replace("-", "−") in page


def test_training_is_measured_in_turns(capsys):
    pythons = {
        "ours": sys.executable,
        "plain_tensorflow": sys.executable,
        "missing": sys.executable,
    }
    found = training.measure("bilinear", 8, pythons, turns=4, steps=2)
    assert list(found) == ["ours", "plain_tensorflow"]
    assert "missing does not run" in capsys.readouterr().out
    ours, plain = found.values()
    assert (ours["ours_over_it"], ours["ours_over_it_processor"]) == (1, 1)
    assert plain["lower_quartile"] <= plain["ours_over_it"] <= plain["upper_quartile"]
    assert min(found[peer]["step_ms"] for peer in found) > 0
    # Both hold TensorFlow, and little else.
    assert 0.5 < ours["peak_mib"] / plain["peak_mib"] < 2
    assert len(training.table({"bilinear": found}).splitlines()) == 4


def test_a_case_is_measured_or_over_the_limit():
    case = {"batch_size": 64, "critic": "mlp", "chunk_size": 16, "replicas": 2}
    found = scaling.measure(case)
    assert case.items() <= found.items()
    assert found["step_ms"] > 0
    assert 10 < found["peak_mib"] < 1000
    over = scaling.measure(case, limit_gib=0.1)
    assert over == {**case, "step_ms": None, "peak_mib": None}


def test_cases_are_all_that_there_are_and_have_a_cell_each(tmp_path):
    cases = scaling.cases()
    assert len({json.dumps(case) for case in cases}) == len(cases) == 48
    results = [{**case, "step_ms": 1234.0, "peak_mib": 56} for case in cases]
    table = scaling.table(results)
    assert table.count("1,234 ms, 56 MiB") == 48
    scaling.plot(results, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")
