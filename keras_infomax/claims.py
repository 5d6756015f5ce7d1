"""The paper's claims as statements about a table of results, each with a verdict.

A claim is a few checks; see `verdicts`.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from keras_infomax.verdicts import (
    CONFIDENCE,
    NOT_RUN,
    Check,
    Results,
    difference,
    verdict,
)


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Args:
        number: Its number in the report.
        statement: What it says.
        checks: Function of the results to the checks that decide it.
    """

    number: int
    statement: str
    checks: Callable[[Results], list[Check]]


def _pixel_baseline(results: Results) -> list[Check]:
    clean = set(results.last("pixel_baseline", figure="figure3").values())
    noisy = set(results.last("pixel_baseline", figure="figure2").values())
    return [
        Check(
            "accuracy on clean pixels", tuple(sorted(clean)), 0.847, 0.853, exact=True
        ),
        Check(
            "accuracy on noisy pixels", tuple(sorted(noisy)), 0.835, 0.842, exact=True
        ),
    ]


def _supervised(results: Results) -> list[Check]:
    def accuracy(encoder):
        return results.last("test_accuracy", figure="supervised", encoder=encoder)

    mlp, convnet = accuracy("mlp"), accuracy("convnet")

    def check(name, values, low, high):
        return results.check(name, values, figure="supervised", low=low, high=high)

    return [
        check("MLP, test accuracy", mlp, 0.93, 0.95),
        check("ConvNet, test accuracy", convnet, 0.93, 0.95),
        check("ConvNet less MLP", difference(convnet, mlp), -0.005, 0.005),
    ]


def _flow(bound: str, accuracy: tuple[float, float], mi: tuple[float, float]):
    def checks(results: Results) -> list[Check]:
        where = {"figure": "figure1", "bound": bound}
        return [
            results.check(
                "rise of probe accuracy",
                results.rise("probe_accuracy", **where),
                figure="figure1",
                low=0.0,
            ),
            results.check(
                "final probe accuracy",
                results.last("probe_accuracy", **where),
                figure="figure1",
                low=accuracy[0],
                high=accuracy[1],
            ),
            results.check(
                "final estimate, nats",
                results.last("mi_train", **where),
                figure="figure1",
                low=mi[0],
                high=mi[1],
            ),
        ]

    return checks


def _adversarial(results: Results) -> list[Check]:
    figure = "figure1_adversarial"
    return [
        results.check(
            "rise of probe accuracy",
            results.rise("probe_accuracy", figure=figure),
            figure=figure,
            high=-0.1,
        )
    ]


def _non_invertible(results: Results) -> list[Check]:
    measured = {
        "rise of the estimate, nats": "mi_train",
        "rise of probe accuracy": "probe_accuracy",
        "rise of the 40th percentile of the log condition number": "log_condition_40",
        "rise of the 80th percentile of the log condition number": "log_condition_80",
    }
    return [
        results.check(
            f"{bound}, {name}",
            results.rise(column, figure="figure2", bound=bound),
            figure="figure2",
            low=0.0,
        )
        for bound in ("infonce", "nwj")
        for name, column in measured.items()
    ]


def _critic_accuracy(figure: str, bound: str):
    def checks(results: Results) -> list[Check]:
        last = {
            critic: results.last(
                "probe_accuracy", figure=figure, bound=bound, critic=critic
            )
            for critic in ("bilinear", "separable", "mlp")
        }
        return [
            results.check(
                f"accuracy, {a} less {b}",
                difference(last[a], last[b]),
                figure=figure,
                low=low,
            )
            for a, b, low in (
                # "At least as good": within the spread that seeds have.
                ("bilinear", "separable", -0.003),
                ("separable", "mlp", 0.0),
                ("bilinear", "mlp", 0.0),
            )
        ]

    return checks


def _critics_infonce(results: Results) -> list[Check]:
    checks = _critic_accuracy("figure3", "infonce")(results)
    where = {"figure": "figure3", "bound": "infonce"}
    mlp = results.last("probe_accuracy", critic="mlp", **where)
    checks.append(
        results.check(
            "MLP critic, accuracy", mlp, figure="figure3", low=0.84, high=0.86
        )
    )
    for critic in ("bilinear", "separable", "mlp"):
        estimate = results.last("mi_train", critic=critic, **where)
        checks.append(
            results.check(
                f"{critic}, estimate in nats", estimate, figure="figure3", low=4.5
            )
        )
    return checks


def _critics_nwj(results: Results) -> list[Check]:
    checks = _critic_accuracy("figure3", "nwj")(results)
    last = {
        critic: results.last("mi_train", figure="figure3", bound="nwj", critic=critic)
        for critic in ("bilinear", "separable", "mlp")
    }
    for a, b, low in (("mlp", "separable", 0.0), ("separable", "bilinear", -0.05)):
        checks.append(
            results.check(
                f"estimate in nats, {a} less {b}",
                difference(last[a], last[b]),
                figure="figure3",
                low=low,
            )
        )
    return checks


def _settings_of_figure4() -> list[dict[str, str]]:
    return [
        {"encoder": encoder, "bound": bound, "target": target}
        for encoder in ("mlp", "convnet")
        for bound in ("infonce", "nwj")
        for target in ("2", "4")
    ]


def _targets_reached(results: Results) -> list[Check]:
    checks = []
    for where in _settings_of_figure4():
        series = results.series("loss_train", figure="figure4", **where)
        late = {
            seed: float(np.mean([v for step, v in steps.items() if step > 7_000]))
            for seed, steps in series.items()
            if max(steps) > 7_000
        }
        name = f"{where['encoder']}, {where['bound']}, t = {where['target']}"
        checks.append(
            results.check(
                f"{name}: mean |I - t| after 7,000 steps",
                late,
                figure="figure4",
                high=0.25,
            )
        )
    return checks


def _encoder_gap(figure: str):
    def checks(results: Results) -> list[Check]:
        found = []
        for bound in ("infonce", "nwj"):
            for target in ("2", "4"):
                where = {"figure": figure, "bound": bound, "target": target}
                mlp, convnet = (
                    results.last("probe_accuracy", encoder=encoder, **where)
                    for encoder in ("mlp", "convnet")
                )
                found.append(
                    results.check(
                        f"{bound}, t = {target}: accuracy, ConvNet less MLP",
                        difference(convnet, mlp),
                        figure=figure,
                        low=0.0,
                    )
                )
        return found

    return checks


def _architecture_over_bound(results: Results) -> list[Check]:
    checks = []
    for target in ("2", "4"):
        last = {
            (encoder, bound): results.last(
                "probe_accuracy",
                figure="figure4",
                encoder=encoder,
                bound=bound,
                target=target,
            )
            for encoder in ("mlp", "convnet")
            for bound in ("infonce", "nwj")
        }
        seeds = set.intersection(*(set(values) for values in last.values()))

        def gap(a, b, last=last, seeds=seeds):
            return {seed: abs(last[a][seed] - last[b][seed]) for seed in seeds}

        encoders = [
            gap(("convnet", bound), ("mlp", bound)) for bound in ("infonce", "nwj")
        ]
        bounds = [gap((e, "infonce"), (e, "nwj")) for e in ("mlp", "convnet")]
        excess = {
            seed: min(g[seed] for g in encoders) - max(g[seed] for g in bounds)
            for seed in seeds
        }
        checks.append(
            results.check(
                f"t = {target}: smallest gap between encoders less largest between "
                "bounds",
                excess,
                figure="figure4",
                low=0.0,
            )
        )
    return checks


def _dependent(results: Results) -> list[Check]:
    figure, checks = "figure4_dependent", []
    for kind, interval in (
        ("gaussian_dependent", {"low": 0.0}),
        ("gaussian_iid", {"low": -0.01, "high": 0.001}),
    ):
        for bound in ("infonce", "nwj"):
            where = {"figure": figure, "dataset": kind, "bound": bound}
            series = results.series("mi_train", **where)
            true = results.last("true_mi", **where)
            excess = {
                seed: float(
                    np.mean([v for s, v in steps.items() if s > 0.9 * max(steps)])
                )
                - true[seed]
                for seed, steps in series.items()
            }
            checks.append(
                results.check(
                    f"{kind}, {bound}: mean estimate over the last tenth less true MI",
                    excess,
                    figure=figure,
                    **interval,
                )
            )
    return checks


def _cifar10(results: Results) -> list[Check]:
    return [
        *_critic_accuracy("figure8", "infonce")(results),
        *_critic_accuracy("figure8", "nwj")(results),
        *_encoder_gap("figure9")(results),
    ]


def _train_and_test(results: Results) -> list[Check]:
    return [
        results.check(
            f"{critic}: InfoNCE on training less held-out batches, nats",
            difference(
                *(
                    results.last(
                        column, figure="figure3", bound="infonce", critic=critic
                    )
                    for column in ("mi_train", "mi_test")
                )
            ),
            figure="figure3",
            low=0.0,
            high=0.15,
        )
        for critic in ("bilinear", "separable", "mlp")
    ]


def _independent_noise(results: Results) -> list[Check]:
    return [
        results.check(
            "rise of the 40th percentile of the log condition number",
            results.rise("log_condition_40", figure="figure2_independent_noise"),
            figure="figure2_independent_noise",
        )
    ]


def _not_run(results: Results) -> list[Check]:
    return []


CLAIMS = (
    Claim(
        1,
        "A linear classifier on the pixels of the top half reaches 0.85, and about "
        "0.84 under the noise of Figure 2.",
        _pixel_baseline,
    ),
    Claim(
        2,
        "Trained with labels, MLP and ConvNet both reach about 0.94.",
        _supervised,
    ),
    Claim(
        3,
        "A bijective encoder trained by InfoNCE: accuracy and estimate rise, although "
        "the true MI cannot change.",
        _flow("infonce", (0.86, 0.90), (0.0, math.log(128))),
    ),
    Claim(
        4,
        "The same with NWJ; the estimate ends between 4 and 8 nats.",
        _flow("nwj", (0.86, 0.90), (4.0, 8.0)),
    ),
    Claim(
        5,
        "The same encoder trained against a linear classifier, still bijective, falls "
        "far below the pixels.",
        _adversarial,
    ),
    Claim(
        6,
        "Encoders that may lose information: estimate and accuracy rise while the "
        "encoder becomes ill-conditioned.",
        _non_invertible,
    ),
    Claim(
        7,
        "Under InfoNCE, bilinear and separable critics beat the MLP critic, which "
        "stays near the pixels, with all estimates near the ceiling.",
        _critics_infonce,
    ),
    Claim(
        8,
        "Under NWJ, the order of accuracies is the same and the order of estimates "
        "the reverse: the tighter bound has the worse representation.",
        _critics_nwj,
    ),
    Claim(9, "Encoders are trained to a target within 7,000 steps.", _targets_reached),
    Claim(
        10,
        "At an equal estimate, the ConvNet's accuracy is above the MLP's.",
        _encoder_gap("figure4"),
    ),
    Claim(
        11,
        "The encoder matters more than the estimator.",
        _architecture_over_bound,
    ),
    Claim(
        12,
        "With dependent negatives both estimates exceed the true MI; with independent "
        "ones they approach it from below.",
        _dependent,
    ),
    Claim(13, "The orders of claims 7, 8 and 10 hold on CIFAR-10.", _cifar10),
    Claim(14, "Batch sizes up to 512 change none of this.", _not_run),
    Claim(
        16,
        "Estimates on training and on held-out batches are nearly equal.",
        _train_and_test,
    ),
    Claim(
        17,
        "With independent noise on the two views, the argument of claim 6 falls away.",
        _independent_noise,
    ),
)


def any_run(results: Results) -> bool:
    """Whether the results have a run that a claim is about.

    Args:
        results: The runs.
    """
    return any(verdict(claim.checks(results)) != NOT_RUN for claim in CLAIMS)


def report(results: Results) -> str:
    """All claims with statistics and verdicts, as Markdown.

    Args:
        results: The runs.
    """
    checked = [(claim, claim.checks(results)) for claim in CLAIMS]
    lines = [
        "# The paper's claims, checked",
        "",
        "Tschannen et al., 2020, On Mutual Information Maximization for",
        "Representation Learning, against the runs of `results.csv`. Numbers are means",
        f"over seeds with a {CONFIDENCE:.0%} bootstrap interval; estimates in nats. A",
        "claim is undecided where there are fewer than two seeds, where the budget was",
        "not the full one, or where the interval does not tell.",
        "",
        "| claim | verdict |",
        "|---|---|",
        *(
            f"| {claim.number}. {claim.statement} | {verdict(checks)} |"
            for claim, checks in checked
        ),
        "",
        "Claim 15 of this count, that log K less InfoNCE is the multi-class K-pair",
        "loss, is algebra: `tests/test_identities.py` asserts it.",
    ]
    for claim, checks in checked:
        lines += ["", f"## {claim.number}. {claim.statement}", ""]
        lines += [f"Verdict: **{verdict(checks)}**.", ""]
        lines += [f"- {check}" for check in checks] or ["- no run of this repository"]
    return "\n".join(lines) + "\n"
