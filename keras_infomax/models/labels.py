"""A term whose true pairs are all pairs of one class."""

import keras
import numpy as np
from keras import ops

from keras_infomax import checks
from keras_infomax.execution import distribution
from keras_infomax.models.terms import TermOfOwnPairs, num_locations


@keras.saving.register_keras_serializable(package="keras_infomax")
class LabelTerm(TermOfOwnPairs):
    """Scores pairs as `Term` does; all encodings of one class are true pairs.

    The partners of a row are all y of its class in the batch of all replicas, including
    its own y, so the loss must be `losses.SupCon`. Encodings with the same number of
    locations may be stacked views of an example; see `methods.supcon`. A location of x
    is then scored against all locations of y except the other locations of its own
    example.

    Args:
        x: Name of the encoding whose partners are identified.
        y: Name of the encoding that is gathered from all replicas.
        labels: Name of the classes, an integer tensor `(rows,)`, which is an input and
            an output of the network.
        critic: Critic, or its name. Defaults to `"cosine"`.
        weight: Non-negative float, the weight of the term in the loss.
        **kwargs: Passed to `keras.layers.Layer`. `name` defaults to `"{x}_{y}"`.

    Call arguments:
        encodings: Dictionary of names and encodings.
        training: Whether the critic runs in training mode.

    Returns:
        Pair of partners, a boolean tensor, and scores. Both are `(rows, columns)`, with
        a row or column for each location.

    Raises:
        ValueError: As `Term`, or if there is not one integer for each example.

    Example:
    >>> term = LabelTerm("x", "y", "label", "inner_product")
    >>> x, labels = ops.ones((3, 8)), ops.convert_to_tensor([4, 1, 4])
    >>> partners, scores = term({"x": x, "y": x, "label": labels})
    >>> partners.numpy().astype(int).tolist()
    [[1, 0, 1], [0, 1, 0], [1, 0, 1]]

    Reference:
        Khosla et al., 2020, "Supervised Contrastive Learning", section 3.2.2,
        https://arxiv.org/abs/2004.11362.
    """

    pairs_come_from = "takes its true pairs from the classes"

    def __init__(self, x, y, labels, critic="cosine", weight=1.0, **kwargs):
        super().__init__(x, y, critic, weight, **kwargs)
        self.labels = checks.text("labels", labels, "label")

    def pair(self, encodings):
        raise ValueError(
            f"{self.name}: LabelTerm needs the loss 'supcon', since its rows have "
            "several true pairs; received a loss on encodings. Use Term, or compile "
            "with 'supcon'."
        )

    def build(self, encodings_shape):
        super().build(encodings_shape)
        shape = tuple(self._named(encodings_shape, self.labels))
        if len(shape) != 1:
            raise ValueError(
                f"{self.name}: {self.labels!r} must be one integer for each example, "
                f"of shape (rows,); received shape {shape}. Write, for example, "
                "keras.Input((), dtype='int32')."
            )

    def call(self, encodings, training=None):
        _, scores = super().call(encodings, training=training)
        of_rows = self._named(encodings, self.labels)
        if "int" not in keras.backend.standardize_dtype(of_rows.dtype):
            raise ValueError(
                f"{self.name}: {self.labels!r} must be integers; received the dtype "
                f"{keras.backend.standardize_dtype(of_rows.dtype)}. Number the classes "
                "with np.unique(labels, return_inverse=True)[1]."
            )
        of_rows = ops.cast(of_rows, "int32")
        of_columns = distribution.gather(of_rows)
        of_rows, of_columns = (
            ops.repeat(of, num_locations(self._named(encodings, name).shape))
            for of, name in ((of_rows, self.x), (of_columns, self.y))
        )
        of_class = ops.equal(of_rows[:, None], of_columns[None])
        return ops.logical_and(of_class, ops.not_equal(scores, -np.inf)), scores

    def get_config(self):
        return {**super().get_config(), "labels": self.labels}
