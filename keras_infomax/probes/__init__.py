"""Evaluates encoders by supervised models that are trained on their encodings.

`encode` turns views into encodings, and checks that this did not change the encoder. A
probe is an object with `fit(x, labels)`, `predict(x)`, `predict_log_proba(x)`,
`score(x, labels)`, an accuracy, and `information(x, labels)`, the nats of information
about the labels that it finds; see `Probe`. Most probes do not depend on an encoder:
fitted on raw views instead of encodings, the same probe gives a baseline. `FineTuning`
also trains a copy of the encoder. `judge` evaluates an encoder by several probes.
"""

from keras_infomax.probes.encoding import checked_views, encode
from keras_infomax.probes.few_labels import FewLabels
from keras_infomax.probes.fine_tuning import FineTuning
from keras_infomax.probes.gauges import (
    alignment,
    covariance_log_condition,
    dead_dimensions,
    effective_rank,
    uniformity,
)
from keras_infomax.probes.information import label_entropy, v_information
from keras_infomax.probes.judging import judge
from keras_infomax.probes.logistic import MAX_ITERATIONS, TOLERANCE, LogisticProbe
from keras_infomax.probes.mlp import MLPProbe
from keras_infomax.probes.neighbours import NeighboursProbe
from keras_infomax.probes.probe import Judgement, Probe
from keras_infomax.probes.retrieval import recall_at, zero_shot
from keras_infomax.probes.rows import check_classes, check_labelled, labelled_views
from keras_infomax.probes.table import LINEAR_PROBES, PROBES, get

__all__ = [
    "LINEAR_PROBES",
    "MAX_ITERATIONS",
    "PROBES",
    "TOLERANCE",
    "FewLabels",
    "FineTuning",
    "Judgement",
    "LogisticProbe",
    "MLPProbe",
    "NeighboursProbe",
    "Probe",
    "alignment",
    "check_classes",
    "check_labelled",
    "checked_views",
    "covariance_log_condition",
    "dead_dimensions",
    "effective_rank",
    "encode",
    "get",
    "judge",
    "label_entropy",
    "labelled_views",
    "recall_at",
    "uniformity",
    "v_information",
    "zero_shot",
]
