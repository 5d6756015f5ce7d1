"""Trains what a config describes; repeated, it resumes or says that it has finished.

    keras-infomax train --config=digits_halves --workdir=runs/digits
    keras-infomax train --config=my_config.py --workdir=runs/mine --config.critic=mlp

Any key of the config is overridden by `--config.KEY=VALUE`.
"""

from absl import flags
from ml_collections import config_flags

import keras_infomax as kim
from keras_infomax.programs import mistakes

WRITES = {"workdir": "."}
FLAGS = flags.FlagValues()
_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config of the experiment, its name or path.", FLAGS
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run.", FLAGS, required=True
)
_PROFILE_STEPS = flags.DEFINE_integer(
    "profile_steps", 0, "Steps to profile, for TensorBoard.", 0, None, FLAGS
)
flags.mark_flag_as_required("config", FLAGS)


def main() -> None:
    """Trains."""
    workdir = _WORKDIR.value
    with mistakes.of_the_command():
        kim.training.Settings.resolve(_CONFIG.value)
    kim.training.train(_CONFIG.value, workdir, profile_steps=_PROFILE_STEPS.value)
    print(f"Curves: {workdir}/curves.png")
    print(f"        tensorboard --logdir={workdir}/tensorboard")
