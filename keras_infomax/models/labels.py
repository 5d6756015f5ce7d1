"""A term whose true pairs are all those of one class."""

import keras
import numpy as np
from keras import ops

from keras_infomax import checks
from keras_infomax.execution import distribution
from keras_infomax.models.terms import TermOfOwnPairs, num_locations


@keras.saving.register_keras_serializable(package="keras_infomax")
class LabelTerm(TermOfOwnPairs):
    """Scores pairs as `Term` does, where all encodings of one class are true pairs.

    A row has as many partners as its class has members in the batch of all replicas,
    its own y among them, so the loss must be `losses.SupCon`. Encodings of equally many
    locations may be the views of an example, stacked: a location of x is then told from
    all locations of y but the others of its own example; see `methods.supcon`.

    Args:
        x: Name of the encoding whose partners are sought.
        y: Name of the encoding that is gathered from all replicas.
        labels: Name of the classes, an integer tensor `(rows,)`: an input of the
            network that is one of its outputs, too.
        critic: Critic, or its name. Defaults to `"cosine"`.
        weight: Non-negative float, the weight of the term in the loss.
        **kwargs: Passed to `keras.layers.Layer`. `name` defaults to `"{x}_{y}"`.

    Call arguments:
        encodings: Dictionary of names and encodings.
        training: Whether the critic runs in training mode.

    Returns:
        Pair of partners, a boolean tensor, and scores, both `(rows, columns)`, where a
        location counts as a row or column.

    Raises:
        ValueError: As `Term`, and if there is not one integer for each example.

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

    pairs_come_from = "tells true pairs from others by their classes"

    def __init__(self, x, y, labels, critic="cosine", weight=1.0, **kwargs):
        super().__init__(x, y, critic, weight, **kwargs)
        self.labels = checks.text("labels", labels, "label")

    def pair(self, encodings):
        raise ValueError(
            f"{self.name}: a loss on encodings has one true pair for each row, where "
            "LabelTerm has many. Use Term, or compile with 'supcon'."
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
