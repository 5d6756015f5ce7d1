"""The experiment against a classifier: a bijective encoder that hides the labels.

A bijection always keeps all mutual information. Here it is trained against a linear
head that is trained to predict the labels. This shows that encodings with the largest
possible information can still be poor representations.
"""

import keras
from keras import ops

from keras_infomax import backends, datasets
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.training.experiments import building, effects, measuring, parts
from keras_infomax.training.experiments.supervised import (
    Classifier,
    ClassifierAccuracy,
    load_labelled,
)
from keras_infomax.training.settings import Settings

HEAD_STEPS = 10
# Learning rate of the encoder, as a fraction of the head's.
ENCODER_RATE = 0.01


@keras.saving.register_keras_serializable(package="keras_infomax")
class AdversarialClassifier(Classifier):
    """A classifier whose encoder is trained against its head.

    One step of `fit` is a round. On every batch of an element except the last, only the
    head is trained, toward the labels. On the last batch, only the encoder is trained,
    toward equal logits for all classes. `"loss"` is the loss of the encoder, which is
    at least the logarithm of the number of classes.

    Elements are `(views, labels)` with one more axis than for a `Classifier`:
    `(batches, rows, ...)` and `(batches, rows)`. The number of batches may vary.

    Args:
        encoder_x: Built Keras model that maps views to encodings `(rows, dim)`.
        num_classes: Number of classes.
        **kwargs: Passed to `keras.Model`.

    Call arguments:
        views: Float tensor `(rows, ...)`.
        training: Whether the encoder runs in training mode.

    Returns:
        Logits `(rows, num_classes)`.

    Reference:
        Tschannen et al., 2020, section 3.1 and appendix B,
        https://arxiv.org/abs/1907.13625.
    """

    def __init__(self, encoder_x, num_classes, **kwargs):
        super().__init__(encoder_x, num_classes, **kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.loss_tracker]

    def compile(self, optimizer, head_optimizer, **kwargs):  # type: ignore[override]
        """Configures training.

        Args:
            optimizer: Optimizer of the encoder.
            head_optimizer: Optimizer of the head.
            **kwargs: Passed to `keras.Model.compile`; no loss and no metrics.
        """
        super().compile(optimizer=optimizer, **kwargs)
        # A separate compiled model, whose optimizer is saved with this model.
        self.head.compile(
            optimizer=head_optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        self.head.optimizer.build(self.head.trainable_variables)

    def get_compile_config(self):
        head_optimizer = keras.saving.serialize_keras_object(self.head.optimizer)
        return {**super().get_compile_config(), "head_optimizer": head_optimizer}

    def train_step(self, data):
        views, labels = data
        last = tf.shape(views)[0] - 1

        def head_step(batch):
            encodings = self.encoder_x(views[batch], training=False)
            self.head.train_step((encodings, labels[batch]))
            return batch + 1

        tf.while_loop(lambda batch: batch < last, head_step, [0])
        with tf.GradientTape() as tape:
            loss = uniform_cross_entropy(self(views[last], training=True))
            scaled_loss = self.optimizer.scale_loss(loss)
        variables = self.encoder_x.trainable_variables
        gradients = tape.gradient(scaled_loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.loss_tracker.update_state(loss)
        return self.get_metrics_result()


def uniform_cross_entropy(logits):
    """Cross-entropy of the uniform distribution and the softmax, averaged over rows.

    Args:
        logits: Float tensor `(rows, num_classes)`.

    Returns:
        Scalar tensor in nats, at least `log(num_classes)`, with equality if the logits
        of each row are equal.

    Example:
    >>> round(float(uniform_cross_entropy(ops.zeros((3, 10)))), 4)  # log(10)
    2.3026
    """
    return -ops.mean(ops.log_softmax(ops.cast(logits, "float32"), axis=-1))


def adversarial(
    settings: Settings, data: datasets.Dataset | None = None
) -> building.Experiment:
    """An encoder of view x, trained against a linear head that learns the labels.

    A step is a round of `HEAD_STEPS` steps of the head and one of the encoder, each on
    its own batch. The first round starts with `settings.warm_up_steps` additional steps
    of the head.

    Args:
        settings: Settings. The learning rate is that of the head; `ENCODER_RATE` times
            it is that of the encoder. Settings of critics and bounds are refused.
        data: Labeled data set to use instead of loading `settings.dataset`.

    Raises:
        ValueError: If the settings are invalid, or the data have no labels.

    Reference:
        Tschannen et al., 2020, section 3.1 and appendix B,
        https://arxiv.org/abs/1907.13625.
    """
    backends.needs("The experiment 'adversarial'", backends.TENSORFLOW)
    effects.check_effect(
        settings,
        (*effects.OF_PAIRS, "jacobian_rows", "options", "select"),
        f"the experiment {settings.experiment!r}, which has no critic",
    )
    data = load_labelled(settings, data)
    views_of = parts.make_views(settings)
    linear_probes = measuring.make_probes(settings, data, views_of)
    probe = linear_probes[0]
    encoder = parts.make_encoder(settings, probe.train[0], data.categories)
    model = AdversarialClassifier(encoder, data.num_classes)
    model.compile(
        optimizer=parts.make_optimizer(ENCODER_RATE * settings.learning_rate),
        head_optimizer=parts.make_optimizer(settings.learning_rate),
    )

    def rounds(first_batch, batches_in_round, num_rounds):
        return datasets.labelled(
            data.train_examples,
            data.train_labels,
            views_of,
            settings.batch_size,
            seed=settings.seed,
            start_step=first_batch,
            num_steps=batches_in_round * num_rounds,
        ).batch(batches_in_round)

    def batches(start_step, num_steps):
        if start_step == 0:
            first_round = rounds(0, settings.warm_up_steps + HEAD_STEPS + 1, 1)
            return first_round.concatenate(batches(1, num_steps - 1))
        first_batch = settings.warm_up_steps + start_step * (HEAD_STEPS + 1)
        return rounds(first_batch, HEAD_STEPS + 1, num_steps)

    return building.Experiment(
        model=model,
        batches=batches,
        measuring=[*linear_probes, ClassifierAccuracy(*probe.test)],
        data=data,
    )
