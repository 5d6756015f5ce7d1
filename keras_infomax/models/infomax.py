"""The model that trains encoders to raise the mutual information of encodings."""

import contextlib
import math
import warnings

import keras
from keras import ops

from keras_infomax import checks, critics, losses, structures
from keras_infomax.execution import chunking, replica_losses
from keras_infomax.models import (
    compile_arguments,
    fit_arguments,
    inputs,
    momentum,
    networks,
    sharing,
)
from keras_infomax.models.base import BaseModel
from keras_infomax.models.steps import PairSteps
from keras_infomax.models.terms import Term, checked_terms

_SEED = "seed_state_"


@keras.saving.register_keras_serializable(package="keras_infomax")
class InfoMax(PairSteps, BaseModel):
    """Two encoders and a critic, trained to share information between two views.

    Used like any Keras model: `compile` with a loss of `kim.losses` or its name, then
    `fit` on a dataset with elements `((x, y),)`. Row i of x and row i of y are views of
    one example. The other rows of the batch are the negatives.

    Two encoders and one critic are the simplest case. In general, a `network` maps the
    views to any number of encodings, and `terms` say which pairs of them are scored, by
    which critic, with which weight and negatives. See `terms.Term` and `methods`.

    Under a `tf.distribute` strategy, the negatives are the whole global batch, and the
    weights after training equal those of one device on the same global batch. Create
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
        representation: Name of the encoding that is probed, predicted and exported as
            `encoder_x`. Its view is the input that it depends on. Defaults to the x of
            the first term.
        encoder_chunk_size: Largest number of rows that are encoded at a time. The
            backward pass encodes each chunk again, with the same dropout. The memory
            needed is then that of one chunk and of the encodings, whatever the batch
            size. Defaults to `None`, all rows.
        **kwargs: Passed to `keras.Model`.

    Call arguments:
        views: Pair of views, each a tensor `(rows, ...)` or any structure of tensors
            that its encoder takes, with the encoder's dtypes; with a network, its
            inputs. Parts of dictionaries are matched by name, parts of tuples and lists
            by position. A single view cannot be scored.
        training: Whether the encoders run in training mode.
        with_partners: Whether to return partners and scores, two dictionaries by term,
            for losses on scores.
        as_pairs: Whether to return the encodings x and y of all replicas, two
            dictionaries by term, for losses on encodings.

    Returns:
        Scores `(rows, rows)`; with several terms, a dictionary of scores by term.
        `predict` takes the same views, or only the one that it encodes. It returns the
        encodings of the first view, `(rows, dim_x)`, or the representation of a
        network.

    The history has `"loss"`, which includes the layers' own losses, and `"mi"`, the
    estimate in nats. Both are means over rows, and have `"val_"` counterparts. With
    several terms, `"mi"` is their weighted sum, and `"mi_<term>"` is the estimate of
    one term. An InfoNCE estimate depends on the batch size, so evaluate with the batch
    size of training. A loss on encodings, such as `losses.VICReg`, scores no pairs: the
    critic is not trained, and there is no `"mi"`. There is none with `losses.SupCon`
    either, whose true pairs are given by labels.

    `fit` stops with an error when the loss or a weight is no longer finite, as
    `callbacks.StopOnNonFinite` does.

    Pairs may have weights: the `sample_weight` of `fit`, `evaluate` and `*_on_batch`,
    or the last part of elements `((x, y), None, weights)`. A weight applies to a pair
    in the mean over rows; its views remain negatives of the other pairs at full weight.
    As in Keras, the loss is the sum of the weighted losses of rows divided by the
    number of rows; `"mi"` is the weighted mean, in nats.

    A batch needs two rows. If the last batch would have one row, as with 129 rows and a
    `batch_size` of 64, that row is left out with a warning. This applies to arrays,
    validation data, and a `keras.utils.PyDataset`. Batch a `tf.data.Dataset` with
    `drop_remainder=True`.

    Raises:
        ValueError: If the critic does not fit the encodings. In `fit` and `evaluate`,
            if the data are not pairs of views of equal length that the encoders take,
            if they have targets or classes, or if an option would have no effect.

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
        # No autocast: each encoder casts its views to its own precision.
        super().__init__(autocast=False, **kwargs)
        self.encoder_chunk_size = encoder_chunk_size
        self.network = network
        self._encoding: networks.Network
        if network is None:
            if encoder_x is None or terms is not None:
                raise ValueError(
                    "InfoMax takes an encoder for each view and a critic, or a network "
                    "and its terms; received "
                    + ("neither." if encoder_x is None else "an encoder and terms.")
                )
            encoder_y = encoder_x if encoder_y is None else encoder_y
            self._encoding = networks.TwoEncoders(encoder_x, encoder_y)
            self.encoder_x, self.encoder_y = encoder_x, encoder_y
            self.critic = critics.get("bilinear" if critic is None else critic)
            self.terms = [Term("x", "y", self.critic, name="mi")]
        else:
            if not (encoder_x is encoder_y is critic is None) or not terms:
                raise ValueError(
                    "InfoMax with a network takes at least one term, which holds its "
                    "own critic, and neither encoder_x, encoder_y nor critic."
                )
            self.terms = checked_terms(terms)
            self.representation = representation or self.terms[0].x
            named = networks.OneNetwork(network, self.representation)
            self._encoding, self.encoder_x = named, named.encoder
        self._loss_weights = dict.fromkeys((term.name for term in self.terms), 1.0)
        self._auto_scale_loss = True
        self._measured_by_keras = []
        self.mi_tracker = keras.metrics.Mean(name="mi")
        self.term_trackers = [
            keras.metrics.Mean(name=f"mi_{term.name}")
            for term in (self.terms if len(self.terms) > 1 else ())
        ]
        self._first_views = None
        self._is_scoring = False
        _check_unique([term.name for term in self.terms])
        shapes = self._encoding.shapes()
        if None not in shapes.values():
            # A model that is built can be saved, restored and distributed before its
            # first batch; encoders that do not know their shape defer it to that.
            self._build_terms(shapes)
            self.built = True

    @property
    def encoder_chunk_size(self):
        """Largest number of rows that are encoded at a time, `None` for all."""
        return self._encoder_chunk_size

    @encoder_chunk_size.setter
    def encoder_chunk_size(self, size):
        self._encoder_chunk_size = checks.positive_integer(
            "encoder_chunk_size", size, 1024, optional=True
        )

    @property
    def scores_pairs(self):
        """Whether the loss is one on scores, which can estimate mutual information."""
        return not isinstance(self.loss, losses.EncodingLoss)

    @property
    def estimates_mi(self):
        """Whether `"mi"` is reported: for scores, unless the loss opts out."""
        return self.scores_pairs and getattr(self.loss, "estimates_mi", True)

    @property
    def trainable_variables(self):
        every = super().trainable_variables
        if not self.compiled or self.scores_pairs:
            return every
        # A critic that is not called gets no gradients, except in parts that encoders
        # share.
        of_critics = {id(v) for term in self.terms for v in term.critic.variables}
        used = {id(v) for layer in self._encoding.layers for v in layer.variables}
        return [v for v in every if id(v) in used or id(v) not in of_critics]

    # A step on PyTorch uses this instead.
    trainable_weights = trainable_variables

    @property
    def metrics(self):
        every = super().metrics
        if self.estimates_mi:
            return every
        estimates = {id(metric) for metric in (self.mi_tracker, *self.term_trackers)}
        return [metric for metric in every if id(metric) not in estimates]

    @property
    def projection_head(self):
        """What maps the representation to what is scored, `None` if nothing does.

        Of a network it is the part from the representation to an output that is called
        `"projection"`, `"projection_a"` or `"query_a"`; of encoders and a critic it is
        the projection of a `critics.ProjectedCritic`.
        """
        if self.network is not None:
            return networks.head_of(self.network, self.representation)
        is_projected = isinstance(self.critic, critics.ProjectedCritic)
        return self.critic.projection if is_projected else None

    def ceiling(self, rows):
        """The largest `"mi"` that a batch can have, in nats.

        Args:
            rows: Number of rows of the global batch.

        Returns:
            Number; infinite if the estimate has no ceiling, there is no loss on scores,
            or the columns are not the rows of the batch.
        """
        columns = [term.columns(rows) for term in self.terms]
        if self.loss is None or not self.estimates_mi or None in columns:
            return math.inf
        return sum(
            term.weight * self._estimator.ceiling(count)
            for term, count in zip(self.terms, columns, strict=True)
        )

    @property
    def takes_index(self):
        """Whether the number of each example comes after its views, for a memory."""
        return any(term.index for term in self.terms)

    @property
    def takes_labels(self):
        """Whether the class of each example comes after its views and its number."""
        return any(term.labels for term in self.terms)

    def encode(self, views, training=None):
        """Encodings of a batch of views.

        Args:
            views: Pair of views, or the inputs of a network, as in a call.
            training: Whether the encoders run in training mode.

        Returns:
            Dictionary of encodings by name; without a network, `"x"` and `"y"`.

        Raises:
            ValueError: If the encoders do not take the views.
        """

        def run(encoder, view):
            size = self.encoder_chunk_size
            if size is None or not encoder.built:
                return encoder(view, training=training)
            return chunking.encode(encoder, view, training, size)

        return self._encoding.encode(self._encoding.checked(views), run)

    def __call__(self, views, *args, **kwargs):
        # Checked here, since Keras would wrap the message in many lines.
        views = self._encoding.checked(views)
        if not self.built:
            self._first_views = structures.to_config(views)
        return super().__call__(views, *args, **kwargs)

    def get_build_config(self):
        # For encoders that their first batch builds; Keras does not store dtypes.
        return self._first_views or super().get_build_config()

    def build_from_config(self, config):
        # None for encoders with a known input, as in Keras.
        if not config or "tensors" not in config:
            return super().build_from_config(config)
        return self(structures.from_config(config))

    def call(self, views, training=None, with_partners=False, as_pairs=False):
        if self._is_scoring:
            with_partners, as_pairs = self.scores_pairs, not self.scores_pairs
        encodings = self.encode(views, training)
        if as_pairs:
            # The critic is not called, but it is saved, so it must be built.
            self._build_terms({n: tuple(e.shape) for n, e in encodings.items()})
            pairs = {term.name: term.pair(encodings) for term in self.terms}
            return tuple({n: pair[i] for n, pair in pairs.items()} for i in (0, 1))
        pairs = {term.name: term(encodings, training=training) for term in self.terms}
        partners = {name: pair[0] for name, pair in pairs.items()}
        scores = {name: pair[1] for name, pair in pairs.items()}
        return (partners, scores) if with_partners else self._of_one_or_all(scores)

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution="auto",
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """As `BaseModel.compile`, for losses and metrics of partners and scores.

        Scores are logits. The losses and metrics of Keras for sparse classes apply, and
        their names mean the versions for logits here. `"accuracy"` is the fraction of
        rows whose partner has the highest score.

        Args:
            optimizer: Optimizer, or its name.
            loss: Loss on partners and scores, or its name, ours or one of Keras, such
                as `"infonce"` or `"sparse_categorical_crossentropy"`.
            loss_weights: Number that multiplies the loss, or a dictionary of numbers by
                name of a term that multiply the terms' weights, or a list with one
                number for each term. The losses of layers and `"mi"` do not change.
            metrics: List of metrics or their names; for a model of several terms, a
                dictionary of lists by term, or a list with one for each term. A loss of
                `kim.losses` becomes a `losses.LossMetric`, a mean over rows.
            weighted_metrics: The same, weighted by `sample_weight`.
            run_eagerly: Whether steps run in eager mode.
            steps_per_execution: As for `BaseModel.compile`.
            jit_compile: As for `BaseModel.compile`.
            auto_scale_loss: Whether the loss is scaled under the policy
                `"mixed_float16"`.

        Raises:
            ValueError: If a name is unknown, a loss or metric of Keras does not take
                partners and logits, or a number is not finite.
        """
        names = [term.name for term in self.terms]
        loss = compile_arguments.checked_loss(loss)
        by_term = compile_arguments.checked_loss_weights(loss_weights, names)
        metrics, weighted_metrics = (
            compile_arguments.checked_metrics(argument, given, names)
            for argument, given in (
                ("metrics", metrics),
                ("weighted_metrics", weighted_metrics),
            )
        )
        if isinstance(loss, losses.EncodingLoss):
            compile_arguments.check_none_of_scores(loss, metrics, weighted_metrics)
        compile_arguments.check_densities(loss, self.terms)
        compile_arguments.check_state(loss, names)
        checks.boolean("run_eagerly", run_eagerly)
        checks.boolean("auto_scale_loss", auto_scale_loss)
        checks.one_of("jit_compile", jit_compile, (True, False, "auto", None))
        super().compile(
            optimizer,
            loss,
            loss_weights=None if loss_weights is None else by_term,
            metrics=self._of_one_or_all(metrics),
            weighted_metrics=self._of_one_or_all(weighted_metrics),
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
        )
        self._loss_weights, self._auto_scale_loss = by_term, auto_scale_loss
        measured = [by_term for by_term in (metrics, weighted_metrics) if by_term]
        if measured:
            self._measured_by_keras = [
                name
                for by_term in measured
                for name, of_term in by_term.items()
                if any(map(compile_arguments.is_of_keras, of_term))
            ]

    def compile_from_config(self, config):
        try:
            super().compile_from_config(config)
        except ValueError as error:
            # Earlier versions accepted it, and the encoders can still be used.
            warnings.warn(
                f"The model is loaded, but not compiled. {error}",
                stacklevel=2,
            )

    def get_compile_config(self):
        config = super().get_compile_config()
        scaled = {"auto_scale_loss": self._auto_scale_loss}
        return {**config, **scaled} if config else config

    def checked_arguments(self, method, given):
        if method == "fit":
            self._check_optimizer()
        return fit_arguments.checked(method, given, self._fewest_rows)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Encodings of the first view, or the representation of a network.

        Args:
            x: All views in the structure that `fit` takes, or only the view that is
                encoded.
            batch_size: As for `keras.Model.predict`.
            verbose: As for `keras.Model.predict`.
            steps: As for `keras.Model.predict`.
            callbacks: As for `keras.Model.predict`.

        Returns:
            Array of shape `(rows, dim)`.

        Raises:
            ValueError: If `x` is neither, or has another dtype or shape.
        """
        return super().predict(x, batch_size, verbose, steps, callbacks)

    def export(self, filepath, *args, input_signature=None, **kwargs):
        """As `keras.Model.export`, for the scores of pairs of views.

        To export the encoder, use `keras_infomax.saved_model.export`.

        Args:
            filepath: Path to write to.
            *args: As for `keras.Model.export`.
            input_signature: Signature of the views, which must be given.
            **kwargs: As for `keras.Model.export`.

        Raises:
            ValueError: If `input_signature` is missing.
        """
        if input_signature is None:
            raise ValueError(
                "An InfoMax model is exported as its encoder: type "
                "keras_infomax.saved_model.export(model.encoder_x, "
                f"{str(filepath)!r}). To export the scores of pairs, give the "
                "input_signature of the views."
            )
        return super().export(
            filepath, *args, input_signature=input_signature, **kwargs
        )

    def unpacked(self, data):
        """An element of a dataset, in the form of Keras's steps.

        Args:
            data: Element of a dataset.

        Returns:
            Views, `None` for targets, and weights or `None`.

        Raises:
            ValueError: If it holds targets or invalid weights.
        """
        views, weights = inputs.unpack(data)
        return views, None, inputs.checked_weights(weights, views)

    @contextlib.contextmanager
    def scoring(self):
        """Makes a call return the loss's two arguments, as dictionaries by term."""
        # One call, since a second call of a shared encoder would drop the first's
        # losses.
        self._is_scoring = True
        try:
            yield
        finally:
            self._is_scoring = False

    def representation_of(self, views):
        """Encodings by the representation's encoder, in inference mode.

        Args:
            views: As for `predict`.
        """
        return self.encoder_x(self._encoding.view_to_encode(views), training=False)

    def end_step(self):
        """Updates momentum encoders after a training step has changed the weights."""
        momentum.follow(self)

    def check_trainable(self):
        """Raises if there is nothing to train.

        Raises:
            ValueError: If there is no optimizer, or no weight is trainable.
        """
        self._check_optimizer()
        if not self.trainable_variables:
            raise ValueError(
                "There is nothing to train: no weight of the encoders and critics is "
                "trainable. Set encoder_x.trainable = True, or use a critic that has "
                "weights, and compile again."
            )

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Weighted losses of the terms plus the losses of the layers.

        Divided by the number of replicas, as in Keras.

        Args:
            x: Views, whose rows are this replica's.
            y: First argument of the loss: partners, `(rows,)` or `(rows, positives)`,
                or encodings `(rows, dim)`; with several terms, a dictionary by term.
                `None` if `y_pred` is the pair of both that a call returns within
                `scoring`.
            y_pred: Second argument of the loss: scores `(rows, columns)` or encodings,
                in the same form.
            sample_weight: Weights of the examples, `(examples,)`, or `None`.
            training: Unused.

        Returns:
            Scalar tensor.

        Raises:
            ValueError: If the model was compiled without a loss, the loss takes no
                weights, or several replicas cannot compute the loss of the whole batch
                from its parts.
        """
        if self.loss is None:
            raise ValueError(
                "InfoMax must be compiled with a loss; received loss=None. Use "
                "compile(optimizer, loss=keras_infomax.losses.InfoNCE())."
            )
        targets, outputs = self._by_terms(y, y_pred)
        with losses.in_step(training):
            loss = sum(
                self._loss_weights[term.name]
                * term.weight
                * self._loss_of(targets[term.name], outputs[term.name], sample_weight)
                for term in self.terms
            )
        rows = _rows(outputs[self.terms[0].name] if x is None else x)
        for layer_loss in replica_losses.layer_losses(self, rows):
            loss += ops.sum(ops.cast(layer_loss, loss.dtype))
        # Here, since a step on JAX has no state of a loss in `compute_metrics`.
        if self._is_scoring:
            self.update_estimates(y_pred, sample_weight)
        return loss

    def _by_terms(self, targets, outputs):
        """First and second arguments of the loss, two dictionaries by term."""
        if targets is None and isinstance(outputs, tuple):  # Made within `scoring`.
            targets, outputs = outputs
        outputs = self._by_term(outputs)
        if targets is not None:
            return self._by_term(targets), outputs
        # When Keras builds a model from a batch, it has no targets.
        if not self.scores_pairs:
            return outputs, outputs
        rows = {n: ops.arange(_rows(of), dtype="int32") for n, of in outputs.items()}
        return rows, outputs

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Updates the compiled metrics with the loss's arguments; returns all results.

        Any metric of sparse labels and logits applies to scores; see `compile`.

        Args:
            x: Unused.
            y: Partners `(rows,)` or encodings `(rows, dim)`; with several terms, a
                dictionary by term. `None` as for `compute_loss`.
            y_pred: Scores `(rows, columns)` or encodings, in the same form.
            sample_weight: Weights of the examples, `(examples,)`, for
                `weighted_metrics`; or `None`.

        Returns:
            Dictionary of the values of all metrics by name.

        Raises:
            ValueError: If a metric of Keras receives rows with several partners.
        """
        targets, outputs = self._by_terms(y, y_pred)
        weights = None
        if sample_weight is not None:
            weights = {name: _of_rows(sample_weight, o) for name, o in outputs.items()}
        for name in self._measured_by_keras:
            _check_one_partner("Metrics", targets[name])
        return super().compute_metrics(
            x,
            self._of_one_or_all(targets),
            self._of_one_or_all(outputs),
            self._of_one_or_all(weights),
        )

    def get_config(self):
        config = {
            **super().get_config(),
            "encoder_chunk_size": self.encoder_chunk_size,
        }
        if self.network is not None:
            parts = {"network": self.network, "terms": self.terms}
            config["representation"] = self.representation
        else:
            shared = self.encoder_y is self.encoder_x
            parts = {
                "encoder_x": self.encoder_x,
                "encoder_y": None if shared else self.encoder_y,
                "critic": self.critic,
            }
        return {**config, **sharing.serialize(parts)}

    @classmethod
    def from_config(cls, config):
        return cls(**sharing.deserialize(config))

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

        Without them dropout would start over, and a resumed run would differ from an
        uninterrupted one.
        """
        saved = {id(v) for v in [*self.weights, *self.metrics_variables]}
        return [v for v in self.variables if id(v) not in saved]

    def _build_terms(self, shapes):
        for term in self.terms:
            if not term.built:
                term.build(shapes)

    def _by_term(self, values):
        return values if isinstance(values, dict) else {self.terms[0].name: values}

    def _of_one_or_all(self, by_term):
        if by_term is None or len(self.terms) > 1:
            return by_term
        return by_term[self.terms[0].name]

    def _loss_of(self, targets, outputs, weights):
        if not self.scores_pairs:
            return self.loss(targets, outputs, sample_weight=weights)
        weights = _of_rows(weights, outputs)
        if isinstance(self.loss, losses.ScoreLoss):
            return self.loss(targets, outputs, sample_weight=weights)
        if compile_arguments.is_of_keras(self.loss):
            _check_one_partner("A loss", targets)
        return replica_losses.loss_of_rows(self.loss, targets, outputs, weights)

    @property
    def _fewest_rows(self):
        return max(term.fewest_rows for term in self.terms)

    def _check_optimizer(self):
        if self.optimizer is None:
            raise ValueError(
                "InfoMax must be compiled with an optimizer to be trained; received "
                "optimizer=None. Use compile('adam', loss='infonce')."
            )

    @property
    def _estimator(self):
        """The loss whose estimate is reported as `"mi"`."""
        # InfoNCE is a bound for any scores, whatever loss trains them.
        return (
            self.loss if isinstance(self.loss, losses.ScoreLoss) else losses.InfoNCE()
        )

    def update_estimates(self, outputs, weights=None):
        """Updates `"mi"` and `"mi_<term>"`, if the loss estimates them.

        Args:
            outputs: Partners and scores, as a call returns them within `scoring`.
            weights: Weights of the examples, `(examples,)`, or `None`.
        """
        if not self.estimates_mi:
            return
        partners, scores = outputs
        estimator = self._estimator
        estimates = [
            estimator.estimate(
                partners[term.name],
                ops.cast(scores[term.name], estimator.dtype),
                **estimator.weighted(
                    estimator.estimate, _of_rows(weights, scores[term.name])
                ),
            )
            for term in self.terms
        ]
        first = scores[self.terms[0].name]
        counted = _rows(first) if weights is None else ops.sum(_of_rows(weights, first))
        for tracker, estimate in zip(self.term_trackers, estimates, strict=False):
            tracker.update_state(estimate, sample_weight=counted)
        mi = sum(t.weight * e for t, e in zip(self.terms, estimates, strict=True))
        self.mi_tracker.update_state(mi, sample_weight=counted)


def _rows(structure):
    """Number of rows of a structure of tensors, taken from the first."""
    return ops.shape(keras.tree.flatten(structure)[0])[0]


def _of_rows(weights, scores):
    """Repeats the weights of examples for their rows; each location is a row."""
    if weights is None or weights.shape[0] == scores.shape[0] is not None:
        return weights
    examples = ops.maximum(ops.shape(weights)[0], 1)
    return ops.repeat(weights, ops.shape(scores)[0] // examples)


def _check_one_partner(what, partners):
    if len(partners.shape) > 1:
        raise ValueError(
            f"{what} of Keras must have one partner for each row; received partners of "
            f"shape {tuple(partners.shape)}. Use a loss of keras_infomax.losses, your "
            "own function, or encodings without locations."
        )


def _check_unique(names):
    if len(set(names)) < len(names):
        raise ValueError(
            f"Each term must have a name of its own; received {', '.join(names)}."
        )
