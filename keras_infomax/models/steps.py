"""How the steps of models run: one file for each backend, chosen here.

What JAX and PyTorch have in common stands in `steps_keras`.

Each gives two classes. `Steps` is a `keras.Model` that plans and compiles the steps of
a run; `PairSteps` are the steps of a model that has

- `unpacked(data)`: views, `None` and weights of an element of a dataset,
- `scoring()`: a context in which a call returns what the loss takes,
- `end_step()`, called once the weights of a training step have changed,
- `compute_loss`, which updates the estimates where it scores, `compute_metrics`, and
- `representation_of(views)`: what `predict` returns.
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
