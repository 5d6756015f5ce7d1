"""Wrong arguments, drawn at random: each is refused by its name, or gives a result.

All public constructors and functions of the rooms below are tried, each of their
arguments by itself, with the awkward values of `POOL` and with random ones. What is a
good value is decided here by `KINDS`, apart from the checks of the package. Another
draw: `ARGUMENTS_SEED=1 python -m pytest tests/test_arguments.py`.
"""

import contextlib
import inspect
import math
import numbers
import os
import pathlib
import re
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_infomax as kim
import keras_infomax.tuning

SEED = int(os.environ.get("ARGUMENTS_SEED", "0"))
ROOMS = (
    *("distributions", "estimation"),
    *("bounds", "callbacks", "critics", "datasets", "encoders", "losses", "methods"),
    *("plots", "probes", "saved_model", "training", "tuning", "views"),
)
# Bases, records of results, and what takes nothing or is for other modules.
NOT_TRIED = {
    *("bounds.checked", "bounds.checked_partners", "bounds.checked_scores"),
    *("critics.Critic", "critics.ensure_built", "losses.BoundLoss", "losses.ScoreLoss"),
    *("losses.EncodingLoss", "losses.mean_over_rows", "methods.takes_whole_images"),
    *("distributions.Distribution", "distributions.adapted", "estimation.read_csv"),
    *("estimation.MIEstimate", "estimation.Table", "distributions.Mixture"),
    # What it refuses is tried in a test of its own.
    *("estimation.estimate_mi", "distributions.transformed"),
    *("losses.UpperBoundLoss", "losses.in_step", "critics.takes_partners"),
    *("callbacks.StopOnNonFinite", "views.photographic", "views.Whole"),
    *("critics.BilinearCritic", "critics.InnerProductCritic", "views.Quadrants"),
    *("views.LabViews", "probes.Judgement", "probes.Probe", "probes.check_classes"),
    *("probes.check_labelled", "probes.checked_views", "probes.labelled_views"),
    *("encoders.LogConditionNumbers", "datasets.ImageDataset"),
    *("tuning.Choices", "tuning.Range", "tuning.Trial", "tuning.Space"),
    *("plots.check_installed", "tuning.is_worker"),
    *("datasets.Dataset", "datasets.ExampleDataset", "datasets.noun_of"),
    *("datasets.prepared", "datasets.rows_of", "datasets.taken", "views.Parts"),
    *("encoders.digest", "encoders.is_source"),
    *("encoders.IsToken", "encoders.LastStep", "encoders.MeanOfTokens"),
    # They train: what they refuse is tried in tests of theirs.
    *("training.sweep", "training.train", "tuning.StudyObjective", "tuning.Trials"),
}
# Seconds after which a call counts as one that never ends.
LIMIT = 20

RANDOM = np.random.default_rng(SEED)


class Odd:
    """Something that no argument asks for."""

    def __repr__(self):
        return "<odd>"


POOL = [
    *(None, True, False, np.True_, "no", "True", "", "zebra", b"bytes", "3"),
    *(0, 1, -1, 3, -7, np.int64(4), np.uint8(0), 10**40, -(10**40)),
    *(0.0, 0.5, 1.0, 2.5, 3.0, -0.5, 1e-9, math.nan, math.inf, -math.inf),
    *(np.float32(0.25), np.float64(math.nan), 1j, Odd(), int, Odd, Ellipsis),
    *((), [], {}, set(), (0,), (-1, 3), (2.5, 3), ("a", "b"), [None], (True,), {3, 4}),
    *((3, 4), [8], (8, 8, 1), (math.nan,), ((1,), (2,)), {"a": 1}, range(0)),
    *(np.array([1, 2]), np.array(3.5), np.zeros((2, 2)), np.array(["a"])),
    *(np.array([], "float32"), np.array([None, 1]), np.full((3, 3), np.nan)),
]


def drawn():
    """A random value of a random type."""
    number = float(RANDOM.normal(scale=10 ** RANDOM.integers(0, 6)))
    integer = int(RANDOM.integers(-50, 0))
    letters = "".join(map(chr, RANDOM.integers(97, 123, size=RANDOM.integers(1, 6))))
    makers = (
        lambda: number,
        lambda: np.float32(number),
        lambda: integer,
        lambda: np.int16(integer),
        lambda: letters,
        lambda: {letters: number},
        lambda: (integer, number),
        lambda: [letters],
        lambda: RANDOM.normal(size=RANDOM.integers(0, 3, size=RANDOM.integers(0, 4))),
        lambda: pathlib.Path(letters),
        lambda: tf.constant(letters),
        lambda: slice(integer),
    )
    return makers[RANDOM.integers(len(makers))]()


def is_integer(value, least=-math.inf, below=math.inf):
    integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return integer and least <= value < below


def is_number(value, holds):
    kind = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    return kind and math.isfinite(value) and holds(value)


def is_list(value, holds, least=0):
    ordered = isinstance(value, list | tuple | range) or (
        isinstance(value, np.ndarray) and value.ndim == 1
    )
    return ordered and len(value) >= least and all(map(holds, value))


def is_size(value):
    return is_integer(value, 1)


def is_text(value):
    return isinstance(value, str) and value != ""


def is_array(value, *ranks):
    try:
        value = np.asarray(value)
    except ValueError:
        return False
    return value.dtype.kind in "biuf" and (not ranks or value.ndim in ranks)


def is_matrix(value):
    return is_array(value, 2) and len(value) <= np.shape(value)[1] >= 2


def is_rgb(value):
    floats = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return floats and value.shape[-1:] == (3,)


def are_squares(value):
    floats = is_array(value, 3) and np.size(value) > 0 and np.isfinite(value).all()
    return floats and np.shape(value)[1] == np.shape(value)[2]


def is_range(value):
    numbers_of = is_list(value, lambda v: is_number(v, lambda n: n > 0))
    return numbers_of and len(value) == 2 and value[0] <= value[1]


def are_floats(value):
    return np.asarray(value).dtype.kind == "f" and np.size(value) > 0


def are_pixels(value):
    if not is_array(value):
        return False
    value = np.asarray(value)
    floats = value.dtype.name in ("float32", "float64")
    return value.dtype == "uint8" or (
        floats and bool(np.all((value >= 0) & (value <= 1)))
    )


def are_classes(value):
    return is_array(value, 1) and list(value) == sorted(set(value)) and len(value) == 2


# What a good value of each kind is.
KINDS = {
    "boolean": lambda v: isinstance(v, bool | np.bool_),
    "count": is_size,
    "some": lambda v: is_integer(v, 2),
    "natural": lambda v: is_integer(v, 0),
    "seed": lambda v: is_integer(v, 0, 2**32),
    "positive": lambda v: is_number(v, lambda n: n > 0),
    "weight": lambda v: is_number(v, lambda n: n >= 0),
    "number": lambda v: is_number(v, math.isfinite),
    "share": lambda v: is_number(v, lambda n: 0 <= n <= 1),
    "part": lambda v: is_number(v, lambda n: 0 <= n < 1),
    "fraction": lambda v: is_number(v, lambda n: 0 < n <= 1),
    "half": lambda v: is_number(v, lambda n: 0 <= n <= 0.5),
    "range": lambda v: is_range(v),
    "pair of sizes": lambda v: (
        is_list(v, lambda s: s is None or is_list(s, is_size)) and len(v) == 2
    ),
    "names": lambda v: is_text(v) or is_list(v, is_text),
    "range of shares": lambda v: is_range(v) and v[1] <= 1,
    "odd": lambda v: is_size(v) and v % 2 == 1,
    "sizes": lambda v: is_list(v, is_size),
    "layers": lambda v: is_list(v, is_size, 1),
    "sides": lambda v: is_size(v) or (is_list(v, is_size, 2) and len(v) == 2),
    "units": lambda v: is_integer(v, 0) or is_list(v, is_size),
    "shape": lambda v: is_list(v, lambda s: s is None or is_size(s)),
    "image": lambda v: is_list(v, is_size, 3) and len(v) == 3,
    "text": is_text,
    "string": lambda v: isinstance(v, str),
    "path": lambda v: is_text(v) or isinstance(v, os.PathLike),
    "mapping": lambda v: isinstance(v, dict),
    "matrix": is_matrix,
    "tensor": lambda v: is_array(v) and np.asarray(v).dtype.kind != "b" and np.ndim(v),
    "encodings": lambda v: is_array(v, 2) and np.shape(v)[1] > 0,
    "four wide": lambda v: is_array(v) and np.ndim(v) > 1 and np.size(v) == 4 * len(v),
    "table": lambda v: is_array(v, 2),
    "floats": lambda v: is_array(v) and np.ndim(v) > 1 and are_floats(v),
    "x or y": lambda v: isinstance(v, str) and v in ("x", "y"),
    "rows": lambda v: isinstance(v, np.ndarray) and v.ndim > 0,
    "logarithms": lambda v: is_array(v, 2) and np.all(np.asarray(v) == 0),
    "thousands": lambda v: is_size(v) and v % 1000 == 0,
    "vector": lambda v: is_array(v, 1),
    "labels": lambda v: is_array(v, 1) and len(v) and np.isfinite(v).all(),
    "two": lambda v: is_array(v, 1) and len(v) == 2 and np.isfinite(v).all(),
    "classes": are_classes,
    "rgb": is_rgb,
    "squares": are_squares,
    "pixels": are_pixels,
    "axis": lambda v: is_integer(v, 0, 2),
    "side": lambda v: is_integer(v, 1, 3),
    "integer": lambda v: is_integer(v, -(2**63), 2**63),
    "four": lambda v: is_integer(v, 4, 5),
    "empty": lambda v: isinstance(v, list | tuple | dict) and not v,
    "weights": lambda v: (
        is_number(v, lambda n: n > 0)
        or (isinstance(v, list | tuple) and v and all(map(KINDS["positive"], v)))
    ),
    "zeros": lambda v: is_array(v, 2) and np.shape(v) == (4, 6),
    "correlation": lambda v: is_number(v, lambda n: -1 < n < 1),
    "nats": lambda v: is_number(v, lambda n: 0 <= n < 18),
    "nats of a t": lambda v: is_number(v, lambda n: 0.1 <= n < 18),
    "probabilities": lambda v: (
        is_array(v, 2) and bool(np.isfinite(v).all() and np.min(v) >= 0) and np.any(v)
    ),
    "one": lambda v: is_integer(v, 1, 2),
    "large": lambda v: is_matrix(v) and np.shape(v)[1] > 2,
    "tall": lambda v: is_matrix(v) and len(v) > 1,
    "numbers": is_array,
    "finite table": lambda v: (
        is_array(v, 2) and np.size(v) > 0 and bool(np.isfinite(v).all())
    ),
    "two rows": lambda v: KINDS["finite table"](v) and len(v) > 1,
    "finite": lambda v: is_number(v, lambda n: True),
    "four numbers": lambda v: is_array(v, 0) or (is_array(v, 1) and np.size(v) == 4),
    "never": lambda v: False,
}

# Kinds by the names of arguments; those with ? may be None, too.
BY_NAME = {
    **dict.fromkeys(("affine", "coupled", "coupled_noise", "flip", "index"), "boolean"),
    **dict.fromkeys(("log_scalars", "normalize", "overwrite", "shuffle"), "boolean"),
    **dict.fromkeys(("shared_encoder", "squared", "stopped_probe"), "boolean"),
    **dict.fromkeys(("trainable", "beside", "pairs", "learned_temperature"), "boolean"),
    "symmetric": "boolean",
    **dict.fromkeys(("entropy", "log_baseline"), "finite"),
    "alpha": "share",
    **dict.fromkeys(("invariance", "variance", "covariance", "redundancy"), "weight"),
    "bias": "number?",
    **dict.fromkeys(("context_dim", "couplings", "depth", "dim", "epochs"), "count"),
    **dict.fromkeys(
        ("eval_every", "every", "k", "kernel_size", "local_layer"), "count"
    ),
    **dict.fromkeys(("max_trials", "num_negatives", "patience"), "count"),
    "queue_size": "count",
    **dict.fromkeys(("predicted_steps", "projection_dim", "units"), "count"),
    **dict.fromkeys(("encoding_dim", "output_dim", "filters"), "count"),
    **dict.fromkeys(("chunk_size", "encoder_chunk_size", "per_class"), "count?"),
    **dict.fromkeys(("examples", "hidden_layers", "jacobian_rows"), "natural"),
    **dict.fromkeys(("profile_steps", "start_step", "warm_up_steps"), "natural"),
    "num_steps": "natural?",
    **dict.fromkeys(("max_bytes", "max_iterations", "max_pixels", "rows"), "count"),
    **dict.fromkeys(("batch_size", "draws"), "some"),
    "seed": "seed",
    "split_seed": "seed",
    **dict.fromkeys(("C", "clip", "epsilon", "learning_rate", "margin"), "positive"),
    **dict.fromkeys(("temperature", "tolerance", "target"), "positive"),
    **dict.fromkeys(("global_weight", "local_weight", "prior_weight"), "weight"),
    **dict.fromkeys(("noise", "penalty", "stddev", "weight"), "weight"),
    "semi_hard_margin": "weight",
    **dict.fromkeys(("brightness", "contrast", "grey", "rotation"), "share"),
    **dict.fromkeys(("saturation", "translation", "zoom"), "share"),
    "hue": "half",
    **dict.fromkeys(("probability", "threshold"), "share"),
    **dict.fromkeys(("ratio", "sigma"), "range"),
    **dict.fromkeys(("share", "strength"), "share"),
    **dict.fromkeys(("vocabulary_size", "embedding_dim"), "count"),
    **dict.fromkeys(("ks", "sizes"), "layers"),
    "both": "boolean",
    "heads": "count?",
    "label": "text?",
    "prompts": "never?",
    **dict.fromkeys(("momentum", "part", "validation"), "part"),
    "fraction": "fraction",
    "hidden_units": "sizes",
    **dict.fromkeys(("projection_units", "prediction_units"), "layers"),
    **dict.fromkeys(("encoder_units", "critic_units"), "sizes?"),
    **dict.fromkeys(("patch_size", "size"), "sides"),
    **dict.fromkeys(("stride", "strides", "image_size"), "sides?"),
    "input_shape": "shape",
    "image_shape": "image",
    **dict.fromkeys(("baselines", "data_dir"), "path?"),
    **dict.fromkeys(("log_dir", "workdir", "path", "folder", "output"), "path"),
    **dict.fromkeys(("figure", "budget"), "string"),
    **dict.fromkeys(("options",), "mapping"),
    **dict.fromkeys(("hyper_parameters", "card"), "mapping?"),
    **dict.fromkeys(("objective", "name"), "text"),
}
# Names, layers, functions and arrays, of which the pool holds no good one.
BY_NAME |= dict.fromkeys(
    (
        *("axis", "bound", "classes", "config", "context", "counts", "critic"),
        *("described", "encoder", "fill_mode", "formats", "graph", "identifier"),
        *("gradient", "normalizers"),
        *("image_dtype", "images", "labels", "log_probabilities"),
        *(
            "method",
            "metric",
            "negatives",
            "on_error",
            "scaler",
            "projection",
            "representation",
            "scores",
        ),
        *("settings", "solver", "space", "step", "sums", "test", "train", "trial"),
        *("trials", "unit", "x", "y", "y_pred", "y_true", "probes"),
    ),
    "never",
)
BY_NAME |= dict.fromkeys(
    (
        *("callbacks", "class_names", "data", "direction", "dtype"),
        *("layers", "partners", "preprocessing", "probe", "raw_dtype", "views"),
    ),
    "never?",
)
LOSSES = [name for name in kim.losses.__all__ if name[0].isupper()]
BOUNDS = ("donsker_varadhan", "infonce", "jensen_shannon", "log_odds", "nwj", "split")
BOUNDS += ("barber_agakov", "club", "flat_nce", "flo", "interpolated", "leave_one_out")
BOUNDS += ("jensen_shannon_information", "smile", "tuba")
BOUNDS += ("partner_mask",)
# Where a name stands for something else.
OVERRIDES = {
    **{f"{name}.scores": "matrix" for name in BOUNDS},
    **{f"{name}.name": "text?" for name in LOSSES},
    **dict.fromkeys(("infonce.axis", "log_odds.axis", "InfoNCE.axis"), "axis"),
    **dict.fromkeys(("Halves.axis", "metric_learning.axis"), "side"),
    **dict.fromkeys(("rank.trials", "to_text.trials", "report.trials"), "empty"),
    **dict.fromkeys(("write_table.trials", "judge.probes"), "empty"),
    "Augmented.layers": "empty?",
    "log_sums.negatives": "table",
    "vib_rate.means": "zeros",
    **dict.fromkeys((f"{n}.dim" for n in ("gaussian", "student", "uniform")), "count?"),
    **dict.fromkeys(
        (f"{n}.correlation" for n in ("gaussian", "student", "uniform", "bimodal")),
        "correlation?",
    ),
    **dict.fromkeys(
        (f"{n}.mutual_information" for n in ("gaussian", "student", "uniform")),
        "nats?",
    ),
    **dict.fromkeys(("gaussian.pairs", "student.pairs"), "one?"),
    **dict.fromkeys(("gaussian.dim_x", "student.dim_x"), "never?"),
    **dict.fromkeys(("gaussian.covariance", "student.covariance"), "never?"),
    "student.degrees": "positive",
    "AdditiveNoise.noise": "positive",
    "student.mutual_information": "nats of a t?",
    "Discrete.table": "probabilities",
    "task.name": "never",
    "ClassAndInterval.classes": "count",
    "DigitPairs.digits": "count",
    "DigitPairs.error": "share",
    "DecoupledInfoNCE.sigma": "positive?",
    "byol.rising_steps": "natural",
    "ZeroInflated.zeros": "part",
    **dict.fromkeys(("uniformity.encodings", "dead_dimensions.encodings"), "two rows"),
    "covariance_log_condition.encodings": "finite table",
    "effective_rank.encodings": "finite table",
    **dict.fromkeys(("alignment.x", "alignment.y"), "never"),
    "uniformity.temperature": "positive",
    "RepresentationGauges.x": "two rows",
    "RepresentationGauges.y": "never?",
    "RepresentationGauges.encoder": "text",
    "RepresentationGauges.encoder_y": "text",
    "vib_rate.log_variances": "zeros",
    "kl_of_jensen_shannon.divergence": "numbers",
    "interpolated.scores": "large",
    "leave_one_out.scores": "tall",
    "flo.normalizers": "never?",
    **dict.fromkeys(("tuba.log_baseline", "interpolated.log_baseline"), "four numbers"),
    **dict.fromkeys(("critic.x", "critic.y"), "encodings"),
    "predict.x": "four wide",
    "ConditionNumbers.views": "floats",
    "TensorBoard.views": "rows?",
    "v_information.log_probabilities": "logarithms",
    "Settings.steps": "thousands",
    "Search.settings": "mapping",
    "log_mean_exp.sums": "vector",
    "log_mean_exp.counts": "vector",
    "log_mean_exp.weights": "vector?",
    "label_entropy.labels": "labels",
    "v_information.labels": "two",
    "v_information.classes": "classes",
    "rgb_to_lab.images": "rgb",
    "log_condition_numbers.jacobians": "squares",
    "to_float.images": "pixels",
    "views_seed.step": "integer",
    "LogisticProbe.C": "weights",
    "HyperModel.settings": "mapping",
    "augmented_views.encoding_dim": "count",
    "build.output_dim": "count?",
    "build.units": "units?",
    "unit.encodings": "tensor",
    "cmc.encoding_dim": "count?",
    "metric_learning.encoding_dim": "count?",
    "sogclr.examples": "count",
    **dict.fromkeys(("byol.momentum", "moco.momentum"), "share"),
    "cmc.encoder_units": "units?",
    "cpc.encoder_units": "units?",
    "metric_learning.encoder_units": "units?",
    "deep_infomax.critic_units": "count?",
    "deep_infomax.filters": "layers",
    "deep_infomax.hidden_units": "count",
    "convnet.filters": "sizes",
    "MLPCritic.hidden_units": "layers",
    "MLPProbe.hidden_units": "count",
    "NearIdentity.seed": "seed?",
    **{f"{name}.seed": "seed?" for name in kim.views.__all__ if "Random" in name},
    "RandomColorJitter.brightness": "weight",
    "RandomColorJitter.contrast": "weight",
    "RandomColorJitter.saturation": "weight",
    "RandomGaussianBlur.kernel_size": "odd?",
    "RandomResizedCrop.scale": "range of shares",
    "RandomTimeCrop.scale": "range of shares",
    "RandomTimeCrop.steps": "count?",
    "Retrieval.views": "never",
    "ZeroShot.views": "never",
    "ZeroShot.prompts": "never",
    "Settings.categorical": "names?",
    "load.categorical": "names",
    "build.categories": "sizes?",
    "table.categories": "sizes?",
    "from_examples.categories": "never?",
    "two_towers.critic": "never?",
    "two_towers.encoder_units": "pair of sizes",
    "convnet_1d.filters": "sizes",
    "causal_convnet.filters": "sizes",
    "RandomResizedCrop.size": "sides?",
    "PriorMatching.seed": "seed?",
    "RealNVP.seed": "seed?",
    "realnvp.seed": "seed?",
    "realnvp.output_dim": "four?",
    "skip_mlp.output_dim": "never?",
    "Triplet.margin": "positive?",
    "Windows.size": "count",
    "Windows.strides": "count?",
    "FineTuning.batch_size": "count",
    "FineTuning.encoder": "never?",
    "encode.batch_size": "count",
    "jacobians.batch_size": "count",
    "FewLabels.fraction": "fraction?",
    "TensorBoard.every": "count?",
    "export_workdir.encoder": "x or y",
    "export.input_shape": "shape?",
    "export.head": "never?",
    **dict.fromkeys(("pull.address", "push.address"), "never"),
    "pull.safe_mode": "boolean",
    "push.private": "boolean?",
    "push.message": "text?",
    "export_workdir.head": "boolean",
    "export.raw_shape": "shape?",
    "Settings.encoding_dim": "count?",
    "Settings.temperature": "positive?",
    "Settings.target": "positive?",
    "Settings.encoder_units": "units?",
    "Settings.dataset": "text",
    "Settings.encoder": "text",
    "Settings.encoder_digest": "text?",
    "pretrained.source": "never",
    "pretrained.input_shape": "shape?",
    "Settings.critic": "text",
    "Settings.bound": "text",
    "Settings.views": "text",
    "Settings.experiment": "text",
    "Settings.strategy": "string",
    "Sweep.grid": "mapping",
    "Sweep.settings": "mapping",
    "ConditionNumbers.encoder": "text",
    "LiveCurves.batch_size": "count?",
    "LiveCurves.path": "path?",
    "LiveCurves.seconds": "weight",
    "encodings.labels": "never?",
    "encodings.views": "never",
    "history.baseline": "share?",
    "history.ceiling": "number?",
    "plot_curves.rows": "never",
    "scores.views": "never",
    "LinearProbe.encoder": "text",
    "Probes.encoder": "text",
    "Noisy.views": "never",
    "encode.views": "never",
    "fit.labels": "never",
    "judge.encoder": "never?",
    "jacobians.views": "never",
    "labelled.views": "never",
    "pairs.views": "never",
    "pairs.labels": "never?",
    "get.probe": "never",
    "seeded.views": "never",
    "report.objective": "text",
}

IMAGES = np.linspace(0, 1, 40 * 8 * 8, dtype="float32").reshape(40, 8, 8, 1)
X, LABELS = IMAGES[:, :2, :2].reshape(40, 4), np.arange(40) % 4
SCORES = np.linspace(-1, 1, 24, dtype="float32").reshape(4, 6)
ENCODER = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
MODEL = kim.InfoMax(ENCODER)
MODEL.compile("adam", "infonce")
DATA = kim.datasets.from_arrays((IMAGES, LABELS), (IMAGES, LABELS))
TRIAL = kim.tuning.Trial("0", {"critic": "mlp"}, 0.5, 2000)
SPACE = {"critic": ["bilinear", "mlp"]}
SEARCH = kim.tuning.Search(kim.training.Settings().as_dict(), SPACE)
IMAGE = (8, 8, 1)

# Good values of arguments, by function; others are left at their defaults.
GOOD = {
    "bounds.infonce": {"scores": SCORES},
    "bounds.nwj": {"scores": SCORES},
    "bounds.jensen_shannon": {"scores": SCORES},
    "bounds.donsker_varadhan": {"scores": SCORES},
    "bounds.split": {"scores": SCORES},
    **{
        f"bounds.{name}": {"scores": SCORES}
        for name in ("barber_agakov", "club", "flat_nce", "interpolated", "tuba")
    },
    "bounds.leave_one_out": {"scores": SCORES},
    "bounds.jensen_shannon_information": {"scores": SCORES},
    "bounds.smile": {"scores": SCORES},
    "bounds.flo": {"scores": SCORES, "normalizers": SCORES[:, 0]},
    "bounds.vib_rate": {"means": SCORES, "log_variances": SCORES},
    "bounds.kl_of_jensen_shannon": {"divergence": SCORES},
    "critics.BaselineCritic": {"critic": kim.critics.InnerProductCritic()},
    "losses.BarberAgakov": {"entropy": 2.0},
    "bounds.partner_mask": {"scores": SCORES},
    "bounds.log_odds": {"scores": SCORES},
    "bounds.log_sums": {"negatives": SCORES},
    "bounds.log_mean_exp": {"sums": SCORES[0], "counts": SCORES[1] ** 2},
    "callbacks.ConditionNumbers": {"views": X},
    "callbacks.LinearProbe": {"train": (X, LABELS), "test": (X, LABELS)},
    "callbacks.Probes": {
        "train": (X, LABELS),
        "test": (X, LABELS),
        "probes": {"linear": "linear"},
    },
    "callbacks.TensorBoard": {"log_dir": "logs"},
    "callbacks.RepresentationGauges": {"x": X},
    "distributions.Discrete": {"table": SCORES**2},
    "distributions.task": {"name": "1v1-normal-0.75"},
    "probes.alignment": {"x": X, "y": X},
    "probes.uniformity": {"encodings": X},
    "probes.covariance_log_condition": {"encodings": X},
    "probes.effective_rank": {"encodings": X},
    "probes.dead_dimensions": {"encodings": X},
    "views.rgb_to_lab": {"images": np.ones((2, 3), "float32")},
    "critics.ProjectedCritic": {
        "critic": kim.critics.InnerProductCritic(),
        "projection": keras.layers.Dense(3),
    },
    "critics.SoftClippedCritic": {"critic": kim.critics.InnerProductCritic()},
    "critics.EncodeAndDotCritic": {"units": 8},
    "critics.get": {"identifier": "mlp"},
    "datasets.from_arrays": {"train": (IMAGES, LABELS), "test": (IMAGES, LABELS)},
    "datasets.labelled": {
        "examples": IMAGES,
        "labels": LABELS,
        "views": "halves",
        "batch_size": 8,
    },
    "datasets.fitting": {"rows": 150},
    "datasets.from_examples": {"train": (IMAGES, LABELS), "test": (IMAGES, LABELS)},
    "callbacks.Retrieval": {"views": (X, X)},
    "callbacks.ZeroShot": {
        "views": X,
        "labels": LABELS,
        "prompts": np.zeros((4, 2, 4), "float32"),
    },
    "encoders.Embeddings": {"sizes": (3, 7)},
    "encoders.TokenVectors": {"vocabulary_size": 9, "dim": 4},
    "encoders.causal_convnet": {"input_shape": (20, 2)},
    "encoders.convnet_1d": {"input_shape": (20, 2)},
    "encoders.table": {"input_shape": (4,)},
    "encoders.tokens": {"input_shape": (5,)},
    "methods.two_towers": {"example_shape": {"image": IMAGE, "text": (5,)}},
    "probes.recall_at": {"scores": np.eye(3), "partners": np.eye(3) > 0},
    "probes.zero_shot": {"scores": np.zeros((3, 2, 2)), "labels": [0, 1, 0]},
    "datasets.load": {"name": "digits"},
    "datasets.pairs": {"examples": IMAGES, "views": "halves", "batch_size": 8},
    "datasets.to_float": {"images": IMAGES},
    "datasets.views_seed": {"seed": 0, "step": 3},
    "encoders.build": {"identifier": "mlp", "input_shape": IMAGE},
    "encoders.convnet": {"input_shape": IMAGE},
    "encoders.get": {"identifier": "mlp"},
    "encoders.mlp": {"input_shape": IMAGE},
    "encoders.pretrained": {"source": "encoder.keras"},
    "encoders.realnvp": {
        "input_shape": (4,),
        "couplings": 1,
        "hidden_units": (4,),
    },
    "encoders.skip_mlp": {"input_shape": IMAGE},
    "encoders.unit": {"encodings": X},
    "encoders.jacobians": {"encoder": ENCODER, "views": X},
    "encoders.log_condition_numbers": {"jacobians": np.ones((2, 3, 3))},
    "losses.TargetLoss": {"bound": "nwj", "target": 2.0},
    "losses.get": {"identifier": "nwj"},
    "methods.amdim": {"image_shape": IMAGE},
    "methods.augmented_views": {"image_shape": IMAGE},
    "methods.cmc": {"image_shape": IMAGE},
    "methods.cpc": {"input_shape": IMAGE, "patch_size": 4},
    "methods.deep_infomax": {"image_shape": IMAGE},
    "methods.metric_learning": {"image_shape": IMAGE},
    "methods.byol": {"image_shape": IMAGE},
    "methods.moco": {"image_shape": IMAGE},
    "methods.simclr": {"image_shape": IMAGE},
    "methods.simsiam": {"image_shape": IMAGE},
    "methods.sogclr": {"image_shape": IMAGE, "examples": 40},
    "methods.supcon": {"image_shape": IMAGE},
    "methods.vicreg": {"image_shape": IMAGE},
    "methods.barlow_twins": {"image_shape": IMAGE},
    "views.Patches": {"size": 4},
    "views.Windows": {"size": 4},
    "plots.encodings": {"model": ENCODER, "views": X},
    "plots.history": {"history": {"mi": [0.5, 1.5]}},
    "plots.plot_curves": {"rows": [{"step": 8, "mi": 0.5}], "path": "curves.png"},
    "plots.scores": {"model": MODEL, "views": (X, X)},
    "probes.FewLabels": {"per_class": 2},
    "probes.encode": {"encoder": ENCODER, "views": X},
    "probes.get": {"probe": "linear"},
    "probes.judge": {
        "probes": {"neighbours": kim.probes.NeighboursProbe()},
        "encoder": ENCODER,
        "train": (X, LABELS),
        "test": (X, LABELS),
    },
    "probes.label_entropy": {"labels": LABELS},
    "probes.v_information": {
        "log_probabilities": np.log([[0.9, 0.1], [0.1, 0.9]]),
        "labels": [0, 1],
        "classes": [0, 1],
    },
    "saved_model.export": {"encoder": ENCODER, "path": "export"},
    "saved_model.export_workdir": {"workdir": "run", "output": "export"},
    "saved_model.load": {"path": "export"},
    "saved_model.pull": {"address": "hf://user/name", "path": "export"},
    "saved_model.push": {"path": "export", "address": "hf://user/name"},
    "tuning.HyperModel": {"settings": {}, "space": SPACE, "data": DATA},
    "tuning.Search": {"settings": {}, "space": SPACE},
    "tuning.best_settings": {"described": SEARCH, "trial": TRIAL},
    "tuning.held_out": {"data": DATA, "part": 0.2},
    "tuning.rank": {"trials": [TRIAL], "direction": "max"},
    "tuning.report": {"trials": [TRIAL], "folder": "."},
    "tuning.search": {"config": {"space": SPACE}, "workdir": "search"},
    "tuning.to_text": {"trials": [TRIAL]},
    "losses.LossMetric": {"loss": kim.losses.InfoNCE()},
    "saved_model.HubEncoder": {"handle": "encoder"},
    "training.Sweep": {"settings": {}, "grid": {"critic": ["mlp"]}},
    "training.make_experiment": {"settings": kim.training.Settings()},
    "tuning.train_best": {
        "config": {"space": SPACE},
        "workdir": "search",
        "trials": [TRIAL],
    },
    "tuning.write_table": {"trials": [TRIAL], "path": "trials.csv"},
    "views.Noisy": {"views": "halves", "stddev": 0.1},
    "views.get": {"identifier": "halves"},
    "views.seeded": {"views": kim.views.Halves()},
}
# Of these a good call takes long, or needs what is not here.
REFUSALS_ONLY = {
    *("saved_model.export", "saved_model.export_workdir", "saved_model.load"),
    *("saved_model.HubEncoder", "training.make_experiment"),
    *("encoders.pretrained", "saved_model.pull", "saved_model.push"),
    *("tuning.search", "tuning.train_best", "tuning.report", "datasets.load"),
}


def public_names():
    for room in ROOMS:
        module = getattr(kim, room)
        for name, value in sorted(vars(module).items()):
            ours = getattr(value, "__module__", "").startswith("keras_infomax")
            here = (
                hasattr(module, "__all__")
                or ours
                and value.__module__ == (module.__name__)
            )
            listed = name in getattr(module, "__all__", [name])
            if callable(value) and here and listed and not name.startswith("_"):
                yield f"{room}.{name}"


def function_of(subject):
    room, name = subject.split(".")
    return getattr(getattr(kim, room), name)


def kind_of(subject, argument):
    name = subject.split(".")[-1]
    kind = OVERRIDES.get(f"{name}.{argument}", BY_NAME.get(argument, "never"))
    return KINDS[kind.rstrip("?")], kind.endswith("?")


@contextlib.contextmanager
def time_limit():
    def stop(*_):
        raise TimeoutError(f"did not end within {LIMIT} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(function, arguments, argument):
    """What came of a call: "result", "refused", or what is wrong with its error."""
    try:
        with time_limit():
            function(**arguments)
    except (ValueError, TypeError) as error:
        named = re.search(rf"\b{argument}\b", str(error))
        kind = type(error).__name__
        return "refused" if named else f"obscure: {kind}: {str(error)[:200]}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return "result"


def faults(subject, function, good, values=None):
    """What is wrong with how a function takes wrong arguments, one at a time."""
    found = []
    for argument, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        is_good, optional = kind_of(subject, argument)
        for value in values or [*POOL, *(drawn() for _ in range(8))]:
            if is_good(value) or (optional and value is None):
                continue
            came = outcome(function, {**good, argument: value}, argument)
            if came != "refused":
                found.append(f"{subject}({argument}={value!r}): {came}")
    return found


SUBJECTS = [name for name in public_names() if name not in NOT_TRIED]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_wrong_arguments_are_refused_by_name(subject, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = faults(subject, function_of(subject), GOOD.get(subject, {}))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "subject", [name for name in SUBJECTS if name not in REFUSALS_ONLY]
)
def test_good_arguments_are_taken(subject, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function_of(subject)(**GOOD.get(subject, {}))


def loss(y_true, y_pred):
    return kim.losses.InfoNCE()(y_true, y_pred)


def loss_of_weighted_rows(y_true, y_pred):
    return kim.losses.NWJ()(y_true, y_pred, sample_weight=np.ones(4, "float32"))


def loss_of_classes(y_true, y_pred):
    return kim.losses.SupCon()(y_true, y_pred)


def bound(scores, partners):
    return kim.bounds.nwj(scores, partners)


def mask(partners, scores):
    return kim.losses.SemiHard()(partners, scores)


def critic(x, y):
    return kim.critics.SeparableCritic((3,), 2)(x, y)


def built_critic(x, y):
    inner = kim.critics.CosineCritic()
    inner(X, X)
    return inner(x, y)


def fit(x, labels):
    return kim.probes.NeighboursProbe().fit(x, labels)


def predict(x):
    return kim.probes.NeighboursProbe().fit(X, LABELS).predict(x)


def score(x, labels):
    return kim.probes.NeighboursProbe().fit(X, LABELS).score(x, labels)


PARTNERS = np.array([0, 3, 5, 1])
# More of them for arrays: of another rank, dtype or range, empty, without a number.
ARRAYS = [
    *(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0, 1, 2, 9]), np.array([-1, 0, 1, 2])),
    *(np.array([0, math.nan, 1, 2]), [0.9, 1.2, 2.0, 3.0], [0, 1], [[0], [1]], 0),
    *(np.array([True, False, True, False]), np.zeros((4, 2, 2), int), np.zeros((0,))),
    *(np.zeros((3, 3, 3)), np.zeros((2, 0)), np.ones((2, 2), complex), [[1, 2], [3]]),
    *(np.array([["a", "b"]]), np.ones((3, 5), object), np.zeros(4), "scores", None),
    *(tf.constant([0.5, 1.5, 2.5, 3.5]), tf.constant(["a"]), {"x": np.ones((4, 4))}),
]


@pytest.mark.parametrize(
    ("function", "good"),
    [
        (bound, {"scores": SCORES, "partners": PARTNERS}),
        (loss, {"y_true": PARTNERS, "y_pred": SCORES}),
        (loss_of_weighted_rows, {"y_true": PARTNERS, "y_pred": SCORES}),
        (loss_of_classes, {"y_true": SCORES > 0, "y_pred": SCORES}),
        (mask, {"partners": PARTNERS, "scores": SCORES}),
        (critic, {"x": X, "y": X[:7]}),
        (built_critic, {"x": X, "y": X[:7]}),
        (fit, {"x": X, "labels": LABELS}),
        (predict, {"x": X}),
        (score, {"x": X, "labels": LABELS}),
    ],
)
def test_wrong_arrays_are_refused_by_name(function, good):
    function(**good)
    found = faults(f"here.{function.__name__}", function, good, ARRAYS)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("partners", [[0.0, 3.0], [math.nan, 0.0], [0.9, 1.2]])
def test_float_partners_are_refused_in_a_graph_too(partners):
    @tf.function
    def traced(scores, partners):
        return kim.losses.InfoNCE()(partners, scores)

    scores = tf.constant(SCORES[:2])
    with pytest.raises(ValueError, match="y_true must be integers"):
        traced(scores, tf.constant(partners))
    assert np.isfinite(traced(scores, tf.constant([0, 3])))


def test_all_public_names_are_tried():
    names = set(public_names())
    assert names >= NOT_TRIED
    assert names >= set(GOOD)
    assert len(names - NOT_TRIED) > 70
