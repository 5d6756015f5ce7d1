"""The model that trains encoders by the mutual information of their encodings."""

import keras
import tensorflow as tf
from keras import ops

from keras_infomax import (
    chunking,
    critics,
    distribution,
    inputs,
    losses,
    networks,
    replicas,
    structures,
)
from keras_infomax.base_model import BaseModel
from keras_infomax.memory import MemoryTerm
from keras_infomax.terms import Term

_SEED = "seed_state_"


@keras.saving.register_keras_serializable(package="keras_infomax")
class InfoMax(BaseModel):
    """Two encoders and a critic, trained to share information between two views.

    Used as any Keras model: `compile` with a loss of `kim.losses` or its name, then
    `fit` on a dataset whose elements are `((x, y),)`, one batch of each view, row i of
    x and row i of y being views of one example. The other rows are the negatives.

    Two encoders and one critic are the plain case of a family. In general a `network`
    makes any number of encodings from the views, and `terms` say which pairs of them
    are scored, by which critic, with which weight and negatives; see `terms.Term` and
    the functions of `methods`.

    Under a `tf.distribute` strategy, the negatives are the whole global batch and the
    weights after training are those of one device on the same global batch. Create
    and compile the model inside the strategy's scope.

    Args:
        encoder_x: Keras model or layer mapping the first view to `(rows, dim_x)`.
        encoder_y: The same for the second view, to `(rows, dim_y)`. Defaults to
            `encoder_x`, that is, to shared weights.
        critic: Layer called as `critic(x, y)`, or its name. Defaults to
            `BilinearCritic()`.
        network: Functional Keras model from the views to a dictionary of named
            encodings, instead of encoders and a critic.
        terms: The `Term`s of the network's encodings.
        representation: Name of the encoding that is probed, predicted and exported,
            as `encoder_x`. Its view is what it depends on. Defaults to the x of the
            first term.
        encoder_chunk_size: Largest number of rows that are encoded at a time, each
            chunk a second time in the backward pass, with the same dropout. Memory is
            then that of one chunk and the encodings, whatever the batch size. Defaults
            to `None`, all rows.
        **kwargs: Passed to `keras.Model`.

    Call arguments:
        views: Pair of views, each a tensor `(rows, ...)` or any structure of tensors
            that its encoder takes, of the dtypes that it declares; with a network,
            whatever it takes. Parts of dictionaries are told by their names, those of
            tuples and lists by their positions. One view alone scores nothing.
        training: Whether the encoders run in training mode.
        with_partners: Whether to return a pair of dictionaries by term, partners and
            scores, as losses take them.

    Returns:
        Scores `(rows, rows)`, a dictionary of them by term if there are several.
        `predict` takes the same views, and returns the encodings of the first,
        `(rows, dim_x)`, with a network the representation; it takes the view that it
        encodes alone, too.

    The history has `"loss"`, with the layers' own losses, and `"mi"`, the estimate in
    nats, with their `"val_"` twins; both are means over rows. With several terms `"mi"`
    is their weighted sum, and `"mi_<term>"` tells each. An estimate of InfoNCE
    depends on the batch size, so evaluate with the batch size of training.

    `fit` stops with an error when the loss or a weight is no longer finite, as
    `callbacks.StopOnNonFinite` does.

    Raises:
        ValueError: If the critic cannot match the encodings, and in `fit` and
            `evaluate` if the data are not pairs of views of equal length, as the
            encoders take them.

    Example:
    >>> import keras_infomax as kim
    >>> top, bottom = ops.ones((256, 14, 28, 1)), ops.ones((256, 14, 28, 1))
    >>> model = kim.InfoMax(kim.encoders.mlp((14, 28, 1)), critic="separable")
    >>> model.compile(optimizer="adam", loss=kim.losses.InfoNCE())
    >>> history = model.fit((top, bottom), batch_size=128, verbose=0)
    >>> sorted(history.history)
    ['loss', 'mi']

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for Representation
        Learning", equation 2, https://arxiv.org/abs/1907.13625.
    """

    def __init__(
        self,
        encoder_x=None,
        encoder_y=None,
        critic=None,
        network=None,
        terms=None,
        representation=None,
        encoder_chunk_size=None,
        **kwargs,
    ):
        # The encoders know best in which precision they take their views.
        super().__init__(autocast=False, **kwargs)
        self.encoder_chunk_size = chunking.checked_size(
            "encoder_chunk_size", encoder_chunk_size
        )
        self.network = network
        if network is None:
            if encoder_x is None or terms is not None:
                raise ValueError(
                    "InfoMax takes an encoder for each view and a critic, or a network "
                    "and its terms; received "
                    + ("neither." if encoder_x is None else "an encoder and terms.")
                )
            encoder_y = encoder_x if encoder_y is None else encoder_y
            self.encoder_x = networks.checked_encoder("encoder_x", encoder_x)
            self.encoder_y = networks.checked_encoder("encoder_y", encoder_y)
            self.critic = critics.get("bilinear" if critic is None else critic)
            self.terms = [Term("x", "y", self.critic, name="mi")]
        else:
            if not (encoder_x is encoder_y is critic is None) or not terms:
                raise ValueError(
                    "InfoMax with a network takes at least one term, which holds its "
                    "own critic, and neither encoder_x, encoder_y nor critic."
                )
            self.terms = list(terms)
            self.representation = representation or self.terms[0].x
            self.encoder_x = networks.encoder_of(network, self.representation)
        self.mi_tracker = keras.metrics.Mean(name="mi")
        self.term_trackers = [
            keras.metrics.Mean(name=f"mi_{term.name}")
            for term in (self.terms if len(self.terms) > 1 else ())
        ]
        self._first_views = None
        _check_unique([term.name for term in self.terms])
        shapes = self._encoding_shapes()
        if None not in shapes.values():
            # Built now, a model can be saved, restored and distributed before its
            # first batch; encoders that do not know their shape defer it to that.
            if network is None:
                critics.ensure_built(self.critic, shapes["x"], shapes["y"])
            for term in self.terms:
                if not term.built:
                    term.build(shapes)
            self.built = True

    @property
    def takes_index(self):
        """Whether the number of each example follows its views, for a memory bank."""
        return any(isinstance(term, MemoryTerm) for term in self.terms)

    def encode(self, views, training=None):
        """Encodings of a batch of views.

        Args:
            views: Pair of views, or with a network whatever it takes, as in a call.
            training: Whether the encoders run in training mode.

        Returns:
            Dictionary of names and encodings; without a network `"x"` and `"y"`.

        Raises:
            ValueError: If the views are not what the encoders take.
        """
        views = self._checked(views)
        if self.network is not None:
            return self._encode(self.network, views, training)
        encodings = {}
        for name, view in zip("xy", views, strict=True):
            encoder = getattr(self, f"encoder_{name}")
            was_built = encoder.built
            encodings[name] = self._encode(encoder, view, training)
            if not was_built:
                # It may know only now what it takes.
                inputs.checked_view(f"View {name}", encoder, view)
            networks.check_encodings(f"encoder_{name}", encodings[name])
        return encodings

    def _checked(self, views):
        if self.network is not None:
            return inputs.checked_inputs(self.network, views)
        return inputs.checked_pair(views, self.encoder_x, self.encoder_y)

    def __call__(self, views, *args, **kwargs):
        # Here, or Keras would wrap the one line that says what is wrong into many.
        views = self._checked(views)
        if not self.built:
            self._first_views = structures.to_config(views)
        return super().__call__(views, *args, **kwargs)

    def get_build_config(self):
        # Of encoders that are built by their first batch; Keras knows no dtypes.
        return self._first_views or super().get_build_config()

    def build_from_config(self, config):
        if "tensors" not in config:
            return super().build_from_config(config)
        return self(structures.from_config(config))

    def call(self, views, training=None, with_partners=False):
        encodings = self.encode(views, training)
        pairs = {term.name: term(encodings, training=training) for term in self.terms}
        partners = {name: pair[0] for name, pair in pairs.items()}
        scores = {name: pair[1] for name, pair in pairs.items()}
        return (partners, scores) if with_partners else self._of_one_or_all(scores)

    def compile(self, optimizer="rmsprop", loss=None, *args, **kwargs):
        """As `BaseModel.compile`; a loss may also be named, such as `"infonce"`.

        Args:
            optimizer: Optimizer, or its name.
            loss: Loss on partners and scores, or its name, ours or one of Keras.
            *args: As for `keras.Model.compile`.
            **kwargs: As for `BaseModel.compile`.

        Raises:
            ValueError: If the name is unknown; the message suggests the nearest one.
        """
        if isinstance(loss, str) and not _knows_loss(loss):
            loss = losses.get(loss)
        super().compile(optimizer, loss, *args, **kwargs)

    def fit(self, x=None, *args, validation_data=None, **kwargs):
        return super().fit(
            inputs.texts_as_tensors(x),
            *args,
            validation_data=inputs.texts_as_tensors(validation_data),
            **kwargs,
        )

    def evaluate(self, x=None, *args, **kwargs):
        return super().evaluate(inputs.texts_as_tensors(x), *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Encodings of the first view, with a network those of the representation.

        Args:
            x: All views, in the structure in which `fit` takes them, or the one that
                is encoded by itself.
            *args: As for `keras.Model.predict`.
            **kwargs: As for `keras.Model.predict`.

        Returns:
            Array of shape `(rows, dim)`.

        Raises:
            ValueError: If it is neither, or of another dtype or shape.
        """
        return super().predict(inputs.texts_as_tensors(x), *args, **kwargs)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras builds from a batch that it averages over replicas, which fails where
        # that does not divide evenly. A model of built encoders is built already.
        if not self.built:
            return super()._maybe_symbolic_build(iterator, data_batch)
        with self.distribute_strategy.scope():
            if self.optimizer is not None and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)

    def train_step(self, data):
        views = inputs.unpack(data)
        with tf.GradientTape() as tape, replicas.collecting_losses(self):
            partners, scores = self._score(views, training=True)
            loss = self.compute_loss(y=partners, y_pred=scores, training=True)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, self.trainable_variables)
        # Otherwise a variable may be updated before a slow branch of the loss, such as
        # a discriminator that no other gradient waits for, has read it.
        with tf.control_dependencies([loss]):
            gradients = [None if g is None else tf.identity(g) for g in gradients]
        gradients = replicas.summed_and_clipped(gradients, self.optimizer)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        return self._report(loss, partners, scores)

    def test_step(self, data):
        with replicas.collecting_losses(self):
            partners, scores = self._score(inputs.unpack(data), training=False)
            loss = self.compute_loss(y=partners, y_pred=scores, training=False)
        return self._report(loss, partners, scores)

    def predict_step(self, data):
        views, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        view = inputs.checked_view(
            "View x" if self.network is None else f"The view of {self.representation}",
            self.encoder_x,
            self._view_to_encode(views),
        )
        return self.encoder_x(view, training=False)

    def _view_to_encode(self, views):
        one = structures.of(self.encoder_x)
        if self.network is None:
            every = (one, structures.of(self.encoder_y))
            return inputs.view_to_encode(every, one, lambda pair: pair[0], views)
        return inputs.view_to_encode(
            structures.of(self.network),
            one,
            lambda every: networks.view_from(self.network, self.encoder_x, every),
            views,
        )

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Weighted losses of the terms, and those of the layers.

        Divided by the number of replicas, as in Keras.

        Args:
            x: Unused.
            y: Partners, `(rows,)` or `(rows, positives)`, a dictionary of them by term
                if there are several.
            y_pred: Scores `(rows, columns)`, in the same way.
            sample_weight: Unused.
            training: Unused.

        Returns:
            Scalar tensor.

        Raises:
            ValueError: If the model was compiled without a loss, or several replicas
                cannot tell the loss of the whole batch from those of its parts.
        """
        if self.loss is None:
            raise ValueError(
                "InfoMax must be compiled with a loss; received loss=None. Use "
                "compile(optimizer, loss=keras_infomax.losses.InfoNCE())."
            )
        partners, scores = self._by_term(y), self._by_term(y_pred)
        loss = sum(
            term.weight * self._loss_of(partners[term.name], scores[term.name])
            for term in self.terms
        )
        rows = ops.shape(scores[self.terms[0].name])[0]
        for layer_loss in replicas.layer_losses(self, rows):
            loss += ops.sum(ops.cast(layer_loss, loss.dtype))
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Updates the compiled metrics with partners and scores; returns all results.

        Any metric of sparse labels and logits applies: `"sparse_categorical_accuracy"`
        is the fraction of rows whose partner has the highest score. A model of several
        terms takes a dictionary of metrics by term.

        Args:
            x: Unused.
            y: Partners `(rows,)`, a dictionary of them by term if there are several.
            y_pred: Scores `(rows, columns)`, in the same way.
            sample_weight: Unused.

        Returns:
            Dictionary of metric names and values.
        """
        partners, scores = self._by_term(y), self._by_term(y_pred)
        return super().compute_metrics(
            x, self._of_one_or_all(partners), self._of_one_or_all(scores)
        )

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        config = {
            **super().get_config(),
            "encoder_chunk_size": self.encoder_chunk_size,
        }
        if self.network is not None:
            return {
                **config,
                "network": serialize(self.network),
                "terms": [serialize(term) for term in self.terms],
                "representation": self.representation,
            }
        shared = self.encoder_y is self.encoder_x
        return {
            **config,
            "encoder_x": serialize(self.encoder_x),
            "encoder_y": None if shared else serialize(self.encoder_y),
            "critic": serialize(self.critic),
        }

    @classmethod
    def from_config(cls, config):
        parts = {
            name: keras.saving.deserialize_keras_object(value)
            for name, value in config.items()
            if isinstance(value, (dict, list))
        }
        return cls(**{**config, **parts})

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for index, state in enumerate(self._seed_states()):
            store[f"{_SEED}{index}"] = keras.ops.convert_to_numpy(state)

    def load_own_variables(self, store):
        seeds = {key for key in store.keys() if key.startswith(_SEED)}
        super().load_own_variables({key: store[key] for key in store.keys() - seeds})
        for index, state in enumerate(self._seed_states()):
            if f"{_SEED}{index}" in seeds:
                state.assign(store[f"{_SEED}{index}"])

    def _seed_states(self):
        """States of the random layers, which Keras does not save with the weights.

        Without them dropout would start over, and a resumed run would not end as an
        uninterrupted one.
        """
        saved = {id(v) for v in [*self.weights, *self.metrics_variables]}
        return [v for v in self.variables if id(v) not in saved]

    def _encoding_shapes(self):
        """Shapes of the encodings, `None` while an encoder does not know its own."""
        if self.network is not None:
            return {name: value.shape for name, value in self.network.output.items()}
        return {
            "x": networks.encoding_shape(self.encoder_x),
            "y": networks.encoding_shape(self.encoder_y),
        }

    def _encode(self, encoder, views, training):
        size = self.encoder_chunk_size
        if size is None or not encoder.built:
            return encoder(views, training=training)
        return chunking.encode(encoder, views, training, size)

    def _score(self, views, training):
        """Partners and scores of every term, as dictionaries."""
        # As one call, or a shared encoder's second would drop the losses of its first.
        return self(views, training=training, with_partners=True)

    def _by_term(self, values):
        return values if isinstance(values, dict) else {self.terms[0].name: values}

    def _of_one_or_all(self, by_term):
        return by_term if len(self.terms) > 1 else by_term[self.terms[0].name]

    def _loss_of(self, partners, scores):
        loss = keras.losses.get(self.loss)
        if isinstance(loss, losses.ScoreLoss):
            return loss(partners, scores)
        return replicas.loss_of_rows(loss, partners, scores)

    def _report(self, loss, partners, scores):
        loss = distribution.total(loss)
        # Any scores bound mutual information by InfoNCE, whatever they are trained by.
        scored = isinstance(self.loss, losses.ScoreLoss)
        estimator = self.loss if scored else losses.InfoNCE()
        estimates = [
            estimator.estimate(partners[term.name], scores[term.name])
            for term in self.terms
        ]
        rows = ops.shape(scores[self.terms[0].name])[0]
        for tracker, estimate in zip(self.term_trackers, estimates, strict=False):
            tracker.update_state(estimate, sample_weight=rows)
        mi = sum(t.weight * e for t, e in zip(self.terms, estimates, strict=True))
        self.mi_tracker.update_state(mi, sample_weight=rows)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=rows)
        return self.compute_metrics(None, partners, scores)


def _knows_loss(name):
    try:
        keras.losses.get(name)
    except ValueError:
        return False
    return True


def _check_unique(names):
    if len(set(names)) < len(names):
        raise ValueError(
            f"Each term must have a name of its own; received {', '.join(names)}."
        )
