"""The page that tells which of the paper's claims hold, and by what."""

from keras_infomax.claims import CLAIMS
from keras_infomax.verdicts import CONFIDENCE, NOT_RUN, Results, verdict


def any_run(results: Results) -> bool:
    """Whether the results have a run that a claim is about.

    Args:
        results: The runs.
    """
    return any(verdict(claim.checks(results)) != NOT_RUN for claim in CLAIMS)


def report(results: Results) -> str:
    """All claims with statistics and verdicts, as Markdown.

    Every claim is judged twice, by the linear probe as the paper's notebook fits it
    and by the one that is solved to convergence.

    Args:
        results: The runs.
    """
    judged = [
        (claim, claim.checks(results.by_stopped_probe()), claim.checks(results))
        for claim in CLAIMS
    ]
    lines = [
        "# The paper's claims, checked",
        "",
        "Tschannen et al., 2020, On Mutual Information Maximization for",
        "Representation Learning, against the runs of `results.csv`. Numbers are means",
        f"over seeds with a {CONFIDENCE:.0%} bootstrap interval; estimates in nats. A",
        "claim is undecided where there are fewer than two seeds, where the budget was",
        "not the full one, or where the interval does not tell. Accuracies are judged",
        "by two linear probes: the paper's, whose solver stops after a few passes, and",
        "one that is solved to convergence.",
        "",
        "| claim | by the paper's probe | by the converged probe |",
        "|---|---|---|",
        *(
            f"| {claim.number}. {claim.statement} | {verdict(paper)} "
            f"| {verdict(converged)} |"
            for claim, paper, converged in judged
        ),
        "",
        "Claim 15 of this count, that log K less InfoNCE is the multi-class K-pair",
        "loss, is algebra: `tests/test_identities.py` asserts it.",
    ]
    for claim, paper, converged in judged:
        lines += ["", f"## {claim.number}. {claim.statement}", ""]
        if paper == converged:
            lines += [f"Verdict: **{verdict(paper)}**.", ""]
            lines += [f"- {check}" for check in paper]
            continue
        for probe, checks in (("paper's", paper), ("converged", converged)):
            lines += [f"Verdict by the {probe} probe: **{verdict(checks)}**.", ""]
            lines += [*(f"- {check}" for check in checks), ""]
        lines.pop()
    return "\n".join(lines) + "\n"
