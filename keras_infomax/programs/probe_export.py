"""Probes an exported encoder on the embedded digits, knowing only its folder.

    keras-infomax probe-export --encoder=runs/demo/encoder

Prints one line of JSON. The encoder comes from plain TensorFlow, as it would in a
project that has never heard of this package; only digits and probe are ours.
"""

import json

from absl import flags

READS = {"encoder": "saved_model.pb"}
FLAGS = flags.FlagValues()
_ENCODER = flags.DEFINE_string(
    "encoder", None, "Folder of the SavedModel.", FLAGS, required=True
)


def classify(encoder_folder: str) -> dict[str, float]:
    """Test accuracy of a linear probe on the encodings of the digits' top halves.

    Args:
        encoder_folder: Folder of a SavedModel that encodes `(rows, 14, 28, 1)`.

    Returns:
        Dictionary with `probe_accuracy`.
    """
    import tensorflow as tf

    from keras_infomax import datasets, probes, views

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
    """Probes."""
    print(json.dumps(classify(_ENCODER.value)))
