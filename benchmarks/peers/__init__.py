"""The same training step, written as others would write it.

Each module has `prepare(critic, batch_size)`, which returns a function that trains for
a number of steps. The encoders are those of Tschannen et al., 2020, section 3.2: 392,
300, 300, 100 for each half, with a bilinear, separable or MLP critic, InfoNCE, and Adam
at 1e-4. The images are random bytes: the time does not depend on them.

Written from these definitions alone. The modules import nothing of each other's
libraries, so that each runs where only its own is installed.
"""

import numpy as np

IMAGES = 60_000


def images() -> np.ndarray:
    """Random images, uint8 of shape `(IMAGES, 784)`."""
    return np.random.default_rng(0).integers(0, 256, (IMAGES, 784), np.uint8)
