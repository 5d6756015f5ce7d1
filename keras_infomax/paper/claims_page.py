"""The page that says which of the paper's claims hold, and by which numbers."""

from keras_infomax.paper.claims import CHANGES, CLAIMS
from keras_infomax.paper.verdicts import (
    CONFIDENCE,
    NOT_RUN,
    POWER,
    UNDECIDED,
    Check,
    Judgement,
    Results,
    judge,
)


def any_run(results: Results) -> bool:
    """Whether the results have a run that a claim is about.

    Args:
        results: The runs.
    """
    return any(check.values for claim in CLAIMS for check in claim.checks(results))


def report(results: Results) -> str:
    """All claims with statistics and verdicts, as Markdown.

    Every claim is judged twice, by the linear probe as the paper's notebook fits it
    and by the one that is solved to convergence.

    Args:
        results: The runs.
    """
    by_probe = {
        "the paper's": [c.checks(results.by_stopped_probe()) for c in CLAIMS],
        "the converged": [c.checks(results) for c in CLAIMS],
    }
    judged = {probe: judge(checks) for probe, checks in by_probe.items()}
    lines = [
        "# The paper's claims, checked",
        "",
        "Tschannen et al., 2020, On Mutual Information Maximization for",
        "Representation Learning, against the runs of `results.csv`. Estimates are in",
        "nats. Accuracies are judged by two linear probes: the paper's, whose solver",
        "stops after a few passes, and one that is solved to convergence.",
        "",
        f"Numbers are means over seeds with a {CONFIDENCE:.0%} interval of Student's",
        "t. Differences are between runs of the same seed: their data and batches are",
        "the same, and, where the setting allows, so are their initial encoders. The",
        "verdict on a statistic is that of its own interval. The verdict on a claim",
        "needs all of its statistics at once, and Holm's correction covers all claims",
        "of a column: `p` is the corrected one-sided p-value, and a claim is decided",
        f"where it is below {(1 - CONFIDENCE) / 2:.3f}. A claim is undecided with less",
        "than two seeds, or where the budget was not the full one. Where a statistic",
        "is not decided, *needs* says how many seeds would decide it in "
        f"{POWER:.0%} of",
        "repetitions, if mean and spread stay as seen.",
        "",
        "| claim | by the paper's probe | by the converged probe |",
        "|---|---|---|",
        *(
            f"| {claim.number}. {claim.statement} | {' | '.join(map(_cell, both))} |"
            for claim, *both in zip(CLAIMS, *judged.values(), strict=True)
        ),
        "",
        "Claim 15 of this count, that log K less InfoNCE is the multi-class K-pair",
        "loss, is algebra: `tests/losses/test_identities.py` asserts it.",
        "",
        "Thresholds were set before the results, with these exceptions:",
        "",
        *(f"- {change}" for change in CHANGES),
    ]
    for index, claim in enumerate(CLAIMS):
        lines += ["", f"## {claim.number}. {claim.statement}", ""]
        paper, converged = (checks[index] for checks in by_probe.values())
        if paper == converged:
            by = judged["the converged"][index]
            lines += [f"Verdict: **{by.verdict}**{_p(by)}.", "", *_listed(converged)]
            continue
        for probe, checks in by_probe.items():
            by = judged[probe][index]
            lines += [f"Verdict by {probe} probe: **{by.verdict}**{_p(by)}.", ""]
            lines += [*_listed(checks[index]), ""]
        lines.pop()
    return "\n".join(lines) + "\n"


def _cell(judgement: Judgement) -> str:
    return f"{judgement.verdict}{_p(judgement)}"


def _p(judgement: Judgement) -> str:
    if judgement.verdict == NOT_RUN:
        return ""
    return f" (p = {judgement.p_value:.2g})"


def _listed(checks: list[Check]) -> list[str]:
    return [f"- {check}{_needs(check)}" for check in checks]


def _needs(check: Check) -> str:
    if check.verdict() != UNDECIDED or not check.full or len(check.values) < 2:
        return ""
    seeds = check.seeds_to_decide(len(CLAIMS))
    return (
        "; needs more than 1,000 seeds" if seeds is None else f"; needs {seeds} seeds"
    )
