"""Chooses how the steps of models run: there is one file for each backend.

`steps_keras` holds the common part of JAX and PyTorch.

Each file defines two classes. `Steps` is a `keras.Model` that plans and compiles the
steps of a run. `PairSteps` has the steps of a model that defines

- `unpacked(data)`: views, `None` and weights of an element of a dataset,
- `scoring()`: a context in which a call returns the arguments of the loss,
- `end_step()`: called after a training step has changed the weights,
- `compute_loss`, which also updates the estimates, and `compute_metrics`,
- `representation_of(views)`: result of `predict`.
"""

import importlib
from typing import TYPE_CHECKING

from keras_infomax import backends

if TYPE_CHECKING:
    from keras_infomax.models.steps_tensorflow import PairSteps, Steps
else:
    _chosen = importlib.import_module(f"keras_infomax.models.steps_{backends.name()}")
    PairSteps, Steps = _chosen.PairSteps, _chosen.Steps

__all__ = ["PairSteps", "Steps"]
