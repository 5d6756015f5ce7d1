"""Warnings about unreliable estimates."""

import math

import numpy as np

from keras_infomax.estimation.columns import Columns


def of_value(
    method: str,
    value: float,
    error: float,
    ceiling: float,
    bounds: dict[str, float],
    gap: float,
    held_out: int,
) -> list[str]:
    """Warnings about an estimate from a trained critic.

    Args:
        method: Name of the bound.
        value: The estimate in nats.
        error: Its standard error.
        ceiling: Largest possible value of the bound.
        bounds: All bounds of the same scores.
        gap: Difference of the estimates on training rows and on held-out rows.
        held_out: Number of held-out rows of one critic.
    """
    found = []
    if not math.isfinite(value):
        found.append(
            f"{method} has exploded: its exponentials are not finite. Use "
            "method='infonce'."
        )
    if ceiling - value < 1.0:
        found.append(
            f"The estimate lies at the ceiling of {method}, {ceiling:.2f} nats with "
            f"{held_out} held-out rows: the mutual information may be far larger. Give "
            "more rows, or look at method='donsker_varadhan'."
        )
    if method not in ("infonce", "jensen_shannon_information") and (
        not error < max(0.5, 0.2 * abs(value))
    ):
        found.append(
            f"The variance of {method} has exploded: its standard error is "
            f"{error:.2f} nats. Use method='infonce', whose value is "
            f"{bounds.get('infonce', math.nan):.2f}."
        )
    if value > math.log(held_out):
        found.append(
            f"{held_out} held-out rows are too few for this estimate: without "
            "assumptions on the distribution, no lower bound holds with high "
            "probability beyond about the log of their number, "
            f"{math.log(held_out):.1f} nats (McAllester and Stratos, 2020)."
        )
    if gap > max(0.3, 0.3 * abs(value)):
        found.append(
            f"The critic finds {gap:.2f} nats more in training rows than in held-out "
            "rows: it overfits, and a better critic may find more. Give more rows."
        )
    infonce, other = bounds.get("infonce"), bounds.get("donsker_varadhan")
    if infonce is not None and other is not None:
        # Near its ceiling InfoNCE is always smaller, of which the warning above tells.
        expected = math.log1p(math.exp(min(other, 50.0)) / held_out)
        apart = abs(other - infonce)
        if not apart < 0.25 + 0.05 * abs(infonce) + 2 * expected + 3 * error:
            found.append(
                "Two bounds with one critic disagree: InfoNCE says "
                f"{infonce:.2f} nats, "
                f"Donsker-Varadhan {other:.2f}. Believe neither to more than their "
                "distance."
            )
    return found


def of_rows(x: Columns, y: Columns, grouped: bool) -> list[str]:
    """Warnings about rows that seem to depend on each other.

    Args:
        x: One side.
        y: The other.
        grouped: Whether groups of dependent rows are known.
    """
    if grouped:
        return []
    found = []
    both = [side for side in (x, y) if side.images is None]
    if all(side.is_continuous for side in both) and len(both) == 2:
        rows = np.hstack([x.numbers, y.numbers])
        copies = len(rows) - len(np.unique(rows, axis=0))
        if copies > max(2, 0.001 * len(rows)):
            found.append(
                f"{copies} rows are copies of others, so held-out rows are known from "
                "training, and the estimate is too high. Leave copies out, or give "
                "groups=, one number for the rows that belong together."
            )
    if _follows(x) and _follows(y):
        found.append(
            "Consecutive rows are similar, in x and in y, as in a time series: rows "
            "depend on each other, and the estimate and its interval are not reliable. "
            "Give groups=, such as the number of the series or of a block."
        )
    return found


def _follows(side):
    """Whether a column has a significant correlation with its previous row."""
    values = side.as_numbers()
    if len(values) < 50 or not values.shape[1]:
        return False
    ranks = values.argsort(axis=0).argsort(axis=0).astype("float64")
    ranks -= ranks.mean(axis=0)
    scale = np.sum(ranks**2, axis=0)
    lagged = np.sum(ranks[1:] * ranks[:-1], axis=0) / np.where(scale > 0, scale, 1)
    return bool(np.max(np.abs(lagged)) > 6 / math.sqrt(len(values)))
