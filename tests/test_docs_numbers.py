"""Figures in README and docs are those of the committed result files."""

import csv
import json
import re

import numpy as np
import pytest
from conftest import ROOT
from scipy import stats

from benchmarks import scaling_page
from keras_infomax.measures import EARLIER
from keras_infomax.methods import METHODS


def table(path):
    with open(ROOT / path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{EARLIER.get(name, name): row[name] for name in row} for row in rows]


def gains(path):
    """Points that the encodings gain over the pixels, at the end of every run."""
    return [
        100 * (float(row["probe_accuracy"]) - float(row["raw_baseline"]))
        for row in table(path)
        if row["step"] == row["steps"]
    ]


def text(path):
    return " ".join((ROOT / path).read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs").rglob("*.csv")), ids=lambda path: path.name
)
def test_committed_results_are_of_clean_commits(path):
    assert "-dirty" not in path.read_text(encoding="utf-8")


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
    pixels = [float(row["raw_baseline"]) for row in table("docs/demo/splits.csv")]
    assert f"between {min(pixels):.3f} and {max(pixels):.3f}, it is" in readme


def test_table_of_the_demo():
    readme = text("README.md")
    summary = json.loads((ROOT / "docs/demo/summary.json").read_text(encoding="utf-8"))
    for words, key, digits in (
        ("pixels (baseline)", "raw_baseline", 4),
        ("encodings before training", "probe_accuracy_start", 4),
        ("encodings after 3000 steps", "probe_accuracy", 4),
        ("training batches", "mi", 3),
        ("held-out batches", "mi_held_out", 3),
    ):
        assert f"{words} {summary[key]:.{digits}f}" in readme


def test_what_other_probes_find_in_the_encodings():
    readme = text("README.md")
    found = {}
    for row in table("docs/probes/probes.csv"):
        if row["critic"] == "bilinear" and row["raw_accuracy"]:
            pair = float(row["accuracy"]), float(row["raw_accuracy"])
            found.setdefault(row["probe"], []).append(pair)

    def pair(probe, form):
        assert len(found[probe]) == 3
        assert form.format(*np.mean(found[probe], axis=0)) in readme

    pair("mlp", "reaches {:.3f} on the encodings and {:.3f} on the pixels")
    pair("neighbours", "nearest neighbors {:.3f} and {:.3f}")
    pair("linear_stopped", "stopped early {:.3f} and {:.3f}")
    pair("few_labels", "reaches {:.3f} on them and {:.3f} on the pixels")


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
    page = " ".join(page.split())

    def of(bound, critic, column):
        rows = sorted(runs[bound, critic], key=lambda row: row["seed"])
        return 100 * np.array([float(row[column]) for row in rows])

    def interval(gap):
        half = stats.t.ppf(0.975, len(gap) - 1) * np.std(gap, ddof=1) / len(gap) ** 0.5
        return np.mean(gap), np.mean(gap) - half, np.mean(gap) + half

    column = "stopped_accuracy"
    stopped = of("infonce", "bilinear", column) - of("infonce", "mlp", column)
    column = "probe_accuracy"
    gap, low, high = interval(
        of("infonce", "bilinear", column) - of("infonce", "mlp", column)
    )
    said = f"shrinks from {np.mean(stopped):.1f} points to {gap:.1f} (95 % interval of"
    assert said in page
    assert f"by Student's t: {low:.1f} to {high:.1f})".replace("-", "−") in page
    gap, low, high = interval(of("nwj", "mlp", column) - of("nwj", "separable", column))
    said = f"{gap:.1f} points ahead of the separable one ({low:.1f} to {high:.1f})"
    assert said in page
    held_out = [
        float(row["mi"]) - float(row["val_mi"])
        for row in table("docs/paper/results.csv")
        if (row["figure"], row["bound"], row["critic"]) == ("figure3", "nwj", "mlp")
        and row["step"] == row["steps"]
    ]
    assert f"the gap reaches {max(held_out):.1f} nats" in page


def at_the_end(figure, *columns):
    """Accuracies of a figure of the paper at its last step, means over seeds."""
    found = {}
    for row in table("docs/paper/results.csv"):
        if row["figure"] == figure and row["step"] == row["steps"]:
            key = tuple(row[column] for column in columns)
            found.setdefault(key, []).append(
                [float(row[c]) for c in ("probe_accuracy", "stopped_accuracy")]
            )
    return {key: np.mean(values, axis=0) for key, values in found.items()}


def test_encoders_at_an_equal_estimate():
    last = at_the_end("figure4", "encoder", "bound", "target")
    gaps = [
        100 * (accuracies - last["mlp", *key])
        for (encoder, *key), accuracies in last.items()
        if encoder == "convnet"
    ]
    assert len(gaps) == 4
    said = f"{np.min(gaps):.1f} to {np.max(gaps):.1f} points better"
    assert said in text("docs/paper/README.md")


def test_critics_on_cifar10():
    last = at_the_end("figure8", "bound", "critic")
    rows = [
        row for row in table("docs/paper/results.csv") if row["figure"] == "figure8"
    ]
    ((converged, stopped),) = {
        (float(row["raw_baseline"]), float(row["stopped_raw"])) for row in rows
    }
    page = text("docs/paper/README.md")
    best = max(accuracies[0] for accuracies in last.values())
    assert f"pixels have {converged:.3f}, and the best encodings {best:.3f};" in page
    assert f"none passes the pixels' {stopped:.3f}" in page
    assert max(accuracies[1] for accuracies in last.values()) < stopped
    for bound in ("infonce", "nwj"):
        ours = {critic: value for (of, critic), value in last.items() if of == bound}
        others = np.stack([ours[critic] for critic in ("separable", "mlp")])
        assert np.all(ours["bilinear"] > others[0])
        assert np.all(others[0] > others[1])


@pytest.mark.parametrize("dataset", ["digits", "cifar10"])
def test_methods(dataset):
    page = text("docs/methods/README.md")
    rows = [r for r in table("docs/methods/results.csv") if r["dataset"] == dataset]
    names = {row["figure"] for row in rows}
    # A new method may have no results yet, but what is quoted has.
    assert names <= set(METHODS)
    assert set(re.findall(r"\| `(\w+)` \| \d+ \|", page)) == names
    for name in names:
        ours = [row for row in rows if row["figure"] == name]
        first = [row for row in ours if row["step"] == "0"]
        last = [row for row in ours if row["step"] == row["steps"]]
        assert len(first) == len(last) == len({row["seed"] for row in ours})
        (pixels,) = {row["raw_baseline"] for row in ours}
        assert f"on their pixels it is {pixels}" in page

        def mean(found, column):
            return np.mean([float(row[column]) for row in found])

        before, after = (mean(found, "probe_accuracy") for found in (first, last))
        assert (
            f"| `{name}` | {last[0]['steps']} | {before:.4f} | {after:.4f} | "
            f"{mean(last, 'val_mi'):.2f} |"
        ) in page
        assert min(float(row["probe_accuracy"]) for row in last) > float(pixels)


def test_what_is_said_of_methods():
    page = text("docs/methods/README.md")
    found = {}
    for row in table("docs/methods/results.csv"):
        of_step = found.setdefault((row["dataset"], row["figure"]), {})
        of_step.setdefault(int(row["step"]), []).append(float(row["probe_accuracy"]))
    means = {
        key: {step: np.mean(values) for step, values in of_step.items()}
        for key, of_step in found.items()
    }
    cmc = means["digits", "cmc"]
    assert max(cmc, key=cmc.get) == 250 == max(cmc) / 4
    assert f"at their best, {cmc[250]:.3f}, after 250 steps" in page
    assert "the encoders of `cmc` are best after a quarter of the steps" in text(
        "docs/troubleshooting.md"
    )
    gains = {key: 100 * (of[max(of)] - of[0]) for key, of in means.items()}
    assert f"left in the end is {gains['digits', 'cmc']:.0f} point more" in page
    pixels = 0.879
    amdim = means["digits", "amdim"]
    said = f"training adds {gains['digits', 'amdim']:.0f} points to it, and not"
    assert f"{said} {100 * (amdim[max(amdim)] - pixels):.0f}" in page
    cpc = means["digits", "cpc"]
    over_pixels = {
        name: of[max(of)] - pixels for (on, name), of in means.items() if on == "digits"
    }
    assert min(over_pixels, key=over_pixels.get) == "cpc"
    assert f"over the pixels, {100 * (cpc[1000] - pixels):.2f} points" in page
    on_photographs = [gain for (on, _), gain in gains.items() if on == "cifar10"]
    least, most = min(on_photographs), max(on_photographs)
    assert f"training adds {least:.0f} to {most:.0f} points" in page
    deep = means["cifar10", "deep_infomax"]
    assert round(100 * (deep[125] - deep[250])) == 1


def test_table_of_the_search():
    page = text("docs/keras_tuner.md")
    rows = table("docs/search/trials.csv")
    assert [row["rank"] for row in rows] == [str(n + 1) for n in range(20)]
    highest = max(rows, key=lambda row: float(row["val_mi"]))
    for row in [*rows[:5], highest]:
        target = "none" if row["target"] == "None" else f"{float(row['target']):.0f}"
        cells = [row["rank"], row["critic"], row["bound"], target]
        cells += [row["encoding_dim"], row["batch_size"]]
        cells += [f"{float(row['probe_accuracy']):.3f}"]
        cells += [f"{float(row[column]):.2f}" for column in ("val_mi", "mi")]
        assert f"| {' | '.join(cells)} |" in page

    def correlation(some):
        pairs = [(float(r["probe_accuracy"]), float(r["val_mi"])) for r in some]
        return stats.spearmanr(pairs).statistic

    assert f"of probe accuracy and held-out MI is {correlation(rows):.2f}," in page
    raised = [row for row in rows if row["target"] == "None"]
    assert len(raised) == 11
    assert "Over the eleven trials without a target it is" in page
    assert f"without a target it is {correlation(raised):.2f}, which" in page


def test_choosing_a_critic():
    page = text("docs/choosing.md")
    rows = table("docs/paper/results.csv")
    last = [r for r in rows if r["figure"] == "figure3" and r["step"] == r["steps"]]
    found = {
        critic: np.mean(
            [
                float(r["probe_accuracy"])
                for r in last
                if (r["critic"], r["bound"]) == (critic, "infonce")
            ]
        )
        for critic in ("bilinear", "separable", "mlp")
    }
    said = (
        "reads {bilinear:.3f} from encodings of the bilinear critic, "
        "{separable:.3f} of the separable and {mlp:.3f} of the MLP critic"
    )
    assert said.format(**found) in page
    (best,) = (
        row["rank"]
        for row in table("docs/search/trials.csv")
        if float(row["val_mi"])
        == max(float(r["val_mi"]) for r in table("docs/search/trials.csv"))
    )
    assert best == "13"
    assert "the highest MI is thirteenth by the probe" in page
    for size, said in ((128, "4.85 nats at 128"), (512, "6.24 at 512")):
        assert said in page
        assert f"{np.log(size):.2f}" in said
    assert f"{np.log(4096):.2f} at 4,096" in page


def test_choosing_a_method():
    found = {}
    for row in table("docs/methods/results.csv"):
        if row["dataset"] == "digits" and row["step"] == row["steps"]:
            found.setdefault(row["figure"], []).append(float(row["probe_accuracy"]))
    page = text("docs/choosing.md")
    said = re.findall(r"(0\.\d{4})(?: from the encodings)? of `(\w+)`", page)
    assert len(said) == 6
    for number, name in said:
        assert number == f"{np.mean(found[name]):.4f}", name


def test_time_and_memory_in_guides():
    facts = json.loads((ROOT / "benchmarks/results/scaling.json").read_text())

    def measured(critic, batch_size, name, chunk_size=None):
        of = {"critic": critic, "chunk_size": chunk_size, "replicas": 1}
        return dict(scaling_page.points(facts["results"], "batch_size", name, **of))[
            batch_size
        ]

    times = [measured(c, 2048, "step_ms") for c in ("bilinear", "separable", "mlp")]
    form = "{:.1f} ms with the bilinear critic, {:.0f} ms with the separable one and"
    assert f"{form} {{:.0f}} ms with the MLP".format(*times) in text("docs/choosing.md")
    page = text("docs/troubleshooting.md")
    assert f"takes {times[2]:.0f} ms, and the bilinear critic {times[0]:.1f} ms" in page
    memory = [
        measured("bilinear", 8192, "peak_mib"),
        measured("bilinear", 8192, "peak_mib", 256),
    ]
    assert "from {:,.0f} to {:,.0f} MiB".format(*memory) in page


def test_figures_of_the_demo_in_guides():
    page = text("docs/evaluating.md")
    found = gains("docs/demo/seeds.csv")
    assert f"between {min(found):.1f} and {max(found):.1f} points" in page
    summary = json.loads((ROOT / "docs/demo/summary.json").read_text(encoding="utf-8"))
    said = "training MI ends at {mi:.1f} and held-out MI at {mi_held_out:.1f} nats"
    assert said.format(**summary) in text("docs/troubleshooting.md")
    untrained = {
        row["figure"]: float(row["probe_accuracy"]) > float(row["raw_baseline"])
        for row in table("docs/methods/results.csv")
        if row["dataset"] == "cifar10"
        and row["step"] == "0"
        # Those that the page is about; others may have joined the table.
        and row["figure"]
        in ("amdim", "augmented_views", "cmc", "cpc")
        + ("deep_infomax", "metric_learning")
    }
    assert (len(untrained), sum(untrained.values())) == (6, 4)
    assert "of six methods in [methods](methods/README.md), on CIFAR-10, four" in page


def test_figures_of_other_data():
    page = text("docs/other_data.md")
    of_config = {}
    for row in table("docs/other_data.csv"):
        of_config.setdefault(row["figure"], []).append(row)

    def mean(rows, name):
        return np.mean([float(row[name]) for row in rows])

    for config, rows in of_config.items():
        first = [row for row in rows if row["step"] == "0"]
        last = [row for row in rows if row["step"] == row["steps"]]
        assert {row["seed"] for row in last} == {"0", "1"}
        said = (
            f"| `{config}` | {last[0]['steps']} | {mean(last, 'raw_baseline'):.3f} | "
            f"{mean(first, 'probe_accuracy'):.3f} | {mean(last, 'probe_accuracy'):.3f} "
            f"| {mean(last, 'val_mi'):.2f} | {mean(last, 'mi_ceiling'):.2f} |"
        )
        assert said in page
    last = [r for r in of_config["two_towers"] if r["step"] == r["steps"]]
    assert f"names {mean(last, 'zero_shot_accuracy'):.3f} of the test" in page
    assert f"first in {mean(last, 'recall_at_1_x_to_y'):.3f} of the cases" in page
    assert f"the first five in {mean(last, 'recall_at_5_x_to_y'):.3f}." in page
    assert f"five in {mean(last, 'recall_at_5_y_to_x'):.3f}." in page
    assert f"An accuracy of {mean(last, 'probe_accuracy'):.3f} is therefore no" in page
    by_step = {
        step: mean(
            [r for r in of_config["two_towers"] if r["step"] == str(step)],
            "recall_at_5_x_to_y",
        )
        for step in (250, 500, 750, 1000)
    }
    assert max(by_step, key=by_step.get) == 500
    assert f"best after 500 of the 1,000 steps, {by_step[500]:.3f};" in page
