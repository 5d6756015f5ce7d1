"""Fine-tunes an exported encoder with few labels, against training from scratch.

    keras-infomax fine-tune --encoder=runs/digits_encoder --output=runs/downstream

For 10, 100 and 1,000 labels, equally many of every class, trains a classifier with the
encoder frozen, with the encoder fine-tuned, and with the same network from scratch.
Several encoders may be given, separated by commas. Writes few_labels.csv and .png.
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
_DRAWS = flags.DEFINE_integer(
    "draws", 3, "Draws of labels.", lower_bound=1, flag_values=FLAGS
)
_STEPS = flags.DEFINE_integer(
    "steps", 300, "Training steps.", lower_bound=1, flag_values=FLAGS
)


def main() -> None:
    """Compares, prints, draws and writes."""
    from keras_infomax.programs.downstream import fine_tuning

    running.quieten_retracing()
    fine_tuning.main(_ENCODER.value, _OUTPUT.value, _DRAWS.value, _STEPS.value)
