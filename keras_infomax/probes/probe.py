"""Base of all probes: their interface, and the checks of arguments."""

import abc
import dataclasses
from typing import Any, Self

import keras
import numpy as np
import scipy.special

from keras_infomax import tables
from keras_infomax.probes.information import v_information
from keras_infomax.probes.rows import (
    check_classes,
    check_labelled,
    checked_views,
    finite_rows,
    labelled_views,
)


@dataclasses.dataclass(frozen=True)
class Judgement:
    """Results of a probe on held-out rows.

    Args:
        accuracy: Fraction of rows whose class is predicted, in [0, 1].
        information: Predictive V-information of the labels, in nats, or `None` if the
            probe gives no probabilities.
        standard_error: Standard error of the accuracy over draws of the training rows,
            or `None` if the probe does not draw.
    """

    accuracy: float
    information: float | None = None
    standard_error: float | None = None

    def _repr_html_(self) -> str:
        found = dataclasses.asdict(self).items()
        known = [(name, value) for name, value in found if value is not None]
        return tables.as_html(["held-out rows", ""], known)


class Probe(abc.ABC):
    """A supervised model whose held-out accuracy evaluates an encoder.

    Labels are any integers. A probe is deterministic: the same rows always give the
    same results, and fitting does not change any global random state.

    To write a probe, define `_fit(x, targets)` and `_logits(x)`. Both receive checked
    rows `(rows, ...)` in float32; a probe that is not frozen receives views of its
    encoder. Targets are indices into `classes`. Logits are log-probabilities
    `(rows, classes)` up to a constant for each row.

    Attributes:
        classes: Sorted labels of `fit`, or `None` before `fit`.
        frozen: Whether the probe is fitted on encodings of an encoder that does not
            change. Otherwise it is fitted on views, after `of(encoder)`.
    """

    frozen: bool = True

    def __init__(self):
        self.classes: np.ndarray | None = None
        self._features: Any = 0

    def of(self, encoder: keras.Layer) -> Self:
        """Returns the probe for this encoder: itself, if it is frozen.

        A probe that trains the encoder returns an unfitted copy that starts from the
        encoder's weights.

        Args:
            encoder: Keras model or layer from views to encodings.
        """
        return self

    def fit(self, x: Any, labels: Any) -> Self:
        """Fits the probe; an earlier fit is discarded.

        Args:
            x: Encodings or views of shape `(rows, ...)`.
            labels: Integer classes of shape `(rows,)`, at least two different ones.

        Returns:
            The probe itself.

        Raises:
            ValueError: If `x` and `labels` are not labeled finite rows, or if they hold
                only one class.
        """
        x, labels = self._checked_labelled(x, labels)
        check_classes("labels", labels)
        self.classes, targets = np.unique(labels, return_inverse=True)
        self._features = _features(x)
        self._fit(x, targets)
        return self

    def predict(self, x: Any) -> np.ndarray:
        """Returns the most probable class of each row, shape `(rows,)`.

        Args:
            x: Encodings or views as wide as those given to `fit`.

        Raises:
            ValueError: If the probe is not fitted, or if `x` has another width or
                values that are not finite.
        """
        return self._most_probable(self._checked_logits(x))

    def predict_log_proba(self, x: Any) -> np.ndarray:
        """Returns log-probabilities in nats, float64 of shape `(rows, classes)`.

        Args:
            x: Encodings or views as wide as those given to `fit`.

        Raises:
            ValueError: As `predict`.
        """
        return _log_softmax(self._checked_logits(x))

    def score(self, x: Any, labels: Any) -> float:
        """Returns the accuracy: the fraction of rows whose class is predicted.

        Args:
            x: Encodings or views as wide as those given to `fit`.
            labels: Integer classes of shape `(rows,)`.

        Raises:
            ValueError: If the probe is not fitted, if `x` has another width, or if `x`
                and `labels` are not labeled finite rows.
        """
        x, labels = self._checked_labelled(x, labels)
        return float(np.mean(self.predict(x) == labels))

    def information(self, x: Any, labels: Any) -> float:
        """Returns the predictive V-information of the labels, in nats.

        It is the entropy of the labels minus the probe's cross-entropy on them; see
        `v_information`.

        Args:
            x: Held-out encodings or views as wide as those given to `fit`.
            labels: Integer classes of shape `(rows,)`.

        Raises:
            ValueError: As `score`.
        """
        x, labels = self._checked_labelled(x, labels)
        return v_information(self.predict_log_proba(x), labels, self.classes)

    def measure(self, x: Any, labels: Any) -> Judgement:
        """Returns `score` and `information` of the same rows, from one prediction.

        Args:
            x: Held-out encodings or views as wide as those given to `fit`.
            labels: Integer classes of shape `(rows,)`.

        Raises:
            ValueError: As `score`.
        """
        x, labels = self._checked_labelled(x, labels)
        logits = self._checked_logits(x)
        return Judgement(
            accuracy=float(np.mean(self._most_probable(logits) == labels)),
            information=v_information(_log_softmax(logits), labels, self.classes),
        )

    @abc.abstractmethod
    def _fit(self, x: np.ndarray, targets: np.ndarray) -> None:
        pass

    @abc.abstractmethod
    def _logits(self, x: np.ndarray) -> np.ndarray:
        pass

    def _check_fitted(self) -> None:
        if self.classes is None:
            raise ValueError(
                f"{type(self).__name__} must be fitted before it predicts or scores; "
                "received an unfitted one. Call fit(x, labels) on training encodings "
                "first."
            )

    def _checked_labelled(self, x: Any, labels: Any) -> tuple[Any, np.ndarray]:
        check = check_labelled if self.frozen else labelled_views
        return check("x", x, labels)

    def _checked_logits(self, x: Any) -> np.ndarray:
        self._check_fitted()
        x = finite_rows("x", x) if self.frozen else checked_views("x", x)
        if _features(x) != self._features:
            raise ValueError(
                f"x must have {self._features} features per row, as in fit; received "
                f"{_features(x)}. Encode training and test rows in the same way."
            )
        return self._logits(x)

    def _most_probable(self, logits: np.ndarray) -> np.ndarray:
        assert self.classes is not None
        return self.classes[np.argmax(logits, axis=1)]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    return scipy.special.log_softmax(logits.astype("float64"), axis=1)


def _features(x: Any) -> Any:
    """Number of features per row; for a structure, those of its parts."""
    return keras.tree.map_structure(lambda part: part[0].size, x)


def flat(x: np.ndarray) -> np.ndarray:
    """Rows as vectors, of shape `(rows, features)`."""
    return x.reshape(len(x), -1)
