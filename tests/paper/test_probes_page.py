"""The page that judges the paper's encoders by several readers."""

import re

import numpy as np
import pytest
import scipy.stats
from conftest import ROOT

from keras_infomax.paper import probes_page, verdicts
from keras_infomax.probes.table import LINEAR_PROBES, PASSES
from keras_infomax.programs import documentation
from keras_infomax.training import comparison, sweeps

SEEDS = range(4)
NAMES = ("linear_stopped", "linear", "mlp", "neighbours", *LINEAR_PROBES)


def row(probe, bound, critic, seed, accuracy, **values):
    made = {"raw_accuracy": 0.85, "information": 1.5, "commit": "abc"}
    made["covariance_log_condition"] = 10.0 + (critic == "mlp")
    key = {"figure": "figure3", "probe": probe, "bound": bound, "critic": critic}
    return {**key, **made, "seed": str(seed), "accuracy": accuracy, **values}


def gap(bound, seed, probe):
    """Stopped early, 3 points under InfoNCE; otherwise none, but for the seed."""
    is_stopped = probe not in ("linear", "mlp", "neighbours", "best_penalty")
    size = 0.03 * (bound == "infonce" and is_stopped) - 0.02 * (probe == "mlp")
    return size + 0.001 * (seed - 1.5)


def table():
    return [
        row(
            *(name, bound, critic, seed),
            0.88 - (gap(bound, seed, name) if critic == "mlp" else 0.0),
        )
        for name in NAMES
        for bound in probes_page.BOUNDS
        for critic in probes_page.CRITICS
        for seed in SEEDS
    ]


@pytest.fixture(scope="module")
def runs():
    return verdicts.Results(sweeps.read_table(ROOT / "docs/paper/figure3.csv"))


def test_gaps_are_paired_by_seed_and_in_points():
    judged = probes_page.Judged(table())
    found = judged.gap("linear_stopped", "infonce", "bilinear", "mlp")
    expected = [3.0 + 0.1 * (seed - 1.5) for seed in SEEDS]
    np.testing.assert_allclose(found.values, expected)
    half = scipy.stats.sem(expected) * scipy.stats.t.ppf(0.975, 3)
    np.testing.assert_allclose(found.interval(), (3.0 - half, 3.0 + half))
    assert judged.gain("linear", "nwj", "bilinear").mean == pytest.approx(3.0)
    assert judged.seeds() == [4] * 6
    # A seed that one of the two critics lacks makes no pair.
    rest = [r for r in table() if (r["critic"], r["seed"]) != ("bilinear", "2")]
    rest = probes_page.Judged(rest).gap("linear", "infonce", "bilinear", "mlp")
    np.testing.assert_allclose(rest.values, [-0.15, -0.05, 0.15])


def test_the_page_says_what_the_numbers_say(runs):
    page = probes_page.report(table(), runs)
    prose = " ".join(page.split())
    # 3.182 is the quantile of t for 3 degrees of freedom, 0.1291 the deviation.
    half = 3.182 * 0.1291 / 2
    said = f"+3.0 points ({3 - half:+.1f} to {3 + half:+.1f})"
    none = f"+0.0 points ({-half:+.1f} to {half:+.1f}), which may be none"
    of_infonce, of_nwj = prose.split("**NWJ.**")
    assert (
        f"**InfoNCE.** Stopped early, the probe sees a gap of {said}. Solved to "
        f"convergence, it sees one of {none}." in of_infonce
    )
    assert f"the probe sees a gap of {none}." in of_nwj
    assert "They are behind: one hidden layer." in of_infonce
    assert (
        "from those of the MLP critic: linear, converged, C by cross-validation; ne"
        in (of_infonce)
    )
    assert "| nearest neighbors | 88.0 (+3.0) |" in page
    assert "| InfoNCE | 10.0 (+10.0 to +10.0) | 10.0 (+10.0 to +10.0) | 11.0 " in page
    # Costs are 3 points and the jitter for half of the encoders of the MLP critic.
    assert "over the 24 encoders" in prose
    assert f"--probes={','.join(probes_page.Judged(table()).probes)}" in page
    assert all(f"passes_{n}" in page for n in PASSES)


def test_the_page_needs_both_linear_probes():
    assert probes_page.is_about(table())
    assert not probes_page.is_about([])
    assert not probes_page.is_about([r for r in table() if r["probe"] != "linear"])
    assert not probes_page.is_about([{**r, "figure": "figure8"} for r in table()])


def test_the_noise_of_the_solvers_order():
    rows = [
        row(name, "nwj", "mlp", seed, 0.8 + 0.01 * number * (-1) ** seed + 0.1 * seed)
        for number, name in enumerate(
            ("linear_stopped", "stopped_seed_1", "stopped_seed_2")
        )
        for seed in (0, 1)
    ]
    (said, _) = " ".join(probes_page._orders(probes_page.Judged(rows))).split(". The")
    # Of 80, 81 and 82; and of 80 and 90.
    assert "standard deviation of 1.00 points, where" in said
    assert f"has one of {np.sqrt(50):.2f}" in said


def test_the_command_of_the_page_can_be_typed(runs):
    page = probes_page.report(table(), runs)
    names = re.search(r"--probes=(\S+)", page)[1].split(",")
    assert set(names) <= set(documentation.choices("--probes"))
    assert PASSES == tuple(int(n[7:]) for n in LINEAR_PROBES if n.startswith("passes_"))


def test_the_picture_is_drawn(tmp_path):
    (path,) = probes_page.draw(table(), tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_committed_page_is_that_of_the_committed_tables(runs):
    folder = ROOT / "docs/paper"
    rows = comparison.read_table(folder / "probes.csv")
    assert probes_page.report(rows, runs) == (folder / "probes.md").read_text("utf-8")


def test_what_is_said_of_whitened_features():
    judged = probes_page.Judged(comparison.read_table(ROOT / "docs/paper/probes.csv"))
    for bound in probes_page.BOUNDS:
        gap = judged.gap("stopped_whitened", bound, "bilinear", "mlp")
        assert (
            gap.mean < 0 < judged.gap("linear_stopped", bound, "bilinear", "mlp").mean
        )
