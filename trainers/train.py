"""Trains what a config describes; repeated, it resumes or says that it has finished.

    python -m trainers.train --config=configs/digits_halves.py --workdir=runs/digits

Any key is overridden by `--config.key=value`.
"""

from absl import flags
from ml_collections import config_flags

from keras_infomax import training
from trainers import program

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config of the experiment.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_PROFILE_STEPS = flags.DEFINE_integer(
    "profile_steps", 0, "Number of steps to profile, for TensorBoard."
)


def main() -> None:
    """Trains."""
    training.train(_CONFIG.value, _WORKDIR.value, profile_steps=_PROFILE_STEPS.value)
    print(f"Curves: {_WORKDIR.value}/curves.png")
    print(f"        tensorboard --logdir={_WORKDIR.value}/tensorboard")


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    program.run(main)
