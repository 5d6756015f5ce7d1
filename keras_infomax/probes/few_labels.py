"""A probe with few labels, and the variation of its accuracy over their draws."""

import copy
import math
from typing import Any, Self

import keras
import numpy as np
import scipy.special
import scipy.stats

from keras_infomax import checks
from keras_infomax.probes.draws import draw
from keras_infomax.probes.logistic import LogisticProbe
from keras_infomax.probes.probe import Judgement, Probe
from keras_infomax.structures import taken


class FewLabels(Probe):
    """Fits a probe on several small draws of the training rows.

    Draws are stratified, without replacement, and reproducible. Each draw fits a
    separate copy of the probe. `score` and `information` are means over the draws, that
    is, the expectation for one draw; `scores` has the single values. `predict` and
    `predict_log_proba` use the mixture of all draws, whose accuracy is usually above
    the mean.

    Args:
        probe: Probe to copy, a frozen one or `FineTuning`. Defaults to
            `LogisticProbe()`.
        per_class: Number of rows to draw of every class.
        fraction: Fraction of the rows of every class to draw instead, in (0, 1]. The
            number of rows is rounded, and at least one.
        draws: Number of draws, at least 2. Defaults to 5.
        seed: Seed of the draws.

    Attributes:
        fitted: The fitted probes, one for each draw.

    Raises:
        ValueError: If `probe` is not a probe, both or neither of `per_class` and
            `fraction` are given, or a number is out of range.

    Example:
    >>> x = np.arange(100.0)[:, None]
    >>> probe = FewLabels(per_class=5).fit(x, labels=np.arange(100) // 50)
    >>> len(probe.scores([[10.0], [90.0]], labels=[0, 1]))
    5
    """

    def __init__(
        self,
        probe: Probe | None = None,
        per_class: int | None = None,
        fraction: float | None = None,
        draws: int = 5,
        seed: int = 0,
    ):
        super().__init__()
        self.probe = LogisticProbe() if probe is None else probe
        checks.instance(
            "probe",
            self.probe,
            Probe,
            "a Probe",
            "Give an object such as LogisticProbe() or probes.get('neighbours').",
        )
        if (per_class is None) == (fraction is None):
            raise ValueError(
                "Exactly one of per_class and fraction must be given; received "
                f"{per_class!r} and {fraction!r}. Write, for example, per_class=10."
            )
        checks.positive_integer("per_class", per_class, 10, optional=True)
        if fraction is not None:
            checks.probability("fraction", fraction, "(]", 0.1)
        checks.integer("draws", draws, 2, 5, "One draw has no standard error.")
        checks.seed("seed", seed)
        self.frozen = self.probe.frozen
        self.per_class = per_class
        self.fraction = fraction
        self.draws = draws
        checks.seed("seed", seed)
        self.seed = seed
        self.fitted: list[Probe] = []

    def of(self, encoder: keras.Layer) -> Self:
        """Returns a copy for the probe of this encoder; see `Probe.of`."""
        tuned = copy.copy(self)
        tuned.probe = self.probe.of(encoder)
        return tuned

    def scores(self, x: Any, labels: Any) -> np.ndarray:
        """Returns the accuracy of every draw, shape `(draws,)`.

        Args:
            x: Encodings or views as wide as those given to `fit`.
            labels: Integer classes of shape `(rows,)`.

        Raises:
            ValueError: As `score`.
        """
        return np.array([each.score(x, labels) for each in self._checked_fitted()])

    def score(self, x: Any, labels: Any) -> float:
        """Returns the mean accuracy over the draws; see `Probe.score`."""
        return float(np.mean(self.scores(x, labels)))

    def information(self, x: Any, labels: Any) -> float:
        """Returns the mean information over the draws; see `Probe.information`."""
        fitted = self._checked_fitted()
        return float(np.mean([each.information(x, labels) for each in fitted]))

    def interval(
        self, x: Any, labels: Any, confidence: float = 0.95
    ) -> tuple[float, float]:
        """Returns a confidence interval of the expected accuracy of a draw.

        It is Student's interval of the mean over the draws. The test rows are fixed, so
        their variation is not included.

        Args:
            x: Encodings or views as wide as those given to `fit`.
            labels: Integer classes of shape `(rows,)`.
            confidence: Probability in (0, 1) that the interval holds the mean over all
                possible draws.

        Raises:
            ValueError: As `score`, or if `confidence` is out of range.
        """
        checks.probability("confidence", confidence, "()", 0.95)
        scores = self.scores(x, labels)
        quantile = scipy.stats.t.ppf((1 + confidence) / 2, df=self.draws - 1)
        reach = quantile * _standard_error(scores)
        return float(np.mean(scores) - reach), float(np.mean(scores) + reach)

    def measure(self, x: Any, labels: Any) -> Judgement:
        """Returns means over the draws, and the standard error of the accuracy."""
        found = [each.measure(x, labels) for each in self._checked_fitted()]
        scores = np.array([each.accuracy for each in found])
        return Judgement(
            accuracy=float(np.mean(scores)),
            information=float(np.mean([each.information for each in found])),
            standard_error=_standard_error(scores),
        )

    def _fit(self, x, targets):
        assert self.classes is not None
        smallest = np.bincount(targets).min()
        if self.per_class is not None and smallest < self.per_class:
            raise ValueError(
                f"labels must hold at least per_class={self.per_class} rows of every "
                f"class; received one class with {smallest}. Give more rows, or draw a "
                "fraction of them."
            )
        self.fitted = []
        for number in range(self.draws):
            generator = np.random.default_rng([self.seed, number])
            rows = draw(targets, self._count, generator)
            # A shallow copy, since fitting replaces attributes and changes none in
            # place.
            probe = copy.copy(self.probe)
            self.fitted.append(probe.fit(taken(x, rows), self.classes[targets[rows]]))

    def _count(self, rows: int) -> int:
        if self.fraction is not None:
            return max(1, round(self.fraction * rows))
        assert self.per_class is not None
        return self.per_class

    def _logits(self, x):
        log_p = [each.predict_log_proba(x) for each in self.fitted]
        return scipy.special.logsumexp(log_p, axis=0)

    def _checked_fitted(self) -> list[Probe]:
        self._check_fitted()
        return self.fitted


def _standard_error(scores: np.ndarray) -> float:
    return float(np.std(scores, ddof=1) / math.sqrt(len(scores)))
