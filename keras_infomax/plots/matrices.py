"""The scores of a batch: as a matrix, and true pairs against all others."""

from typing import Any

import keras
import numpy as np

from keras_infomax import checks, structures
from keras_infomax.plots import drawing

# A matrix of a large batch would not fit into memory, nor onto a screen.
_MOST_ROWS = 256
_BINS = 40


def scores(model: Any, views: Any) -> Any:
    """Draws how a model scores a batch: the matrix, and true pairs against others.

    True pairs should lie to the right of the others. Where the two stay alike, the
    critic tells nothing; bright columns are examples that are similar to everything.

    Args:
        model: An `InfoMax` model that scores pairs.
        views: A batch of views as the model takes them, such as `(x, y)`, held out if
            it shall tell what was learned; the first 256 rows are scored.

    Returns:
        A `matplotlib.figure.Figure`, with a row of two panels for each term. Scores
        are in nats, up to a constant a row.

    Raises:
        ValueError: If the model scores no pairs, or the views have no rows.
        ImportError: If Matplotlib is missing.

    Example:
    ```python
    kim.plots.scores(model, (x_test[:128], y_test[:128]))
    ```
    """
    if not (hasattr(model, "scores_pairs") and model.scores_pairs):
        raise checks.refusal(
            "model",
            "an InfoMax that scores pairs",
            model,
            "One with a loss on encodings, such as VICReg, has no scores: look at "
            "plots.encodings.",
        )
    parts = keras.tree.flatten(views)
    if not parts or not all(len(getattr(part, "shape", ())) for part in parts):
        raise checks.refusal(
            "views",
            "a batch of views as the model takes them",
            views,
            "Write, for example, views=(x[:128], y[:128]).",
        )
    if not structures.rows_of(views):
        raise checks.refusal("views", "at least one row", views, "Give some.")
    shown = structures.taken(views, slice(_MOST_ROWS))
    partners, found = model(shown, training=False, with_partners=True)
    figure = drawing.new_figure(9.0, 3.8 * len(found))
    panels = figure.subplots(len(found), 2, squeeze=False)
    for (matrix, shares), (term, values) in zip(panels, found.items(), strict=True):
        values = keras.ops.convert_to_numpy(values).astype(float)
        columns = keras.ops.convert_to_numpy(partners[term])
        _matrix(figure, matrix, values)
        _shares(shares, *split(columns, values))
        if len(found) > 1:
            matrix.set_title(term)
    return figure


def split(partners: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores of true pairs, and of all others that are not left out.

    Args:
        partners: Columns of the true pairs, `(rows,)` or `(rows, positives)`, or
            booleans `(rows, columns)`.
        scores: Scores `(rows, columns)`; minus infinity is left out.

    Returns:
        Two vectors.

    Example:
    >>> true, others = split([1, 0], [[0.0, 3.0, -np.inf], [4.0, 1.0, 2.0]])
    >>> true.tolist(), others.tolist()
    ([3.0, 4.0], [0.0, 1.0, 2.0])
    """
    scores = np.asarray(scores)
    partners = np.asarray(partners).reshape(len(scores), -1)
    is_true = partners
    if partners.dtype != bool:
        is_true = np.zeros(scores.shape, bool)
        np.put_along_axis(is_true, partners, True, axis=1)
    finite = np.isfinite(scores)
    return scores[is_true & finite], scores[~is_true & finite]


def _matrix(figure: Any, axes: Any, values: np.ndarray) -> None:
    finite = np.isfinite(values)
    low, high = np.percentile(values[finite], [1, 99]) if finite.any() else (0, 1)
    axes.set_facecolor("0.8")  # Of what is left out.
    shown = np.ma.masked_array(values, ~finite)
    image = axes.imshow(shown, vmin=low, vmax=high, interpolation="nearest")
    figure.colorbar(image, ax=axes, label="score")
    axes.set(xlabel="column", ylabel="row")


def _shares(axes: Any, true: np.ndarray, others: np.ndarray) -> None:
    both = np.concatenate([true, others])
    bins = np.histogram_bin_edges(both, _BINS)
    for values, label, color in (
        (others, "all others", "0.5"),
        (true, "true pairs", "C1"),
    ):
        if values.size:
            weights = np.full(values.size, 1 / values.size)
            axes.hist(values, bins, weights=weights, alpha=0.7, label=label, fc=color)
    axes.set(xlabel="score", ylabel="share of pairs")
    drawing.finish(axes)
