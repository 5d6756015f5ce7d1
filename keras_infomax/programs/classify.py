"""Classifies digits with a frozen exported encoder, against the same on pixels.

    keras-infomax classify --encoder=runs/digits_encoder --output=runs/downstream

A softmax layer is trained on all 4,000 labels. Several encoders, separated by commas,
are classified with one after another. Writes classify.csv.
"""

from absl import flags

from keras_infomax.programs import running

READS = {"encoder": "saved_model.pb"}
WRITES = {"output": "."}
FLAGS = flags.FlagValues()
_ENCODER = flags.DEFINE_list(
    "encoder", None, "Folders of exports.", FLAGS, required=True
)
_OUTPUT = flags.DEFINE_string("output", "runs/downstream", "Folder to write to.", FLAGS)
_STEPS = flags.DEFINE_integer(
    "steps", 4000, "Training steps.", lower_bound=1, flag_values=FLAGS
)


def main() -> None:
    """Classifies, prints and writes."""
    from keras_infomax.programs.downstream import classifying

    running.quieten_retracing()
    classifying.main(_ENCODER.value, _OUTPUT.value, _STEPS.value)
