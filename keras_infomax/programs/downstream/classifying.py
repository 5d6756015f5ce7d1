"""What `classify` does: classifies digits with a frozen encoder, and with pixels."""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import checks
from keras_infomax.programs.downstream import digits
from keras_infomax.training import comparison


def classify(
    handles: Sequence[str], data: digits.Digits, steps: int
) -> list[dict[str, Any]]:
    """Test accuracies on encodings and on pixels.

    Args:
        handles: Exports of encoders of the digits' top halves.
        data: The digits.
        steps: Training steps.
    """
    rows = []
    for seed, handle in enumerate(handles):
        keras.utils.set_random_seed(seed)
        train, test = (data.x, data.labels), (data.test_x, data.test_labels)
        for by, layer in (
            ("encodings", digits.load_encoder(handle, trainable=False)),
            ("pixels", keras.layers.Flatten()),
        ):
            model = digits.classifier(layer)
            accuracy = digits.accuracy_of(model, train, test, steps, seed)
            rows.append({"encoder": seed, "by": by, "accuracy": accuracy})
    return rows


def main(handles: Sequence[str], output: str, steps: int) -> None:
    """Classifies, prints and writes."""
    rows = classify(handles, digits.Digits.load(), steps)
    for by in ("encodings", "pixels"):
        found = [row["accuracy"] for row in rows if row["by"] == by]
        print(
            f"{by:<12}{np.mean(found):.4f}  from {min(found):.4f} to {max(found):.4f}"
        )
    comparison.write_table(
        pathlib.Path(checks.path("output", output)) / "classify.csv",
        list(rows[0]),
        rows,
    )
