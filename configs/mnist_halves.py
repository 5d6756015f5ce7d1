"""Top against bottom halves of MNIST: the paper's setup (Tschannen et al., 2020).

    python -m trainers.train --config=configs/mnist_halves.py --workdir=runs/mnist

Needs MNIST from TensorFlow Datasets; see `--config.data_dir`. 21,000 steps of batch
128, evaluated every 1,000: some minutes on two cores. The pixel baseline is 0.85.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant, "mnist_halves", dataset="mnist", steps=21_000, eval_every=1_000
    )
