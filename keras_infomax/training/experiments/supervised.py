"""The supervised experiment: the accuracy that an encoder reaches with labels."""

import functools

import keras
import numpy as np

from keras_infomax import datasets
from keras_infomax.models import sharing
from keras_infomax.models.base import BaseModel
from keras_infomax.probes import encode
from keras_infomax.training.experiments import building, effects, measuring, parts
from keras_infomax.training.settings import Settings


@keras.saving.register_keras_serializable(package="keras_infomax")
class Classifier(BaseModel):
    """An encoder with a linear softmax layer, the head, on its encodings.

    Args:
        encoder_x: Built Keras model that maps views to encodings `(rows, dim)`.
        num_classes: Number of classes.
        **kwargs: Passed to `keras.Model`.

    Call arguments:
        views: Float tensor `(rows, ...)`.
        training: Whether the encoder runs in training mode.

    Returns:
        Logits `(rows, num_classes)`; the loss applies the softmax.

    Example:
    >>> import keras_infomax as kim
    >>> model = Classifier(kim.encoders.mlp((14, 28, 1)), num_classes=10)
    >>> model(keras.ops.ones((3, 14, 28, 1))).shape
    TensorShape([3, 10])
    """

    def __init__(self, encoder_x, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.encoder_x = encoder_x
        self.num_classes = num_classes
        encodings = keras.Input(encoder_x.output_shape[1:])
        self.head = keras.Sequential([encodings, keras.layers.Dense(num_classes)])
        self.built = True

    def call(self, views, training=None):
        return self.head(self.encoder_x(views, training=training), training=training)

    def get_config(self):
        return {
            **super().get_config(),
            **sharing.serialize({"encoder_x": self.encoder_x}),
            "num_classes": self.num_classes,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**sharing.deserialize(config))


class ClassifierAccuracy(keras.callbacks.Callback):
    """Measures the accuracy of the trained model, which is a classifier.

    Args:
        views: Float array `(rows, ...)`.
        labels: Integers `(rows,)`.
    """

    def __init__(self, views, labels):
        super().__init__()
        self.views = views
        self.labels = labels

    @property
    def measurements(self) -> dict[str, float]:
        """The present `test_accuracy`, over all rows."""
        predictions = np.argmax(encode(self.model, self.views), axis=1)
        return {"test_accuracy": float(np.mean(predictions == self.labels))}


def supervised(
    settings: Settings, data: datasets.Dataset | None = None
) -> building.Experiment:
    """An encoder of view x and a head, trained end to end by the cross-entropy.

    This is an upper reference: the same encoder on the same batches, with labels.

    Args:
        settings: Settings; settings of critics and bounds are refused.
        data: Labeled data set to use instead of loading `settings.dataset`.

    Raises:
        ValueError: If the settings are invalid, or the data have no labels.

    Reference:
        Tschannen et al., 2020, section 3.3, https://arxiv.org/abs/1907.13625.
    """
    effects.check_effect(
        settings,
        (*effects.OF_PAIRS, "jacobian_rows", "options", "warm_up_steps", "select"),
        f"the experiment {settings.experiment!r}, which has no critic",
    )
    data = load_labelled(settings, data)
    building.check_batch_size(settings.batch_size, data)
    views_of = parts.make_views(settings)
    linear_probes = measuring.make_probes(settings, data, views_of)
    probe = linear_probes[0]
    encoder = parts.make_encoder(settings, probe.train[0], data.categories)
    model = Classifier(encoder, data.num_classes)
    model.compile(
        optimizer=parts.make_optimizer(settings.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    pipeline = views_of, settings.batch_size, settings.seed
    train, test = (
        functools.partial(datasets.labelled, examples, labels, *pipeline)
        for examples, labels in (
            (data.train_examples, data.train_labels),
            (data.test_examples, data.test_labels),
        )
    )
    return building.Experiment(
        model=model,
        batches=train,
        held_out=test(),
        measuring=[*linear_probes, ClassifierAccuracy(*probe.test)],
        data=data,
    )


def load_labelled(
    settings: Settings, data: datasets.Dataset | None
) -> datasets.Dataset:
    """The given data set, or else the one that the settings name.

    Raises:
        ValueError: If a split has no labels, or there is only one class.
    """
    data = building.load_data(settings, data)
    if data.train_labels is None or data.test_labels is None:
        raise ValueError(
            f"The experiment {settings.experiment!r} needs labels in both splits; "
            f"received {data.name!r}, which lacks them in one. Use labeled "
            "examples, or the experiment 'infomax'."
        )
    if len(np.unique(data.train_labels)) < 2:
        raise ValueError(
            f"The experiment {settings.experiment!r} needs at least two classes; "
            f"received {data.name!r}, whose training examples are all of one. Use more "
            "classes, or the experiment 'infomax'."
        )
    return data
