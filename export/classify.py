"""Classifies digits with a frozen exported encoder, against the same on pixels.

    python -m export.classify --encoder=runs/digits_encoder --output=runs/downstream

A softmax layer is trained on all 4,000 labels. Several encoders, separated by commas,
are classified with one after another. Writes classify.csv.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from absl import flags

from export import digits, reporting
from keras_infomax import checks
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


if __name__ == "__main__":
    _ENCODER = flags.DEFINE_list("encoder", None, "Folders of exports.", required=True)
    _OUTPUT = flags.DEFINE_string("output", "runs/downstream", "Folder to write to.")
    _STEPS = flags.DEFINE_integer("steps", 4000, "Training steps.", lower_bound=1)
    reporting.run(lambda: main(_ENCODER.value, _OUTPUT.value, _STEPS.value))
