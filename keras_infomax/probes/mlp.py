"""A probe with one hidden layer, which also uses nonlinear information."""

import copy
from typing import Any

import numpy as np

from keras_infomax import checks
from keras_infomax.probes.draws import hold_out
from keras_infomax.probes.early_stopping import best_epoch
from keras_infomax.probes.probe import Probe, flat
from keras_infomax.probes.threads import one_thread


class MLPProbe(Probe):
    """A multilayer perceptron with one hidden layer of ReLU units.

    Each feature is scaled so that the training rows span [0, 1], as in `LogisticProbe`.
    Adam then minimizes the cross-entropy in batches of 200. A tenth of the rows is held
    out, and the weights after the epoch with the best predictions for these rows are
    kept. The network is scikit-learn's: a second Keras model that trains during `fit`
    would share random states and names with the first.

    Args:
        hidden_units: Positive integer, the width of the layer. Defaults to 200.
        learning_rate: Learning rate of Adam. Defaults to 1e-3.
        epochs: Largest number of passes over the data. Defaults to 200.
        patience: Epochs without improvement after which to stop. Defaults to 10.
        seed: Seed of the initial weights, the order of the rows and the held-out rows.

    Raises:
        ValueError: If a number is not positive.

    Example:
    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> exclusive_or = np.array([0, 1, 1, 0])
    >>> probe = MLPProbe(learning_rate=0.1).fit(x, exclusive_or)
    >>> probe.score(x, exclusive_or)
    1.0
    """

    def __init__(
        self,
        hidden_units: int = 200,
        learning_rate: float = 1e-3,
        epochs: int = 200,
        patience: int = 10,
        seed: int = 0,
    ):
        super().__init__()
        checks.positive_integer("hidden_units", hidden_units, 200)
        checks.positive_integer("epochs", epochs, 200)
        checks.positive_integer("patience", patience, 10)
        checks.positive_number("learning_rate", learning_rate, 1e-3)
        checks.seed("seed", seed)
        self.hidden_units = hidden_units
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.patience = patience
        checks.seed("seed", seed)
        self.seed = seed

    def _fit(self, x, targets):
        from sklearn.neural_network import MLPClassifier
        from sklearn.preprocessing import MinMaxScaler

        generator = np.random.default_rng(self.seed)
        train, held_out = hold_out(targets, generator)
        self._scaler = MinMaxScaler().fit(flat(x))
        x = self._scaler.transform(flat(x))
        network = MLPClassifier(
            hidden_layer_sizes=(self.hidden_units,),
            learning_rate_init=self.learning_rate,
            batch_size=min(200, len(train)),
            random_state=self.seed,
            # Epochs are run one by one; scikit-learn would warn when it reaches
            # max_iter.
            max_iter=self.epochs + 1,
        )
        classes = np.arange(targets.max() + 1)

        def train_epoch():
            network.partial_fit(x[train], targets[train], classes=classes)
            log_p = _log_proba(network, x[held_out])
            return -np.mean(log_p[np.arange(len(held_out)), targets[held_out]])

        with one_thread():
            self._network = best_epoch(
                train_epoch, lambda: copy.deepcopy(network), self.epochs, self.patience
            )

    def _logits(self, x):
        with one_thread():
            return _log_proba(self._network, self._scaler.transform(flat(x)))


def _log_proba(network: Any, x: np.ndarray) -> np.ndarray:
    # The logarithm of a probability of 0 in float32 must stay finite.
    return np.log(np.maximum(network.predict_proba(x), np.finfo("float32").tiny))
