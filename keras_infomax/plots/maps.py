"""A map of encodings in two dimensions, colored by labels."""

import importlib.util
from typing import Any

import numpy as np

from keras_infomax import checks
from keras_infomax.plots import drawing
from keras_infomax.probes import encode

# More names than this get a scale instead of a legend, and texts are refused.
_MOST_NAMES = 20


def encodings(model: Any, views: Any, labels: Any = None, method: str = "pca") -> Any:
    """Draws the encodings of views as points, with a color for each label.

    Looking is no measure: clusters on a map need not be what a probe finds, and the
    other way round.

    Args:
        model: An `InfoMax` model, whose `encoder_x` is taken, or any encoder: a Keras
            model or layer from views to `(rows, dim)`.
        views: Views as the encoder takes them, at least two rows.
        labels: A label for each row: integers or texts are classes, floats a scale.
            Defaults to `None`, points of one color.
        method: `"pca"`, the two directions of largest variance, or `"umap"`, if
            umap-learn is installed, with seed 0. Defaults to `"pca"`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the views, the labels or the encodings are unfit.
        ImportError: If Matplotlib is missing, or umap-learn for `"umap"`.

    Example:
    ```python
    kim.plots.encodings(model, x_test, labels_test)
    ```
    """
    checks.one_of("method", method, ("pca", "umap"))
    drawing.check_installed()
    if method == "umap" and importlib.util.find_spec("umap") is None:
        raise ImportError(
            'method="umap" needs umap-learn. Install it with `pip install umap-learn`, '
            'or take method="pca".'
        )
    encoded = encode(getattr(model, "encoder_x", model), views)
    if len(encoded) < 2:
        raise ValueError(
            f"views must have at least 2 rows to be a map; received {len(encoded)}. "
            "Give a whole batch."
        )
    if labels is not None:
        labels = _checked(labels, len(encoded))
    points, names = _pca(encoded) if method == "pca" else _umap(encoded)
    figure = drawing.new_figure(5.6, 4.4)
    axes = figure.subplots()
    _points(figure, axes, points, labels)
    axes.set(xlabel=names[0], ylabel=names[1])
    return figure


def _checked(labels: Any, rows: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (rows,) or labels.dtype.kind not in "iubfUS":
        raise checks.refusal(
            "labels",
            f"numbers or texts of shape ({rows},), one for each row of views",
            labels,
            "Leave them out where there are none.",
        )
    if labels.dtype.kind in "US" and len(np.unique(labels)) > _MOST_NAMES:
        raise checks.refusal(
            "labels",
            f"at most {_MOST_NAMES} different texts",
            labels,
            "Draw some of the rows alone.",
        )
    return labels


def _pca(encoded: np.ndarray) -> tuple[np.ndarray, list[str]]:
    centered = encoded.astype(float) - encoded.mean(axis=0, dtype=float)
    # A direction of no variance, where encodings have collapsed or are one number.
    padded = np.pad(centered, ((0, 0), (0, max(0, 2 - centered.shape[1]))))
    left, sizes, right = np.linalg.svd(padded, full_matrices=False)
    # The sign of a direction is arbitrary: its largest entry is positive.
    signs = np.sign(right[range(2), np.abs(right[:2]).argmax(axis=1)])
    shares = sizes**2 / max(float(np.sum(sizes**2)), np.finfo(float).tiny)
    names = [
        f"{order} component, {100 * share:.0f} % of the variance"
        for order, share in zip(("first", "second"), shares, strict=False)
    ]
    return left[:, :2] * sizes[:2] * signs, names


def _umap(encoded: np.ndarray) -> tuple[np.ndarray, list[str]]:
    import umap

    neighbors = min(15, len(encoded) - 1)
    # With a seed it runs in one thread, and says so as a warning.
    reducer = umap.UMAP(n_neighbors=neighbors, random_state=0, n_jobs=1)
    return reducer.fit_transform(encoded), ["first UMAP axis", "second UMAP axis"]


def _points(figure: Any, axes: Any, points: np.ndarray, labels: Any) -> None:
    style = {"s": 8, "alpha": 0.7, "linewidths": 0}
    names: Any = [] if labels is None else np.unique(labels)
    if labels is None:
        axes.scatter(*points.T, **style)
    elif labels.dtype.kind == "f" or len(names) > _MOST_NAMES:
        drawn = axes.scatter(*points.T, c=labels.astype(float), **style)
        figure.colorbar(drawn, ax=axes, label="label")
    else:
        import matplotlib

        table = matplotlib.colormaps["tab10" if len(names) <= 10 else "tab20"]
        for name, color in zip(names, map(table, range(len(names))), strict=True):
            axes.scatter(*points[labels == name].T, label=name, color=color, **style)
        # Beside the points, which the names would hide.
        figure.legend(loc="outside right upper", frameon=False, markerscale=2)
    axes.grid(alpha=0.3)
