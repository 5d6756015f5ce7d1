"""Top against bottom halves of CIFAR-10, with the paper's lower rate and more steps.

    python -m trainers.train --config=configs/cifar10_halves.py --workdir=runs/cifar10

Needs CIFAR-10 from TensorFlow Datasets; see `--config.data_dir`. 63,000 steps of
batch 128 at learning rate 1e-5 (Tschannen et al., 2020, appendix G): about an hour on
two cores. The pixel baseline is about 0.34.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "cifar10_halves",
        dataset="cifar10",
        learning_rate=1e-5,
        steps=63_000,
        eval_every=3_000,
    )
