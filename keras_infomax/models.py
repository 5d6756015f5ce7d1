"""The model that trains encoders by the mutual information of their encodings."""

import keras
import tensorflow as tf
from keras import ops

from keras_infomax import critics, distribution, losses
from keras_infomax.callbacks import StopOnNonFinite

_SEED = "seed_state_"


@keras.saving.register_keras_serializable(package="keras_infomax")
class InfoMax(keras.Model):
    """Two encoders and a critic, trained to share information between two views.

    Used as any Keras model: `compile` with a loss of `kim.losses`, then `fit` on a
    dataset whose elements are `((x, y),)`, one batch of each view, row i of x and row
    i of y being views of one example. The other rows are the negatives.

    Under a `tf.distribute` strategy, the negatives are the whole global batch and the
    weights after training are those of one device on the same global batch. Create
    and compile the model inside the strategy's scope.

    Args:
        encoder_x: Keras model or layer mapping the first view to `(rows, dim_x)`.
        encoder_y: The same for the second view, to `(rows, dim_y)`. Defaults to
            `encoder_x`, that is, to shared weights.
        critic: Layer called as `critic(x, y)`, or its name. Defaults to
            `BilinearCritic()`.
        **kwargs: Passed to `keras.Model`.

    Call arguments:
        views: Pair of float tensors, `(rows, ...)` each.
        training: Whether the encoders run in training mode.

    Returns:
        Scores `(rows, rows)`. `predict` returns the encodings of the first view,
        `(rows, dim_x)`, and accepts that view alone.

    The history has `"loss"`, with the layers' own losses, and `"mi"`, the estimate in
    nats, with their `"val_"` twins; both are means over rows. An estimate of InfoNCE
    depends on the batch size, so evaluate with the batch size of training.

    `fit` stops with an error when the loss or a weight is no longer finite, as
    `callbacks.StopOnNonFinite` does.

    Raises:
        ValueError: If the critic cannot match the encodings, and in `fit` and
            `evaluate` if the data are not pairs of float views of equal length.

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

    def __init__(self, encoder_x, encoder_y=None, critic=None, **kwargs):
        super().__init__(**kwargs)
        self.encoder_x = encoder_x
        self.encoder_y = encoder_x if encoder_y is None else encoder_y
        self.critic = critics.get("bilinear" if critic is None else critic)
        self.mi_tracker = keras.metrics.Mean(name="mi")
        shapes = [_encoding_shape(e) for e in (self.encoder_x, self.encoder_y)]
        if None not in shapes:
            # Built now, a model can be saved, restored and distributed before its
            # first batch; encoders that do not know their shape defer it to that.
            if not self.critic.built:
                self.critic.build(*shapes)
            self.built = True

    def call(self, views, training=None):
        x, y = _checked_views(views)
        return self.critic(
            self.encoder_x(x, training=training), self.encoder_y(y, training=training)
        )

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        **kwargs,
    ):
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = list(callbacks or [])
            if not any(isinstance(c, StopOnNonFinite) for c in callbacks):
                # NaN in the data would go unnoticed: a fused ReLU swallows it.
                callbacks.insert(0, StopOnNonFinite())
        return super().fit(x, y, batch_size, epochs, verbose, callbacks, **kwargs)

    def make_train_function(self, force=False):
        if self.distribute_strategy.num_replicas_in_sync > 1:
            self._refuse_what_replicas_cannot()
        return super().make_train_function(force)

    def train_step(self, data):
        views = _unpack(data)
        with tf.GradientTape() as tape:
            partners, scores = self._score(views, training=True)
            loss = self.compute_loss(y=partners, y_pred=scores, training=True)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, self.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        return self._report(loss, partners, scores)

    def test_step(self, data):
        partners, scores = self._score(_unpack(data), training=False)
        loss = self.compute_loss(y=partners, y_pred=scores, training=False)
        return self._report(loss, partners, scores)

    def predict_step(self, data):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        view = x[0] if isinstance(x, (tuple, list)) else x
        return self.encoder_x(_checked_view("x", view), training=False)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Loss of the scores and of the layers, divided by the replicas as in Keras.

        Args:
            x: Unused.
            y: Partners `(rows,)`. Defaults to the diagonal.
            y_pred: Scores `(rows, columns)`.
            sample_weight: Unused.
            training: Unused.

        Returns:
            Scalar tensor.
        """
        if self.loss is None:
            raise ValueError(
                "InfoMax must be compiled with a loss; received loss=None. Use "
                "compile(optimizer, loss=keras_infomax.losses.InfoNCE())."
            )
        partners, scores = _whole_batch(y, y_pred)
        return super().compute_loss(y=partners, y_pred=scores)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Updates the compiled metrics with partners and scores; returns all results.

        Any metric of sparse labels and logits applies: `"sparse_categorical_accuracy"`
        is the fraction of rows whose partner has the highest score.

        Args:
            x: Unused.
            y: Partners `(rows,)`. Defaults to the diagonal.
            y_pred: Scores `(rows, columns)`.
            sample_weight: Unused.

        Returns:
            Dictionary of metric names and values.
        """
        return super().compute_metrics(x, *_whole_batch(y, y_pred))

    def get_config(self):
        shared = self.encoder_y is self.encoder_x
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "encoder_x": serialize(self.encoder_x),
            "encoder_y": None if shared else serialize(self.encoder_y),
            "critic": serialize(self.critic),
        }

    @classmethod
    def from_config(cls, config):
        parts = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("encoder_x", "encoder_y", "critic")
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

    def _refuse_what_replicas_cannot(self):
        """Raises where Keras 3.15 would fail obscurely, or train something else."""
        if self.jit_compile or self.steps_per_execution > 1:
            raise ValueError(
                "jit_compile must be off and steps_per_execution 1 under a strategy of "
                f"several replicas; received jit_compile={self.jit_compile} and "
                f"steps_per_execution={self.steps_per_execution}. Keras cannot combine "
                "them: leave both at their defaults."
            )
        clipping = ("clipnorm", "clipvalue", "global_clipnorm")
        if any(getattr(self.optimizer, name, None) is not None for name in clipping):
            raise ValueError(
                "The optimizer must not clip gradients under a strategy of several "
                "replicas: Keras clips those of each replica before they are summed, "
                "which trains another model than one device would. Remove "
                f"{', '.join(clipping)}."
            )

    def _score(self, views, training):
        """Scores this replica's rows against the columns of all replicas."""
        x, y = _checked_views(views)
        equal = tf.debugging.assert_equal(
            tf.shape(x)[0],
            tf.shape(y)[0],
            "The two views must have the same number of rows: row i of both are "
            "views of example i.",
        )
        # Without the order, an operation on the scores may fail first, obscurely.
        with tf.control_dependencies([equal] if equal is not None else []):
            x, y = tf.identity(x), tf.identity(y)
        encodings_x = self.encoder_x(x, training=training)
        encodings_y = distribution.gather(self.encoder_y(y, training=training))
        several = tf.debugging.assert_greater(
            tf.shape(encodings_y)[0],
            1,
            "A batch of one row has no negatives. Use a larger batch size, and "
            "drop_remainder=True if it was the last batch.",
        )
        with tf.control_dependencies([several] if several is not None else []):
            encodings_y = tf.identity(encodings_y)
        scores = self.critic(encodings_x, encodings_y)
        return distribution.global_rows(tf.shape(x)[0]), scores

    def _report(self, loss, partners, scores):
        rows = ops.shape(scores)[0]
        loss = loss * distribution.num_replicas()
        if isinstance(self.loss, losses.BoundLoss):
            mi = self.loss.estimate(partners, scores)
        else:  # A loss of the user's own says nothing but its value.
            mi = -loss
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=rows)
        self.mi_tracker.update_state(mi, sample_weight=rows)
        return self.compute_metrics(None, partners, scores)


def _encoding_shape(encoder):
    """Shape of an encoder's output, or None while it does not know."""
    if not encoder.built:
        return None
    return getattr(encoder, "output_shape", None)


def _whole_batch(partners, scores):
    """Partners and scores as in training, where Keras has no partners.

    Under a strategy it builds losses and metrics from the scores of one replica:
    its columns stand in for those that training gathers.
    """
    if partners is not None:
        return partners, scores
    scores = ops.tile(scores, (1, distribution.num_replicas()))
    return ops.arange(ops.shape(scores)[0]), scores


def _unpack(data):
    """The pair of views of a dataset element `((x, y),)`."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None and sample_weight is None:
        return x
    raise ValueError(
        "Dataset elements must be ((x, y),), a tuple that holds one pair of views; "
        f"received a tuple of {2 if sample_weight is None else 3}, which Keras takes "
        "for inputs, targets and weights. Map the dataset with "
        "lambda x, y: ((x, y),), and pass arrays as fit((x, y))."
    )


def _checked_views(views):
    if not isinstance(views, (tuple, list)) or len(views) != 2:
        raise ValueError(
            "Dataset elements must be ((x, y),), a tuple that holds one pair of views; "
            f"received {_describe(views)} where the pair should be. Map the dataset "
            "with lambda x, y: ((x, y),), and pass arrays as fit((x, y))."
        )
    x, y = (_checked_view(name, v) for name, v in zip("xy", views, strict=True))
    if None not in (x.shape[0], y.shape[0]) and x.shape[0] != y.shape[0]:
        raise ValueError(
            "The views x and y must have the same number of rows, row i of both being "
            f"views of example i; received shapes {tuple(x.shape)} and "
            f"{tuple(y.shape)}."
        )
    return x, y


def _checked_view(name, view):
    if not ops.is_tensor(view):
        view = ops.convert_to_tensor(view)
    if not keras.backend.is_float_dtype(view.dtype):
        raise ValueError(
            f"View {name} must be a floating point tensor; received dtype "
            f"{keras.backend.standardize_dtype(view.dtype)}. Scale images to [0, 1] in "
            "float32, for example x / 255."
        )
    return view


def _describe(value):
    if isinstance(value, (tuple, list)):
        return f"a tuple of {len(value)}"
    if isinstance(value, dict):
        return f"a dictionary with the keys {sorted(value)}"
    return f"a tensor of shape {tuple(value.shape)}"
