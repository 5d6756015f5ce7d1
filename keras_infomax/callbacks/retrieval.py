"""Watches how well two towers find each other, and name classes by prompts."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_infomax import checks
from keras_infomax.callbacks.common import Measuring, encoder_of
from keras_infomax.probes import encode, recall_at, zero_shot


class Retrieval(Measuring):
    """Logs recall at k of each modality by the other, as scored by the critic.

    Views that occur more than once, such as a text that suits several images, are one
    candidate and one query: it is found if any of its partners is. Scores are those of
    the model's critic.

    For each k the logs have `recall_at_k_x_to_y`, where x looks for its y, and
    `recall_at_k_y_to_x`.

    Args:
        views: Pair `(x, y)` of the views of one split: arrays of as many rows.
        ks: How many candidates are looked at.
        every: Positive integer, the number of epochs or steps between measurements.
        unit: `"epoch"`, or `"step"`; see `Probes`.

    Raises:
        ValueError: If the views are no pair of arrays of as many rows, or another
            argument is not as described; in `fit` if the model has no two encoders.

    Example:
    ```python
    retrieval = kim.callbacks.Retrieval((images, texts), ks=(1, 5))
    history = model.fit(pairs, epochs=10, callbacks=[retrieval]).history
    history["recall_at_1_x_to_y"], history["recall_at_5_y_to_x"]
    ```

    Reference:
        Karpathy and Fei-Fei, 2015, "Deep Visual-Semantic Alignments for Generating
        Image Descriptions", section 4.1, https://arxiv.org/abs/1412.2306.
    """

    def __init__(self, views, ks=(1, 5, 10), every=1, unit="epoch"):
        super().__init__(every, unit)
        is_pair = isinstance(views, tuple | list) and len(views) == 2
        if not is_pair or not all(isinstance(view, np.ndarray) for view in views):
            raise checks.refusal(
                "views",
                "a pair of arrays (rows, ...)",
                views,
                "Write, for example, views=(images, texts).",
            )
        self.views = tuple(views)
        if len(views[0]) != len(views[1]) or len(views[0]) < 2:
            raise ValueError(
                "views must have as many rows both, and two or more; received "
                f"{len(views[0])} and {len(views[1])}."
            )
        self.ks = checks.sizes("ks", ks, empty=False, example=(1, 5))
        self._distinct = [_distinct(view) for view in self.views]

    def _measure(self) -> dict[str, float]:
        candidates = [
            _encoded(self.model, f"encoder_{name}", view[first])
            for name, view, (first, _) in zip(
                "xy", self.views, self._distinct, strict=True
            )
        ]
        scores = ops.convert_to_numpy(_critic(self.model)(*candidates))
        partners = np.zeros(scores.shape, bool)
        partners[self._distinct[0][1], self._distinct[1][1]] = True
        values = {}
        for direction, args in (
            ("x_to_y", (scores, partners)),
            ("y_to_x", (scores.T, partners.T)),
        ):
            for k, recall in recall_at(*args, self.ks).items():
                values[f"recall_at_{k}_{direction}"] = recall
        return values

    def _values(self, measurement: dict[str, float]) -> dict[str, float | None]:
        return dict(measurement)

    def _arrays(self) -> tuple[Any, ...]:
        return self.views


class ZeroShot(Measuring):
    """Logs how well classes are told by prompts, texts that say what they are.

    The class of a view x is the one whose prompts have the highest mean score, so that
    no label trains anything. It is logged as `zero_shot_accuracy`.

    Args:
        views: Array of views x, `(rows, ...)`.
        labels: Integers `(rows,)` from 0 up.
        prompts: Array of views y of each class, `(classes, prompts, ...)`, such as
            tokens `(classes, prompts, length)`.
        every: Positive integer, the number of epochs or steps between measurements.
        unit: `"epoch"`, or `"step"`; see `Probes`.

    Raises:
        ValueError: If an argument is not as described; in `fit` if the model has no
            two encoders.

    Example:
    ```python
    named = kim.callbacks.ZeroShot(images, labels, prompts=texts_of_classes)
    model.fit(pairs, epochs=10, callbacks=[named]).history["zero_shot_accuracy"]
    ```

    Reference:
        Radford et al., 2021, section 3.1.2, https://arxiv.org/abs/2103.00020.
    """

    def __init__(self, views, labels, prompts, every=1, unit="epoch"):
        super().__init__(every, unit)
        for argument, value, least in (("views", views, 2), ("prompts", prompts, 3)):
            if not isinstance(value, np.ndarray) or value.ndim < least:
                shape = "(rows, ...)" if least == 2 else "(classes, prompts, ...)"
                raise checks.refusal(
                    argument, f"an array {shape}", value, "Stack it with np.stack."
                )
        labels = checks.array("labels", labels, "integers (rows,)", "Give classes.")
        if (
            labels.shape != (len(views),)
            or labels.dtype.kind not in "iu"
            or not 0 <= labels.min() <= labels.max() < len(prompts)
        ):
            raise checks.refusal(
                "labels",
                f"integers from 0 to {len(prompts) - 1}, one for each of {len(views)} "
                "views",
                labels,
                "Number the classes in the order of the prompts.",
            )
        self.views, self.labels, self.prompts = views, labels, prompts

    def _measure(self) -> float:
        classes, count = self.prompts.shape[:2]
        texts = self.prompts.reshape(classes * count, *self.prompts.shape[2:])
        x = _encoded(self.model, "encoder_x", self.views)
        y = _encoded(self.model, "encoder_y", texts)
        scores = ops.convert_to_numpy(_critic(self.model)(x, y))
        return zero_shot(scores.reshape(len(x), classes, count), self.labels)

    def _values(self, measurement: float) -> dict[str, float | None]:
        return {"zero_shot_accuracy": measurement}

    def _arrays(self) -> tuple[Any, ...]:
        return self.views, self.labels, self.prompts


def _distinct(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First rows of the views that differ, and which of these each row is."""
    flat = view.reshape(len(view), -1)
    _, first, number = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    return first, number.ravel()


def _encoded(model: keras.Model, name: str, views: np.ndarray) -> Any:
    return ops.convert_to_tensor(encode(encoder_of(model, name), views))


def _critic(model: keras.Model) -> keras.Layer:
    critic = getattr(model, "critic", None)
    if critic is None:
        raise ValueError(
            "The model must have two encoders and a critic; received "
            f"{type(model).__name__} of a network. Take methods.two_towers, or InfoMax "
            "of two encoders."
        )
    return critic
