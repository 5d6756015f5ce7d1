"""Fine-tunes the whole encoder on labels: its value as an initialization."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import keras
import numpy as np

from keras_infomax import backends, checks
from keras_infomax.lazy_tensorflow import concrete, tf
from keras_infomax.probes.draws import hold_out
from keras_infomax.probes.early_stopping import best_epoch
from keras_infomax.probes.encoding import checked_views, tensor_specs
from keras_infomax.probes.probe import Probe
from keras_infomax.structures import rows_of, taken

# Number of rows encoded at once in inference, which limits the memory.
_ROWS_AT_ONCE = 1000

# Adam's decay rates and the epsilon of its division, as in Keras.
_MEAN_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-7


class FineTuning(Probe):
    """A copy of the encoder with a linear softmax layer, trained on views and labels.

    Other probes read frozen encodings. This one takes views and trains all trainable
    weights of the encoder, from their present values. The encoder itself does not
    change: copies of its weights are trained, and replace the weights during a call
    (`keras.Layer.stateless_call`).

    The encoder runs in training mode. Adam minimizes the cross-entropy plus the
    encoder's regularization losses. A tenth of the rows is held out, and the weights
    after the epoch with the best predictions for these rows are kept. The softmax layer
    starts at zero.

    Args:
        encoder: Keras model or layer from views to encodings, or `None` until
            `of(encoder)`.
        learning_rate: Learning rate of Adam. Defaults to 1e-3.
        batch_size: Positive integer, the largest number of rows in a batch. Defaults
            to 128.
        epochs: Largest number of passes over the data. Defaults to 200.
        patience: Epochs without improvement after which to stop. Defaults to 10.
        seed: Seed of the order of the rows and of the held-out rows.

    Raises:
        ValueError: If a number is not positive.

    Example:
    >>> views, labels = np.eye(4, dtype="float32"), np.array([0, 1, 1, 0])
    >>> encoder = keras.Sequential([keras.layers.Dense(8)])
    >>> probe = FineTuning(encoder, learning_rate=0.1).fit(views, labels)
    >>> probe.score(views, labels)
    1.0
    """

    frozen = False

    def __init__(
        self,
        encoder: keras.Layer | None = None,
        learning_rate: float = 1e-3,
        batch_size: int = 128,
        epochs: int = 200,
        patience: int = 10,
        seed: int = 0,
    ):
        super().__init__()
        checks.positive_integer("batch_size", batch_size, 128)
        checks.positive_integer("epochs", epochs, 200)
        checks.positive_integer("patience", patience, 10)
        checks.positive_number("learning_rate", learning_rate, 1e-3)
        checks.seed("seed", seed)
        self.encoder = checks.encoder("encoder", encoder, optional=True)
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        checks.seed("seed", seed)
        self.seed = seed

    def of(self, encoder: keras.Layer) -> Self:
        """Returns a copy, not fitted, that starts from this encoder.

        Args:
            encoder: Keras model or layer from views to encodings.
        """
        tuned = copy.copy(self)
        tuned.encoder, tuned.classes = checks.encoder("encoder", encoder), None
        return tuned

    def _fit(self, x, targets):
        if self.encoder is None:
            raise ValueError(
                "FineTuning needs an encoder to start from; received None. Write "
                "FineTuning(encoder), or use of(encoder)."
            )
        backends.needs(
            "FineTuning",
            backends.TENSORFLOW,
            instead="Save the encoder as .keras, and fine-tune it there.",
        )
        x = checked_views(self.encoder, x, "x")
        specs = tensor_specs(x)
        generator = np.random.default_rng(self.seed)
        train, held_out = hold_out(targets, generator)
        network = _start(self.encoder, specs, classes=int(targets.max()) + 1)
        adam = _Adam.start(network.weights)
        step = _step(self.encoder, specs, self.learning_rate, network, adam)
        logits = _logits(self.encoder, specs, network)

        def train_epoch():
            nonlocal network, adam
            order = generator.permutation(train)
            # Equal parts, so that no batch normalization gets a single row.
            for rows in np.array_split(order, -(-len(order) // self.batch_size)):
                network, adam = step(network, adam, taken(x, rows), targets[rows])
            held = logits(network, taken(x, held_out))
            losses = _cross_entropy(targets[held_out], held)
            return float(tf.reduce_mean(losses))

        # Tensors do not change, so a network needs no copy.
        self._network = best_epoch(
            train_epoch, lambda: network, self.epochs, self.patience
        )

    def _logits(self, x):
        x = checked_views(self.encoder, x, "x")
        logits = _logits(self.encoder, tensor_specs(x), self._network)
        return logits(self._network, x)


class _Network(NamedTuple):
    """A copy of the encoder, as values of its variables, and a softmax layer."""

    trainable: list[tf.Tensor]
    others: list[tf.Tensor]
    kernel: tf.Tensor
    bias: tf.Tensor

    @property
    def weights(self) -> list[tf.Tensor]:
        """All trained weights."""
        return [*self.trainable, self.kernel, self.bias]

    def replaced(self, weights: list[tf.Tensor], others: list[tf.Tensor]) -> _Network:
        """The network with other weights."""
        *trainable, kernel, bias = weights
        return _Network(trainable, others, kernel, bias)


class _Adam(NamedTuple):
    """Adam (Kingma and Ba, 2015) on tensors.

    Keras's Adam keeps its state in variables, which a strategy would distribute.
    """

    means: list[tf.Tensor]
    squares: list[tf.Tensor]
    steps: tf.Tensor

    @classmethod
    def start(cls, weights: list[tf.Tensor]) -> _Adam:
        zeros = [tf.zeros_like(w) for w in weights]
        return cls(zeros, zeros, tf.constant(0.0))

    def step(
        self,
        weights: list[tf.Tensor],
        gradients: list[tf.Tensor],
        learning_rate: float,
    ) -> tuple[list[tf.Tensor], _Adam]:
        """The weights and the state after a step."""
        steps = self.steps + 1
        means = _averages(self.means, gradients, _MEAN_DECAY)
        squares = _averages(self.squares, [g * g for g in gradients], _SQUARE_DECAY)
        rate = learning_rate * tf.sqrt(1 - _SQUARE_DECAY**steps)
        rate /= 1 - _MEAN_DECAY**steps
        moved = [
            weight - tf.cast(rate, mean.dtype) * mean / (tf.sqrt(square) + _EPSILON)
            for weight, mean, square in zip(weights, means, squares, strict=True)
        ]
        return moved, _Adam(means, squares, steps)


def _averages(old: list, new: list, decay: float) -> list:
    return [decay * o + (1 - decay) * n for o, n in zip(old, new, strict=True)]


def _start(encoder: keras.Layer, specs: Any, classes: int) -> _Network:
    trainable, others = (
        [tf.constant(keras.ops.convert_to_numpy(variable)) for variable in variables]
        for variables in (encoder.trainable_variables, encoder.non_trainable_variables)
    )
    row = keras.tree.map_structure(
        lambda spec: keras.KerasTensor((1, *spec.shape[1:]), spec.dtype.name), specs
    )
    encodings = encoder.compute_output_spec(row)
    shape = keras.tree.map_structure(lambda found: found.shape, encodings)
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[0] != 1:
        raise ValueError(
            f"encoder must return encodings of shape (rows, dim); received {shape}. "
            "End it with a pooling or flattening layer."
        )
    return _Network(
        trainable, others, tf.zeros((shape[-1], classes)), tf.zeros(classes)
    )


def _forward(
    encoder: keras.Layer, network: _Network, views: Any, training: bool
) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
    """Logits, the new values of the encoder's other variables, and its own losses."""
    encodings, others, losses = encoder.stateless_call(
        network.trainable,
        network.others,
        views,
        training=training,
        return_losses=True,
    )
    encodings = tf.cast(encodings, "float32")
    return encodings @ network.kernel + network.bias, others, losses


def _cross_entropy(targets: Any, logits: Any) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)


def _step(
    encoder: keras.Layer,
    specs: Any,
    learning_rate: float,
    network: _Network,
    adam: _Adam,
) -> Callable:
    """A training step as one graph, for networks and states of these shapes."""

    def take_step(network, adam, views, targets):
        with tf.GradientTape() as tape:
            tape.watch(network.weights)
            logits, others, losses = _forward(encoder, network, views, training=True)
            loss = tf.reduce_mean(_cross_entropy(targets, logits))
            loss += sum(tf.cast(own, "float32") for own in losses)
        gradients = tape.gradient(loss, network.weights)
        if all(gradient is None for gradient in gradients[:-2]):
            raise ValueError(
                f"encoder must have trainable weights; received {encoder.name!r}, with "
                f"{len(network.trainable)} trainable variables, none of which affects "
                "its encodings. Set trainable=True, and give a Keras model rather than "
                "a loaded SavedModel."
            )
        gradients = [
            tf.zeros_like(weight)
            if gradient is None
            else tf.convert_to_tensor(gradient)
            for weight, gradient in zip(network.weights, gradients, strict=True)
        ]
        weights, adam = adam.step(network.weights, gradients, learning_rate)
        return network.replaced(weights, others), adam

    targets = tf.TensorSpec((None,), "int64")
    return _of_arrays(concrete(take_step, network, adam, specs, targets))


def _logits(encoder: keras.Layer, specs: Any, network: _Network) -> Callable:
    """Logits of rows in inference mode, for networks like this one."""

    def forward(network, views):
        return _forward(encoder, network, views, training=False)[0]

    graph = _of_arrays(concrete(forward, network, specs))

    def logits(network, views):
        blocks = (
            taken(views, slice(start, start + _ROWS_AT_ONCE))
            for start in range(0, rows_of(views), _ROWS_AT_ONCE)
        )
        return np.concatenate([graph(network, block).numpy() for block in blocks])

    return logits


def _of_arrays(graph: Callable) -> Callable:
    """Converts a function of tensors to a function of arrays."""
    return lambda *values: graph(*tf.nest.map_structure(tf.constant, values))
