import re

import numpy as np
import pytest
import scipy.stats

from keras_infomax.paper import claims, claims_page, figures, verdicts
from keras_infomax.paper.verdicts import FAILS, HOLDS, NOT_RUN, UNDECIDED, Check
from keras_infomax.training import sweeps

SEEDS = range(4)


def rows(figure, first, last, budget="full", jitter=0.001, **key):
    """Two evaluations a seed; seeds scatter by `jitter` around the given values."""
    found = []
    for seed in SEEDS:
        for step, values in ((0, first), (20_000, last)):
            row = dict.fromkeys(sweeps.COLUMNS, "") | {"figure": figure, **key}
            row |= {"seed": str(seed), "budget": budget, "step": str(step)}
            row |= {"dataset": "mnist", "steps": "20000"}
            row |= {k: str(v + jitter * (seed - 1.5)) for k, v in values.items()}
            found.append(row)
    return found


def figure3(accuracies, estimates, bound="nwj", held_out=0.1, **options):
    return [
        row
        for critic in ("bilinear", "separable", "mlp")
        for row in rows(
            "figure3",
            {"probe_accuracy": 0.85, "mi": 0.0, "val_mi": 0.0},
            {
                "probe_accuracy": accuracies[critic],
                "mi": estimates[critic],
                "val_mi": estimates[critic] - held_out,
            },
            critic=critic,
            bound=bound,
            **options,
        )
    ]


ACCURACIES = {"bilinear": 0.88, "separable": 0.878, "mlp": 0.852}
ESTIMATES = {"bilinear": 4.0, "separable": 4.5, "mlp": 6.0}


def checks_of(number, table, probe="converged"):
    (claim,) = (c for c in claims.CLAIMS if c.number == number)
    results = verdicts.Results(table)
    return claim.checks(results.by_stopped_probe() if probe == "stopped" else results)


def verdict_of(number, table, probe="converged"):
    """Verdict on a claim by itself, without a correction for others."""
    (judgement,) = verdicts.judge([checks_of(number, table, probe)])
    return judgement.verdict


def test_interval_is_students_of_the_mean_over_seeds():
    # Quantiles of t for 0.975, from tables: 12.706 with 1 degree of freedom, 4.303
    # with 2, 2.093 with 19.
    for values, quantile in (
        ((1.0, 2.0), 12.706),
        ((1.0, 2.0, 6.0), 4.303),
        (tuple(np.arange(20.0)), 2.093),
    ):
        low, high = Check("x", values).interval()
        half = quantile * np.std(values, ddof=1) / np.sqrt(len(values))
        assert low == pytest.approx(np.mean(values) - half, rel=1e-3)
        assert high == pytest.approx(np.mean(values) + half, rel=1e-3)


def test_intervals_of_few_seeds_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    for seeds in (2, 3, 5):
        intervals = [
            Check("x", tuple(rng.normal(1.0, 1.0, seeds))).interval()
            for _ in range(800)
        ]
        covered = np.mean([low < 1.0 < high for low, high in intervals])
        assert covered == pytest.approx(0.95, abs=0.025)


def test_p_values_are_those_of_the_t_test():
    values = (0.3, 0.1, 0.4, 0.2)
    t = scipy.stats.ttest_1samp
    for end in (0.0, 0.2, 0.5):
        greater = t(values, end, alternative="greater").pvalue
        less = t(values, end, alternative="less").pvalue
        assert Check("x", values, low=end).p_values() == pytest.approx((greater, less))
        assert Check("x", values, high=end).p_values() == pytest.approx((less, greater))
    inside, outside = Check("x", values, low=0.0, high=0.3).p_values()
    assert inside == pytest.approx(t(values, 0.3, alternative="less").pvalue)
    assert outside == pytest.approx(
        min(1, 2 * t(values, 0.3, alternative="greater").pvalue)
    )
    assert Check("x", values, low=0.0, full=False).p_values() == (1.0, 1.0)
    assert Check("x", (1.0,), low=0.0).p_values() == (1.0, 1.0)
    assert Check("x", (1.0, 1.0), low=0.0).p_values() == (0.0, 1.0)
    assert Check("x", (1.0, 1.0), high=0.5).p_values() == (1.0, 0.0)


def test_holms_correction_by_hand():
    p = {0.001: None, 0.004: None, 0.2: None, 0.012: None}
    for wanted in p:
        # Two seeds at a distance of t deviations from 0 have the p-value of t.
        t = scipy.stats.t.isf(wanted, 1)
        p[wanted] = Check("x", (t - 1.0, t + 1.0), low=0.0)
    judged = verdicts.judge([[check] for check in p.values()])
    # Sorted 0.001, 0.004, 0.012, 0.2, times 4, 3, 2, 1.
    assert [j.p_value for j in judged] == pytest.approx([0.004, 0.012, 0.2, 0.024])
    assert [j.verdict for j in judged] == [HOLDS, HOLDS, UNDECIDED, HOLDS]
    # One claim more, which was not run, and the last one is undecided.
    judged = verdicts.judge([*([check] for check in p.values()), []])
    assert [j.p_value for j in judged] == pytest.approx([0.005, 0.016, 0.4, 0.036, 1])
    assert [j.verdict for j in judged][3:] == [UNDECIDED, NOT_RUN]


def test_true_claims_are_seldom_refuted_and_false_ones_seldom_confirmed():
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(120):
        # At the very threshold, either verdict would be wrong.
        claims_ = [
            [Check("x", tuple(rng.normal(0.0, 1.0, 5)), low=0.0) for _ in range(3)]
            for _ in range(8)
        ]
        judged = verdicts.judge(claims_)
        wrong += any(j.verdict in (HOLDS, FAILS) for j in judged)
    assert wrong / 120 < 0.05


def test_seeds_to_decide_decide_in_four_of_five_repetitions():
    check = Check("x", (0.0, 1.0, 2.0), low=0.2)  # Mean 1, deviation 1.
    seeds = check.seeds_to_decide()
    rng = np.random.default_rng(5)

    def decided(count):
        draws = (
            Check("x", tuple(rng.normal(1, 1, count)), low=0.2) for _ in range(600)
        )
        return np.mean([check.p_values()[0] < 0.025 for check in draws])

    assert decided(seeds) == pytest.approx(0.83, abs=0.06)
    assert decided(seeds - 1) < decided(seeds + 3)
    assert check.seeds_to_decide(16) > seeds
    assert Check("x", (0.0, 1.0, 2.0), low=0.999).seeds_to_decide() is None
    assert Check("x", (0.0, 1.0, 2.0), high=0.2).seeds_to_decide() == seeds


@pytest.mark.parametrize(
    ("values", "interval", "expected"),
    [
        ((1.0, 1.1, 0.9), {"low": 0.5}, HOLDS),
        ((1.0, 1.1, 0.9), {"low": 2.0}, FAILS),
        ((1.0, -1.0, 0.2), {"low": 0.0}, UNDECIDED),
        ((1.0, 1.1), {"low": 0.5, "high": 1.5}, UNDECIDED),
        ((1.0, 1.1, 0.9), {"low": 0.5, "high": 1.5}, HOLDS),
        ((1.0, 1.1), {"high": 0.5}, UNDECIDED),
        ((1.0, 1.1, 0.9), {"high": 0.5}, FAILS),
        ((1.0,), {"low": 0.5}, UNDECIDED),
        ((1.0,), {"low": 0.5, "exact": True}, HOLDS),
        ((1.0, 1.1, 0.9), {"low": 0.5, "full": False}, UNDECIDED),
        ((), {"low": 0.5}, NOT_RUN),
    ],
)
def test_verdict_of_a_check(values, interval, expected):
    assert Check("x", values, **interval).verdict() == expected


def test_a_claim_holds_if_all_checks_do_and_fails_if_one_does():
    def verdict(*checks):
        (judgement,) = verdicts.judge([checks])
        return judgement.verdict

    values = (1.0, 1.01, 1.02)
    holds, fails = Check("a", values, low=0.0), Check("b", values, high=0.0)
    missing = Check("c", ())
    assert verdict(holds, holds) == HOLDS
    assert verdict(holds, missing) == UNDECIDED
    assert verdict(holds, missing, fails) == FAILS
    assert verdict(missing) == verdict() == NOT_RUN


def test_the_papers_order_of_critics_holds_where_it_is_in_the_data():
    assert verdict_of(8, figure3(ACCURACIES, ESTIMATES)) == HOLDS
    # The same accuracies under InfoNCE, but estimates away from the ceiling.
    assert verdict_of(7, figure3(ACCURACIES, ESTIMATES, "infonce")) == FAILS


def test_the_reverse_order_does_not_hold():
    reverse = {"bilinear": 0.852, "separable": 0.878, "mlp": 0.88}
    assert verdict_of(8, figure3(reverse, ESTIMATES)) == FAILS


def test_a_quick_budget_decides_nothing():
    assert verdict_of(8, figure3(ACCURACIES, ESTIMATES, budget="quick")) == UNDECIDED


def test_budget_is_that_of_the_runs_that_a_check_is_about():
    table = [
        row
        for encoder, budget in (("mlp", "full"), ("convnet", "quick"))
        for row in rows(
            "supervised", {}, {"test_accuracy": 0.94}, budget, encoder=encoder
        )
    ]
    (claim,) = (c for c in claims.CLAIMS if c.number == 2)
    mlp, convnet, gap = claim.checks(verdicts.Results(table))
    assert (mlp.verdict(), convnet.verdict(), gap.verdict()) == (
        HOLDS,
        UNDECIDED,
        UNDECIDED,
    )


def test_of_two_budgets_the_longer_run_counts():
    table = rows("supervised", {}, {"test_accuracy": 0.9}, encoder="mlp")
    short = rows("supervised", {}, {"test_accuracy": 0.5}, "quick", encoder="mlp")
    short = [{**row, "steps": "4000", "step": "4000"} for row in short]
    for rows_of_both in (table + short, short + table):
        series = verdicts.Results(rows_of_both).series("test_accuracy")
        assert series.full
        assert {tuple(steps) for steps in series.values()} == {(20_000,)}


def test_each_probe_has_a_verdict_of_its_own():
    def run(critic, stopped, converged):
        measured = {"stopped_accuracy": stopped, "probe_accuracy": converged}
        return rows(
            "figure3",
            {},
            {**measured, "mi": ESTIMATES[critic], "val_mi": ESTIMATES[critic]},
            critic=critic,
            bound="nwj",
        )

    table = [
        *run("bilinear", 0.88, 0.880),
        *run("separable", 0.87, 0.884),
        *run("mlp", 0.85, 0.890),
    ]
    assert verdict_of(8, table, probe="stopped") == HOLDS
    assert verdict_of(8, table, probe="converged") == FAILS
    (line,) = (
        line
        for line in claims_page.report(verdicts.Results(table)).splitlines()
        if line.startswith("| 8.")
    )
    assert re.search(rf"\| {HOLDS} \(p = [^|]*\| {FAILS} \(p = [^|]*\|$", line)


def test_rises_compare_last_with_first():
    table = rows("figure1", {"probe_accuracy": 0.85}, {"probe_accuracy": 0.5})
    rises = verdicts.Results(table).rise("probe_accuracy", figure="figure1")
    assert rises == {str(s): pytest.approx(-0.35) for s in SEEDS}
    only_last = [row for row in table if row["step"] == "20000"]
    assert verdicts.Results(only_last).rise("probe_accuracy") == {}


def test_an_adversary_is_judged_against_the_pixels():
    def table(accuracy):
        measured = {"probe_accuracy": accuracy, "raw_baseline": 0.85}
        return rows("figure1_adversarial", {}, measured)

    assert verdict_of(5, table(0.5)) == HOLDS
    assert verdict_of(5, table(0.84)) == FAILS


def test_the_architecture_must_matter_more_than_the_estimator():
    def figure4(convnet, nwj, distances=None):
        distances = distances or {}
        return [
            row
            for encoder in ("mlp", "convnet")
            for bound in ("infonce", "nwj")
            for target in ("2", "4")
            for row in rows(
                "figure4",
                {},
                {
                    "probe_accuracy": 0.85
                    + convnet * (encoder == "convnet")
                    + nwj * (bound == "nwj"),
                    "loss": distances.get((encoder, bound, target), 0.1),
                },
                encoder=encoder,
                bound=bound,
                target=target,
            )
        ]

    assert verdict_of(11, figure4(convnet=0.05, nwj=0.01)) == HOLDS
    assert verdict_of(11, figure4(convnet=0.01, nwj=0.05)) == FAILS
    assert verdict_of(10, figure4(convnet=0.05, nwj=0.01)) == HOLDS
    # Encoders are compared at an equal estimate, that is, where both are held there.
    table = figure4(0.05, 0.01, {("convnet", "nwj", "4"): 0.36})
    assert [len(check.values) for check in checks_of(10, table)] == [4, 4, 4, 0]
    assert [len(check.values) for check in checks_of(11, table)] == [4, 0]
    assert [len(check.values) for check in checks_of(9, table)] == [4] * 8
    assert verdict_of(9, table) == FAILS


def test_estimates_are_judged_on_held_out_batches_too():
    table = figure3(ACCURACIES, ESTIMATES, held_out=1.3)
    assert verdict_of(16, table) == FAILS
    both = figure3(ACCURACIES, ESTIMATES) + figure3(ACCURACIES, ESTIMATES, "infonce")
    assert verdict_of(16, both) == HOLDS
    reverse = {"bilinear": 6.0, "separable": 4.5, "mlp": 4.0}
    held_out = figure3(ACCURACIES, reverse)
    for row, other in zip(held_out, figure3(ACCURACIES, ESTIMATES), strict=True):
        row["mi"] = other["mi"]
    assert verdict_of(8, held_out) == FAILS


def test_nothing_run_is_said_for_every_claim():
    text = claims_page.report(verdicts.Results([]))
    for claim in claims.CLAIMS:
        line = f"| {claim.number}. {claim.statement} | {NOT_RUN} | {NOT_RUN} |"
        assert line in text
    for change in claims.CHANGES:
        assert f"- {change}" in text


def test_the_report_shows_statistic_interval_and_verdict():
    text = claims_page.report(verdicts.Results(figure3(ACCURACIES, ESTIMATES)))
    assert "accuracy, bilinear less mlp: 0.028 [" in text
    assert "4 seeds, s.d. 0; claimed above 0: holds" in text


def test_runs_with_other_settings_are_no_one_statistic(tmp_path):
    told = '{"eval_every":1000}'
    other = '{"eval_every":1000,"learning_rate":0.001}'

    def of(*settings):
        table = figure3(ACCURACIES, ESTIMATES)
        return [row | {"settings": s} for row, s in zip(table, settings, strict=False)]

    # Rows of an earlier version, which tell nothing, join the others.
    mixed = verdicts.Results(of(*["", told] * 12))
    assert len(mixed.last("probe_accuracy", figure="figure3", critic="mlp")) == 4
    results = verdicts.Results(of(*[told] * 8, *[other] * 8, *[told] * 4, *[other] * 4))
    for critic in ("bilinear", "separable"):
        assert len(results.last("mi", figure="figure3", critic=critic)) == 4
    with pytest.raises(ValueError, match="same settings to be one stat.*learning_rate"):
        results.last("mi", figure="figure3", critic="mlp")
    # Nor are they one curve.
    figures.draw(mixed, tmp_path / "mixed")
    assert "learning" not in (tmp_path / "mixed/figure3.svg").read_text()
    figures.draw(results, tmp_path / "told")
    picture = (tmp_path / "told/figure3.svg").read_text()
    labels = [f"<!-- MLP critic, {settings} -->" for settings in (told, other)]
    assert [picture.count(label) for label in labels] == [2, 2]


def test_pictures_are_drawn_for_what_was_run(tmp_path):
    table = figure3(ACCURACIES, ESTIMATES) + figure3(ACCURACIES, ESTIMATES, "infonce")
    written = figures.draw(verdicts.Results(table), tmp_path)
    assert [path.name for path in written] == ["figure3.png", "figure3.svg"]
    picture = (tmp_path / "figure3.svg").read_text()
    figures.draw(verdicts.Results(table), tmp_path)
    assert (tmp_path / "figure3.svg").read_text() == picture


def test_methods_have_a_panel_for_each_data_set(tmp_path):
    table = [
        dict.fromkeys(sweeps.COLUMNS, "")
        | {"figure": figure, "dataset": dataset, "seed": "0", "budget": "quick"}
        | {"bound": "infonce", "critic": "bilinear"}
        | {"step": step, "probe_accuracy": "0.9", "raw_baseline": "0.8"}
        for figure in ("cmc", "amdim", "figure3")
        for dataset in ("digits", "cifar10")
        for step in ("0", "100")
    ]
    results = verdicts.Results(table)
    titles = [panel.title for panel in figures.panels_of_methods(results)]
    assert titles == ["amdim, digits", "cmc, digits", "amdim, cifar10", "cmc, cifar10"]
    written = figures.draw(results, tmp_path)
    assert {path.stem for path in written} == {"figure3", "methods"}


def test_every_panel_has_columns_that_the_table_has():
    for panels in figures.PICTURES.values():
        for panel in panels:
            used = {panel.column, *panel.curves, *panel.where}
            assert used | ({panel.reference} - {None}) <= set(sweeps.COLUMNS)


def test_a_thing_has_one_look_in_all_pictures():
    look = figures._look
    infonce = look(("bound",), ("infonce",))
    assert infonce == {"color": "C0", "linestyle": "-", "label": "InfoNCE"}
    dependent = look(("dataset", "bound"), ("gaussian_dependent", "infonce"))
    assert dependent == {**infonce, "label": "InfoNCE, dependent"}
    independent = look(("dataset", "bound"), ("gaussian_iid", "infonce"))
    assert independent["color"] == "C0"
    assert independent["linestyle"] != dependent["linestyle"]
    looks = [*figures.COLORS.values()]
    assert len({color for color, _ in looks}) == len(looks)
    for panels in figures.PICTURES.values():
        assert {panel.reference for panel in panels} <= {None, *figures._REFERENCES}
