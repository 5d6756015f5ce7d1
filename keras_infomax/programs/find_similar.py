"""Finds the digits most similar to a digit, by the encodings of an exported encoder.

    keras-infomax find-similar --encoder=runs/digits_encoder --output=runs/downstream

Every test digit is a query among the 4,000 training digits; similar are those whose
encodings have a small angle. Nothing is trained. Several encoders may be given,
separated by commas. Writes similar.csv, and similar.png of the first encoder.
"""

from absl import flags

READS = {"encoder": "saved_model.pb"}
WRITES = {"output": "."}
FLAGS = flags.FlagValues()
_ENCODER = flags.DEFINE_list(
    "encoder", None, "Folders of exports.", FLAGS, required=True
)
_OUTPUT = flags.DEFINE_string("output", "runs/downstream", "Folder to write to.", FLAGS)


def main() -> None:
    """Searches, prints, draws and writes."""
    from keras_infomax.programs.downstream import finding_similar

    finding_similar.main(_ENCODER.value, _OUTPUT.value)
