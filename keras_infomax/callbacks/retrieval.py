"""Measures retrieval between two modalities, and zero-shot classification."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_infomax import checks
from keras_infomax.callbacks.common import Measuring, encoder_of
from keras_infomax.probes import encode, recall_at, zero_shot


class Retrieval(Measuring):
    """Logs recall at k for retrieval in both directions, by the critic's scores.

    Views that occur more than once, such as a text of several images, are one candidate
    and one query. A query succeeds if it finds any of its partners.

    For each k the logs contain `recall_at_k_x_to_y`, with queries x and candidates y,
    and `recall_at_k_y_to_x`.

    Args:
        views: Pair `(x, y)` of views, arrays with the same number of rows.
        ks: Numbers of candidates to consider.
        every: Positive integer, the number of epochs or steps between measurements.
        unit: `"epoch"`, or `"step"`; see `Probes`.

    Raises:
        ValueError: If the views are not a pair of arrays with the same number of rows,
            or another argument is not as described. In `fit`, if the model does not
            have two encoders.

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
                "views must have the same number of rows, at least two; received "
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
    """Logs the zero-shot accuracy of classes that prompts describe.

    The predicted class of a view x is the one whose prompts have the highest mean
    score. No labels are used for training. The accuracy is logged as
    `zero_shot_accuracy`.

    Args:
        views: Array of views x, `(rows, ...)`.
        labels: Integers `(rows,)` from 0 up.
        prompts: Array of views y of each class, `(classes, prompts, ...)`, such as
            tokens `(classes, prompts, length)`.
        every: Positive integer, the number of epochs or steps between measurements.
        unit: `"epoch"`, or `"step"`; see `Probes`.

    Raises:
        ValueError: If an argument is not as described. In `fit`, if the model does not
            have two encoders.

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
    """Indices of distinct views, and for each row the index of its distinct view."""
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
            f"{type(model).__name__} of a network. Use methods.two_towers, or InfoMax "
            "with two encoders."
        )
    return critic
