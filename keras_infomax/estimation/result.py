"""The result of an estimate of mutual information."""

import dataclasses
import math
from typing import Any

from keras_infomax import tables
from keras_infomax.plots import drawing


@dataclasses.dataclass(frozen=True)
class MIEstimate:
    """An estimate of mutual information, with an interval and warnings.

    Args:
        value: The estimate, in nats.
        interval: Lower and upper end of the confidence interval, in nats. It accounts
            for the sampling of held-out rows, but not for the gap between a lower bound
            and the mutual information; warnings report a large gap.
        level: Confidence level of the interval.
        method: Name of the bound, `"ksg"` or `"gaussian"`.
        rows: Number of pairs.
        ceiling: Largest possible value of the bound with this number of held-out rows,
            in nats; infinite if there is none.
        warnings: Reasons why the value may be unreliable; empty if there are none.
        bounds: All bounds of the same scores, in nats.
        intervals: Confidence intervals of the bounds that are fast to compute.
        history: A dictionary of lists for each training: `"step"`, and `"mi"` and
            `"val_mi"`, InfoNCE of training batches and of validation rows in nats.
        p_value: p-value of the hypothesis that x and y are independent, from
            permutations; NaN without a test.
        seconds: Duration.
    """

    value: float
    interval: tuple[float, float]
    level: float
    method: str
    rows: int
    ceiling: float = math.inf
    warnings: list[str] = dataclasses.field(default_factory=list)
    bounds: dict[str, float] = dataclasses.field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    history: list[dict[str, list[float]]] = dataclasses.field(default_factory=list)
    p_value: float = math.nan
    seconds: float = math.nan

    @property
    def bits(self) -> float:
        """The estimate in bits."""
        return self.value / math.log(2)

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        low, high = self.interval
        text = (
            f"<MI {self.value:.3f} nats, {self.level:.0%} [{low:.3f}, {high:.3f}], "
            f"{self.method}, {self.rows} rows"
        )
        if math.isfinite(self.ceiling):
            text += f", ceiling {self.ceiling:.2f}"
        if self.warnings:
            count = len(self.warnings)
            text += f", {count} warning{'s' * (count > 1)}"
        return text + ">"

    def _repr_html_(self) -> str:
        low, high = (f"{end:.4f}" for end in self.interval)
        facts = [
            ("mutual information", f"{self.value:.4f} nats"),
            (f"{self.level:.0%} interval", f"{low} to {high} nats"),
            ("method", self.method),
            ("rows", self.rows),
        ]
        if math.isfinite(self.ceiling):
            facts.insert(3, ("ceiling", f"{self.ceiling:.4f} nats"))
        doubts = [("doubt", warning) for warning in self.warnings]
        return tables.as_html(["estimate", ""], [*facts, *doubts])

    def as_dict(self) -> dict[str, Any]:
        """All attributes except the history, for JSON: non-finite numbers are None."""

        def plain(value):
            if isinstance(value, float) and not math.isfinite(value):
                return None
            return value

        facts = {**dataclasses.asdict(self), "bits": self.bits}
        del facts["history"]
        facts["interval"] = list(map(plain, self.interval))
        facts["bounds"] = {n: plain(v) for n, v in self.bounds.items()}
        facts["intervals"] = {
            name: list(map(plain, ends)) for name, ends in self.intervals.items()
        }
        return {name: plain(value) for name, value in facts.items()}

    def plot(self) -> Any:
        """Draws the course of training, the estimate, its interval and its ceiling.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ImportError: If Matplotlib is missing.
        """
        figure = drawing.new_figure(6.4, 4.0)
        axes = figure.add_subplot()
        for index, history in enumerate(self.history):
            names = ("", "") if index else ("training batches", "validation rows")
            # Matplotlib leaves labels that begin with an underscore out of the legend.
            train, validation = (name or "_" for name in names)
            axes.plot(history["step"], history["mi"], "C7", lw=1, label=train)
            axes.plot(history["step"], history["val_mi"], "C0", label=validation)
        low, high = self.interval
        axes.axhline(self.value, color="C1", label=f"estimate, {self.method}")
        axes.axhspan(low, high, color="C1", alpha=0.2, lw=0)
        if math.isfinite(self.ceiling):
            axes.axhline(self.ceiling, color="k", ls=":", label="ceiling")
        axes.set(xlabel="training steps", ylabel="mutual information [nats]")
        drawing.finish(axes, fontsize="small")
        return figure
