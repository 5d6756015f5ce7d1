"""What `find_similar` does: finds digits by the encodings of an encoder."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_infomax import checks, probes
from keras_infomax.plots import drawing
from keras_infomax.programs.downstream import digits
from keras_infomax.training import comparison

SHOWN = 8


def most_similar(queries: np.ndarray, found: np.ndarray, count: int) -> np.ndarray:
    """Indices of the rows with the largest cosine, the most similar one first.

    Args:
        queries: Float array `(queries, dim)`.
        found: Float array `(rows, dim)`.
        count: How many to find for each query.

    Returns:
        Integer array `(queries, count)`.

    Example:
    >>> found = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> most_similar(np.array([[0.1, 2.0]]), found, count=2)
    array([[2, 1]])
    """
    lengths = np.linalg.norm(found, axis=1)
    # The length of the query has no part in the order.
    cosines = queries @ (found / np.maximum(lengths, 1e-12)[:, None]).T
    return np.argsort(-cosines, axis=1, kind="stable")[:, :count]


def search(handle: str, data: digits.Digits) -> dict[str, np.ndarray]:
    """The ten training digits most similar to each test digit.

    Args:
        handle: Export of an encoder of the digits' top halves.
        data: The digits.

    Returns:
        Indices `(1000, 10)` by `encodings` and by `pixels`.
    """
    encoder = digits.load_encoder(handle, trainable=False)
    spaces = {
        "encodings": [probes.encode(encoder, x) for x in (data.test_x, data.x)],
        "pixels": [x.reshape(len(x), -1) for x in (data.test_x, data.x)],
    }
    return {
        by: most_similar(queries, found, count=10)
        for by, (queries, found) in spaces.items()
    }


def judge(
    indices: np.ndarray, data: digits.Digits, encoder: int, by: str
) -> dict[str, Any]:
    """How often the digits that were found are of the query's class.

    Args:
        indices: Indices `(queries, 10)`.
        data: The digits.
        encoder: Number of the encoder.
        by: By what it was searched.
    """
    right = data.labels[indices] == data.test_labels[:, None]
    return {
        "encoder": encoder,
        "by": by,
        "precision_at_1": float(right[:, 0].mean()),
        "precision_at_10": float(right.mean()),
    }


def plot(found: dict[str, np.ndarray], data: digits.Digits, path: pathlib.Path) -> None:
    """Draws the first query of each class, and what was found; wrong ones in red.

    What the encoder has not seen is pale.
    """
    queries = [int(np.argmax(data.test_labels == label)) for label in range(10)]
    figure = drawing.new_figure(11, 6.4)
    widths = [1.2, *[SHOWN] * len(found)]
    parts: Any = figure.subfigures(1, len(widths), width_ratios=widths, wspace=0.04)
    parts[0].suptitle("query", fontsize=12)
    for axes, query in zip(parts[0].subplots(10), queries, strict=True):
        _show(axes, data.test_images[query], "black")
    for part, (by, indices) in zip(parts[1:], found.items(), strict=True):
        part.suptitle(f"most similar by {by}", fontsize=12)
        for row, query in zip(part.subplots(10, SHOWN), queries, strict=True):
            for axes, index in zip(row, indices[query], strict=False):
                right = data.labels[index] == data.test_labels[query]
                _show(axes, data.images[index], "tab:green" if right else "tab:red")
    drawing.save(figure, path, dpi=100)


def _show(axes: Any, image: np.ndarray, colour: str) -> None:
    axes.imshow(image[..., 0], cmap="gray_r")
    # The encoder has seen the upper half alone.
    axes.axhspan(13.5, 27.5, color="white", alpha=0.6, linewidth=0)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=2)


def main(handles: Sequence[str], output: str) -> None:
    """Searches, prints, draws and writes."""
    data, folder = digits.Digits.load(), pathlib.Path(checks.path("output", output))
    rows: list[dict[str, Any]] = []
    for number, handle in enumerate(handles):
        found = search(handle, data)
        rows += [judge(indices, data, number, by) for by, indices in found.items()]
        if number == 0:
            folder.mkdir(parents=True, exist_ok=True)
            plot(found, data, folder / "similar.png")
    for row in rows:
        print(row)
    comparison.write_table(folder / "similar.csv", list(rows[0]), rows)
