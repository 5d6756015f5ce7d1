"""Classifies the embedded digits with an exported encoder, knowing only its folder.

    python -m trainers.classify --encoder=runs/demo/encoder

Prints one line of JSON. The encoder comes from plain TensorFlow, as it would in a
project that has never heard of this package; only digits and probe are ours.
"""

import json

import tensorflow as tf
from absl import flags

from keras_infomax import datasets, probes, views
from trainers import program

_ENCODER = flags.DEFINE_string(
    "encoder", None, "Folder of the SavedModel.", required=True
)


def classify(encoder_folder: str) -> dict[str, float]:
    """Test accuracy of a linear probe on the encodings of the digits' top halves.

    Args:
        encoder_folder: Folder of a SavedModel that encodes `(rows, 14, 28, 1)`.

    Returns:
        Dictionary with `probe_accuracy`.
    """
    encoder = tf.saved_model.load(encoder_folder)
    digits = datasets.load("digits")

    def encodings(images):
        top, _ = views.Halves()(datasets.to_float(images))
        return encoder(top).numpy()

    probe = probes.LogisticProbe()
    probe.fit(encodings(digits.train_images), digits.train_labels)
    accuracy = probe.score(encodings(digits.test_images), digits.test_labels)
    return {"probe_accuracy": accuracy}


def main() -> None:
    """Classifies."""
    print(json.dumps(classify(_ENCODER.value)))


if __name__ == "__main__":
    program.run(main)
