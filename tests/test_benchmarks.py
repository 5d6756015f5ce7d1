"""Benchmarks run, and the documents quote what they wrote."""

import json
import re
import sys
import time
from time import sleep

import pytest
import tensorflow as tf
from conftest import ROOT

import keras_infomax as kim
from benchmarks import (
    overheads,
    pairs,
    record,
    scaling,
    scaling_page,
    serving,
    tensor_board,
    training,
)
from benchmarks.peers import arithmetic, ours, plain_tensorflow
from keras_infomax import encoders
from keras_infomax.training.settings import Settings


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


@pytest.mark.slow
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


def test_the_page_on_performance_quotes_the_results():
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    steps, around = (
        json.loads((ROOT / f"benchmarks/results/{name}.json").read_text())
        for name in ("training", "overheads")
    )
    assert training.table(steps["results"]) in page
    assert training.table(steps["large_results"]) in page
    assert overheads.table(around["results"]) in page
    assert overheads.profile_table(around["profile_of_evaluation"]) in page


def test_the_page_on_scaling_quotes_the_results():
    facts = json.loads((ROOT / "benchmarks/results/scaling.json").read_text())
    page = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    assert len(facts["results"]) == len(scaling.cases())
    for table in scaling_page.tables(facts["results"]).values():
        assert table in page


@pytest.mark.slow
def test_every_overhead_can_be_measured(monkeypatch):
    monkeypatch.setattr(overheads, "STEPS", 32)
    monkeypatch.setattr(overheads, "TRAIN_ROWS", 200)
    monkeypatch.setattr(overheads, "TEST_ROWS", 50)
    for fit, bare in (
        overheads.fit_and_bare_loop(),
        overheads.stream_and_constant_batch(),
    ):
        assert pairs.measure(fit, bare, turns=1)["ratio"] > 0
    probing, facts = overheads.probe_and_saga(most_epochs=2)
    assert facts["saga_epochs"] in (1, 2)
    for pair in (probing, *overheads.evaluation_and_steps(steps=2)):
        assert pairs.measure(*pair, turns=1)["second_s"] > 0


def test_a_profile_tells_what_takes_longest():
    slow = overheads.profile(lambda: [time.sleep(0.05) for _ in range(2)], most=1)
    assert slow[0]["function"] == "time.sleep"
    assert slow[0]["calls"] == 2
    assert 0.1 <= slow[0]["own_s"] < 1
    assert slow[0]["share"] > 0.9
    row = f"| `time.sleep` | 2 | {slow[0]['own_s']:.3f} | {slow[0]['share']:.2f} |"
    assert row in overheads.profile_table(slow)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("critic", "steps", "most"), [("bilinear", 160, 1.5), ("mlp", 64, 0.75)]
)
def test_fit_is_no_slower_than_plain_tensorflow(critic, steps, most):
    train, train_plainly = (
        ours.prepare(critic, 128),
        plain_tensorflow.prepare(critic, 128),
    )
    # So many that what `fit` does before its first step counts little.
    found = pairs.measure(lambda: train(steps), lambda: train_plainly(steps), turns=5)
    # Less than a half and a quarter on a quiet machine, twice that on a busy one.
    assert found["ratio"] < most


def test_what_was_measured_is_written_in_a_new_folder(tmp_path):
    record.write(tmp_path / "new/facts.json", {"a": [1.5, None]})
    text = (tmp_path / "new/facts.json").read_text()
    assert json.loads(text) == {"a": [1.5, None]}
    assert text.endswith("}\n")


def test_pairs_are_measured_in_turns():
    calls = []
    found = pairs.measure(
        lambda: calls.append("first"), lambda: calls.append("second") or sleep(0.01), 4
    )
    assert calls[:2] == ["first", "second"]
    assert calls[2:] == ["second", "first", "first", "second"] * 2
    assert 0.01 < found["second_s"] < 0.1
    assert found["lower_quartile"] <= found["ratio"] <= found["upper_quartile"] < 0.1


@pytest.mark.parametrize("critic", ["bilinear", "separable"])
def test_operations_are_those_that_xla_counts(critic):
    x = y = tf.ones((32, 392))
    model = kim.InfoMax(kim.encoders.mlp((392,)), kim.encoders.mlp((392,)), critic)
    variables = [v.value for v in model.trainable_variables]

    @tf.function(jit_compile=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model((x, y)))
        return tape.gradient(loss, variables)

    program = step.experimental_get_compiler_ir(x, y)(stage="hlo")
    products = re.findall(
        r"f32\[(\d+),(\d+)\]\S* dot\(f32\[([\d,]+)\].*lhs_contracting_dims={(\d)}",
        program,
    )
    counted = sum(
        2 * int(rows) * int(columns) * int(left.split(",")[int(axis)])
        for rows, columns, left, axis in products
    )
    assert counted == arithmetic.operations(critic, 32)


@pytest.mark.slow
def test_a_case_is_measured_or_over_the_limit():
    case = {
        "critic": "mlp",
        "batch_size": 64,
        "chunk_size": 16,
        "replicas": 2,
        "encoding_dim": 8,
        "hidden_units": 9,
    }
    worker = scaling.Worker(2)
    found = worker.measure(case)
    assert found["step_ms"] > 0
    assert 1 < found["peak_mib"] < 1000
    assert not worker.ended
    worker.stop()
    over = scaling.Worker(2, limit_gib=0.1)
    assert over.measure(case) == {"step_ms": None, "peak_mib": None}
    assert over.ended


def test_cases_are_all_that_there_are_and_in_the_tables(tmp_path):
    cases = scaling.cases()
    assert len({json.dumps(case) for case in cases}) == len(cases) == 48 + 3 + 9 + 6
    results = [{**case, "step_ms": 1234.0, "peak_mib": 56} for case in cases]
    tables = scaling_page.tables(results)
    assert tables["batch_size"].count("1,234 ms, 56 MiB") == 48
    assert tables["replicas"].count("1,234 ms") == 9
    assert tables["encoding_dim"].count("1,234 ms") == 12
    assert tables["hidden_units"].count("1,234 ms") == 8
    results[0].update(step_ms=None, peak_mib=None)
    assert scaling_page.of_batch_size(results).count("over the limit") == 1
    scaling_page.plot(results, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


def test_costs_are_fitted():
    sizes = [128, 512, 2048, 8192]
    exact = [2 + 0.01 * size + 1e-6 * size**2 for size in sizes]
    assert scaling_page.fitted(sizes, exact) == pytest.approx([2, 0.01, 1e-6])
    assert scaling_page.last_exponent({1: 5.0, 10: 3.0, 100: 300.0}) == pytest.approx(2)
