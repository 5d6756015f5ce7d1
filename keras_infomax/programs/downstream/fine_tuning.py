"""What `fine_tune` does: fine-tunes an encoder with few labels, and from scratch."""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import checks, encoders
from keras_infomax.plots import drawing
from keras_infomax.probes.draws import draw
from keras_infomax.programs.downstream import digits
from keras_infomax.training import comparison

SIZES = (10, 100, 1000)
STARTS = ("frozen", "fine-tuned", "from scratch")


def choose(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Rows of a random choice with equally many of each of ten classes.

    Args:
        labels: Classes of all rows.
        size: Number of rows, a multiple of ten.
        seed: Seed of the choice.
    """
    return draw(labels, lambda _: size // 10, np.random.default_rng(seed))


def layer_of(start: str, handle: str) -> keras.layers.Layer:
    """The encoder that a classifier starts with.

    Args:
        start: One of `STARTS`.
        handle: The export.

    Raises:
        ValueError: If the network from scratch would be another than the export's.
    """
    exported = digits.load_encoder(handle, trainable=start == "fine-tuned")
    if start != "from scratch":
        return exported
    fresh = encoders.mlp(digits.VIEW_SHAPE)
    if fresh.count_params() != exported.count_params():
        raise ValueError(
            "--encoder must name exports of encoders.mlp with its default sizes, of "
            f"{fresh.count_params():,} parameters; received {handle!r} of "
            f"{exported.count_params():,}."
        )
    return fresh


def compare(
    handles: Sequence[str], data: digits.Digits, draws: int, steps: int
) -> list[dict[str, Any]]:
    """Test accuracy of every encoder, number of labels, draw and start.

    Args:
        handles: Exports of encoders of the digits' top halves.
        data: The digits.
        draws: Number of draws of labels for each encoder.
        steps: Training steps.
    """
    rows = []
    for encoder, handle in enumerate(handles):
        for size in SIZES:
            for number in range(draws):
                seed = encoder * draws + number
                chosen = choose(data.labels, size, seed)
                for start in STARTS:
                    keras.utils.set_random_seed(seed)
                    layer = layer_of(start, handle)
                    accuracy = digits.accuracy_of(
                        digits.classifier(layer),
                        (data.x[chosen], data.labels[chosen]),
                        (data.test_x, data.test_labels),
                        steps,
                        seed,
                    )
                    rows.append(
                        {
                            "encoder": encoder,
                            "labels": size,
                            "seed": seed,
                            "start": start,
                            "accuracy": accuracy,
                        }
                    )
    return rows


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """A table of means and standard deviations over encoders and draws.

    Args:
        rows: What `compare` returned.
    """
    lines = [f"| labels | {' | '.join(STARTS)} |", "|---" * (len(STARTS) + 1) + "|"]
    for size in SIZES:
        cells = [f"{mean:.3f} ± {sd:.3f}" for mean, sd in _spread(rows, size)]
        lines.append(f"| {size:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(rows: Sequence[dict[str, Any]], size: int) -> list[tuple[float, float]]:
    found = [
        [r["accuracy"] for r in rows if (r["labels"], r["start"]) == (size, start)]
        for start in STARTS
    ]
    return [(float(np.mean(f)), float(np.std(f, ddof=len(f) > 1))) for f in found]


def plot(rows: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
    """Draws the table, with one standard deviation to either side."""
    figure = drawing.new_figure(5, 3.6)
    axes = figure.subplots()
    spreads = [_spread(rows, size) for size in SIZES]
    for index, start in enumerate(STARTS):
        means, deviations = zip(*[spread[index] for spread in spreads], strict=True)
        # Side by side, or the bars would hide each other.
        positions = [place + 0.12 * (index - 1) for place in range(len(SIZES))]
        axes.errorbar(
            positions, means, deviations, label=start, fmt="o", capsize=4, markersize=5
        )
    axes.set_xticks(range(len(SIZES)), [f"{size:,}" for size in SIZES])
    axes.set(xlabel="labels", ylabel="test accuracy, mean and deviation")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    drawing.save(figure, path, dpi=100)


def main(handles: Sequence[str], output: str, draws: int, steps: int) -> None:
    """Compares, prints, draws and writes."""
    data = digits.Digits.load()
    rows = compare(handles, data, draws, steps)
    print(summary(rows))
    folder = pathlib.Path(checks.path("output", output))
    comparison.write_table(folder / "few_labels.csv", list(rows[0]), rows)
    plot(rows, folder / "few_labels.png")
