"""What is private to Keras, TensorFlow and keras-tuner: used in one module, and there.

A test that fails here says what a newer release has changed, and which function of
`keras_infomax.private` relies on it.
"""

import ast
import collections
import contextlib
import importlib
import inspect
import pathlib
import re
import sys

import keras
import keras_tuner
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
from keras_tuner.src.engine import conditions

import export
import keras_infomax
import trainers
from keras_infomax import backends, private

pytestmark = pytest.mark.filterwarnings(  # Of keras-tuner.
    r"ignore:(currentThread|getName)\(\) is:DeprecationWarning"
)

PACKAGES = (keras_infomax, trainers, export)
PRIVATE = "keras_infomax.private"

# Modules and attributes that their packages do not mean for others.
HIDDEN = re.compile(
    r"\bkeras\.src\b|\bkeras_tuner\.src\b|\btensorflow\.(python|core|compiler)\b"
    r"|\b__internal__\b|\bctypes\b|\brenameat2\b"
)
# Names with an underscore that are documented, or are no names of objects.
DOCUMENTED = {"os._exit"}
NO_NAMES = {
    # Attributes in the format of SavedModels.
    "keras_infomax.saved_model.safety": {
        *("_construction_context", "_gradient_op_type", "_input_shapes"),
        *("_has_manual_control_dependencies", "_lower_using_switch_merge"),
        *("_num_original_outputs", "_output_shapes", "_read_only_resource_inputs"),
        "_user_specified_name",
    },
}


def sources():
    """Path, module name and syntax tree of every module but the private one."""
    for package in PACKAGES:
        root = pathlib.Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            parts = (package.__name__, *path.relative_to(root).with_suffix("").parts)
            name = ".".join(part for part in parts if part != "__init__")
            if name != PRIVATE:
                yield path, name, ast.parse(path.read_text(encoding="utf-8"))


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def defined(tree):
    """Names with an underscore that a tree gives to functions, classes and values."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if ast.unparse(node.value) == "self":
                yield node.attr


def uses(name, tree, ours):
    """Uses of what is not ours, each with its line."""
    formatted = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    ends = {part for node in formatted for part in node.values[1:]}
    for node in ast.walk(tree):
        found = None
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [getattr(node, "module", None) or ""]
            parts = ".".join([*modules, *(alias.name for alias in node.names)])
            if any(map(is_private, parts.split("."))):
                found = parts
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            of_super = ast.unparse(node.value).startswith("super(")
            if node.attr not in ours or of_super:
                found = ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_name = re.fullmatch(r"_[A-Za-z]\w+", node.value)
            of_ours = ours | NO_NAMES.get(name, set())
            if is_name and node not in ends and node.value not in of_ours:
                found = repr(node.value)
        elif isinstance(node, ast.keyword) and node.arg and is_private(node.arg):
            found = f"{node.arg}="
        if found and found not in DOCUMENTED:
            yield f"{name}, line {node.lineno}: {found}"


def test_private_names_of_others_stand_in_one_module():
    trees = list(sources())
    ours = {n for _, _, tree in trees for n in defined(tree) if is_private(n)}
    found = [use for _, name, tree in trees for use in uses(name, tree, ours)]
    for path, name, _ in trees:
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [
            f"{name}, line {number}: {line.strip()}"
            for number, line in enumerate(lines, 1)
            if HIDDEN.search(line)
        ]
    assert not found, (
        "Private names of other packages belong into keras_infomax/private.py, with a "
        "sentence why: " + "; ".join(found)
    )


@pytest.mark.parametrize(
    "line",
    [
        "from keras.src.backend.common import global_state",
        "import ctypes",
        "flag = tf.__internal__.distribute.strategy_supports_no_merge_call()",
    ],
)
def test_hidden_modules_are_seen(line):
    assert HIDDEN.search(line)


@pytest.mark.parametrize(
    "line",
    [
        "layers = model._flatten_layers()",
        "from keras import _tf_keras",
        "found = getattr(callback, '_should_save_on_batch')",
        "model.evaluate(x, _use_cached_eval_dataset=True)",
        "self._iterations + 1",
        "super()._ours()",
    ],
)
def test_private_names_are_seen(line):
    assert list(uses("a_module", ast.parse(line), {"_ours"}))
    assert not list(uses("a_module", ast.parse("self._ours(_ours)"), {"_ours"}))


def is_of_another_backend(name):
    """Whether a module is for a backend that may not be installed."""
    backend = name.rpartition("_")[2]
    return backend in backends.BACKENDS and backend != backends.name()


def names_of_class(kind):
    """Names with an underscore that the body of a class defines or sets on itself."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind)))
    return {name for name in defined(tree) if is_private(name)} - {kind.__name__}


def names_of_bases(kind):
    """Names with an underscore that classes of other packages use on themselves."""
    own = tuple(f"{package.__name__}." for package in PACKAGES)
    found = set()
    for base in kind.__mro__:
        if base is object or f"{base.__module__}.".startswith(own):
            continue
        found |= {name for name in vars(base) if is_private(name)}
        with contextlib.suppress(OSError, TypeError):  # Those of C have no source.
            found |= set(re.findall(r"self\.(_[a-z]\w*)", inspect.getsource(base)))
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_classes_take_no_private_names_of_their_bases():
    """By chance or not: such a method or attribute would change what a base does."""
    found = []
    for _, name, _ in sources():
        # Programs have no classes, and could not be imported together.
        if not name.startswith("keras_infomax") or is_of_another_backend(name):
            continue
        for kind in vars(importlib.import_module(name)).values():
            if inspect.isclass(kind) and kind.__module__ == name:
                taken = names_of_class(kind) & names_of_bases(kind)
                found += [
                    f"{name}.{kind.__name__}.{taken_name}" for taken_name in taken
                ]
    assert not found, (
        "A base class of another package has these names for itself; choose others, or "
        "put what must override one into keras_infomax/private.py: " + ", ".join(found)
    )


def parts_of_private():
    return {
        name: part
        for name, part in vars(private).items()
        if getattr(part, "__module__", None) == PRIVATE and not name.startswith("_")
    }


def test_every_private_use_has_a_reason_and_a_test():
    tested = set(
        re.findall(r"private\.(\w+)", inspect.getsource(sys.modules[__name__]))
    )
    for name, part in parts_of_private().items():
        assert len((part.__doc__ or "").split()) > 12, f"{name} has no reason."
        assert name in tested, f"{name} has no test here."


@contextlib.contextmanager
def relied_on(what):
    """Says what a newer release has changed, if a test fails."""
    try:
        yield
    except Exception as error:
        pytest.fail(
            f"{what} is no longer what keras_infomax/private.py takes it for, or no "
            f"longer needed: {error!r}"
        )


# TensorFlow: datasets.


@relied_on("tf.data.Dataset's constructor, _variant_tensor and _inputs")
def test_a_dataset_of_another_is_one_and_goes_by_its_options():
    options = tf.data.Options()
    options.deterministic = False
    inner = tf.data.Dataset.range(5).with_options(options)
    outer = private.dataset_of_another()(inner)
    assert isinstance(outer, tf.data.Dataset)
    assert outer.element_spec == inner.element_spec
    assert outer.options().deterministic is False
    assert list(outer.map(lambda x: x + 1).as_numpy_iterator()) == [1, 2, 3, 4, 5]
    assert len(outer) == 5


# Keras: layers and variables.


class Holder(keras.layers.Layer):
    """A layer with others in all kinds of places."""

    def __init__(self):
        super().__init__(name="holder")
        self.one = keras.layers.Dense(2, name="one")
        self.several = [keras.layers.Dense(2, name="first"), (self.one,)]
        inner = keras.Sequential([keras.layers.Dense(2, name="deep")], name="inner")
        self.named = {"a": inner}

    def build(self, shape):
        self.one.build(shape)

    def call(self, x):
        return self.one(x)


@relied_on("keras.Layer._flatten_layers")
def test_layers_are_found_at_any_depth_and_once():
    model = keras.Sequential([Holder()], name="model")
    found = [layer.name for layer in private.layers(model)]
    assert found[:2] == ["model", "holder"]
    of_holder = ["deep", "first", "holder", "inner", "one"]
    assert sorted(found[1:]) == of_holder
    assert private.layers(model, include_self=False) == private.layers(model)[1:]
    (holder,) = model.layers
    assert private.layers(holder)[0] is holder
    assert sorted(layer.name for layer in private.layers(holder)) == of_holder


class AddsLoss(keras.layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(x))
        return x


@relied_on("keras.Layer._loss_ids")
def test_losses_are_known_to_the_layer_that_added_them():
    adds = AddsLoss()
    regular = keras.layers.Dense(1, kernel_regularizer="l2")
    active = keras.layers.Dense(1, activity_regularizer="l2")
    model = keras.Sequential([keras.Input((2,)), adds, regular, active])
    with keras.StatelessScope(collect_losses=True) as scope:
        model(np.ones((3, 2), "float32"), training=True)
        assert len(scope.losses) == 2
        have = [private.has_added_losses(p) for p in (model, adds, regular, active)]
    assert have == [False, True, False, True]


@relied_on("keras.Layer._trainable_variables")
def test_variables_that_gradients_change_are_known_while_they_are_frozen():
    normalized = keras.layers.BatchNormalization()
    inner = keras.Sequential([keras.layers.Dense(2), normalized])
    model = keras.Sequential([keras.Input((2,)), inner, keras.layers.Dropout(0.5)])
    learned = model.trainable_variables
    inner.layers[0].trainable = False
    model.trainable = False
    assert len(learned) == 4
    assert not model.trainable_variables
    assert [id(v) for v in private.learned_variables(model)] == [*map(id, learned)]


@relied_on("keras.metrics.MeanMetricWrapper._fn or _fn_kwargs")
def test_the_function_of_a_mean_is_known():
    function = keras.metrics.sparse_categorical_crossentropy
    metric = keras.metrics.MeanMetricWrapper(function, from_logits=True)
    found = private.averaged_function(metric)
    assert found == (function, {"from_logits": True})


@relied_on("keras.Variable._direct_assign")
def test_a_variable_is_assigned_in_a_scope_that_only_notes():
    variable = keras.Variable([1.0, 2.0])
    with keras.StatelessScope():
        variable.assign([3.0, 4.0])
    assert variable.numpy().tolist() == [1, 2]
    with keras.StatelessScope():
        private.assign_at_once(variable, [3.0, 4.0])
    assert variable.numpy().tolist() == [3, 4]


@relied_on("keras.utils.set_random_seed and the state global_seed_generator")
def test_seeds_reach_what_draws_without_a_generator_of_its_own():
    drawn = []
    for _ in range(2):
        private.set_random_seed(4)
        drawn.append(np.array(keras.random.normal((2,))).tolist())
        keras.random.normal((2,))
    assert drawn[0] == drawn[1]


@relied_on("keras.Variable._value")
def test_a_variable_has_its_numbers_in_one_of_tensorflow():
    of_tensorflow = tf.Variable([1.0, 2.0])
    variable = private.variable_of(of_tensorflow, True, "shared")
    variable.assign([3.0, 4.0])
    assert of_tensorflow.numpy().tolist() == [3, 4]
    of_tensorflow.assign([5.0, 6.0])
    assert variable.numpy().tolist() == [5, 6]
    assert (variable.name, variable.trainable) == ("shared", True)


# Keras: what a run keeps on the model.


def regression(kind=keras.Sequential, **compiled):
    model = kind([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", **compiled)
    return model


DATA = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
METHODS = ("fit", "evaluate", "predict")
ON_BATCH = ("train_on_batch", "test_on_batch", "predict_on_batch")


@pytest.mark.parametrize("method", [*METHODS, *ON_BATCH])
def test_all_that_a_run_sets_on_a_model_is_known(method):
    with relied_on(f"What keras.Model.{method} sets on the model"):
        known = private.state_of_run(keras.Sequential(), method).keys()
        source = inspect.getsource(getattr(keras.Model, method))
        assert set(re.findall(r"\bself\.(\w+) = ", source)) <= known


@relied_on("keras.Model._eval_epoch_iterator")
def test_the_state_of_a_run_is_found_on_the_model():
    found = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: found.append(private.state_of_run(model, "fit"))
    )
    model = regression()
    model.fit(*DATA, validation_data=DATA, verbose=0, callbacks=[look])
    (state,) = found
    assert state["history"] is model.history
    assert state["stop_training"] is False
    assert state["_eval_epoch_iterator"].num_batches == 1


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@relied_on("keras.Model._initial_epoch")
def test_the_epoch_of_a_restored_run_is_forgotten(tmp_path):
    model = regression()
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*DATA, epochs=3, verbose=0, callbacks=[backup, Interrupt()])
    restored = model.fit(*DATA, epochs=3, verbose=0, callbacks=[backup])
    assert 0 not in restored.epoch
    # Keras goes on from there in any later run.
    assert model.fit(*DATA, epochs=1, verbose=0).epoch == []
    assert private.state_of_run(model, "fit")["_initial_epoch"] > 0
    private.forget_restored_epoch(model)
    assert private.state_of_run(model, "fit")["_initial_epoch"] is None
    assert model.fit(*DATA, epochs=1, verbose=0).epoch == [0]


class Evaluated(keras.Sequential):
    in_fit = None

    def evaluate(self, *args, **kwargs):
        self.in_fit = private.is_in_fit(kwargs)
        if self.in_fit:
            private.set_steps_of_validation(self, 1)
            self.steps_per_execution = 1
        return super().evaluate(*args, **kwargs)


@relied_on(
    "The argument _use_cached_eval_dataset, and keras.Model._eval_epoch_iterator"
)
def test_the_validation_of_fit_is_known_and_takes_other_steps():
    begun = []
    look = keras.callbacks.LambdaCallback()
    look.on_test_batch_begin = lambda batch, logs=None: begun.append(batch)
    model = regression(Evaluated, steps_per_execution=4)
    batches = tf.data.Dataset.from_tensor_slices(DATA).batch(2)
    model.fit(batches, validation_data=batches, verbose=0, callbacks=[look])
    assert model.in_fit is True
    assert begun == [0, 1, 2, 3]
    model.evaluate(*DATA, verbose=0)
    assert model.in_fit is False


class Looking(private.BuiltBySteps, keras.Sequential):
    looked = 0

    def look_at(self, data):
        self.looked += 1
        return self(data[0])


@relied_on("keras.Model._symbolic_build")
def test_a_model_is_built_by_what_a_step_computes():
    model = regression(Looking)
    model._symbolic_build(data_batch=DATA)
    assert model.looked == 0  # All of it is built.
    model.compile("sgd", "mse", metrics=["mae"])
    model._symbolic_build(data_batch=DATA)
    assert model.looked == 1
    parameters = inspect.signature(keras.Model._symbolic_build).parameters
    assert [*parameters] == ["self", "iterator", "data_batch"]


class Built(private.BuiltBeforeFit, keras.Sequential):
    asked = 0

    def _maybe_symbolic_build(self, *args, **kwargs):
        self.asked += 1
        super()._maybe_symbolic_build(*args, **kwargs)


@relied_on("keras.Model._maybe_symbolic_build")
def test_a_built_model_is_not_built_from_data(strategy):
    with strategy.scope():
        built, plain = regression(Built), regression()
    part = [array[:3] for array in DATA]
    # Keras cannot average what does not divide evenly.
    with pytest.raises(tf.errors.InvalidArgumentError, match="same size"):
        plain.fit(*part, batch_size=3, verbose=0)
    for method in ("fit", "evaluate"):
        getattr(built, method)(*part, batch_size=3, verbose=0)
    assert built.asked == 2
    assert built.optimizer.built
    parameters = inspect.signature(keras.Model._maybe_symbolic_build).parameters
    assert [*parameters] == ["self", "iterator", "data_batch"]


@relied_on("_update_progbar and _should_save_on_batch of keras.callbacks")
def test_hooks_of_keras_without_effect_are_known(tmp_path):
    made = {
        "checkpoint": (keras.callbacks.ModelCheckpoint, {}),
        "every 5": (keras.callbacks.ModelCheckpoint, {"save_freq": 5}),
        "backup": (keras.callbacks.BackupAndRestore, {}),
    }
    hook = "on_train_batch_end"
    ignore = {}
    for name, (kind, options) in made.items():
        callback = kind(str(tmp_path / "a.keras"), **options)
        ignore[name] = private.ignores_batches(callback, hook)
        if ignore[name]:
            assert callback._should_save_on_batch(5) is False

        class Always(kind):
            def _should_save_on_batch(self, batch):
                raise KeyboardInterrupt

        always = Always(str(tmp_path / "a.keras"), **options)
        always.set_model(regression())
        assert not private.ignores_batches(always, hook)
        with pytest.raises(KeyboardInterrupt):
            always.on_train_batch_end(1)
    assert ignore == {"checkpoint": True, "every 5": False, "backup": True}
    if hasattr(keras.callbacks, "OrbaxCheckpoint"):  # Since Keras 3.13.
        assert inspect.isfunction(keras.callbacks.OrbaxCheckpoint._should_save_on_batch)

    class Progress(keras.callbacks.ProgbarLogger):
        def _update_progbar(self, batch, logs=None):
            raise KeyboardInterrupt

    assert private.ignores_batches(keras.callbacks.ProgbarLogger(), hook)
    assert not private.ignores_batches(Progress(), hook)
    with pytest.raises(KeyboardInterrupt):
        Progress().on_train_batch_end(1)
    for kind in (keras.callbacks.Callback, keras.callbacks.History):
        assert private.ignores_batches(kind(), hook)


# Keras: names and files.


@relied_on("The counts object_name_uids of Keras")
def test_names_are_counted_from_where_they_are_told():
    before = private.name_counts()
    counts = collections.defaultdict(int)
    private.set_name_counts(counts)
    try:
        names = [keras.layers.Dense(1).name for _ in range(2)]
        assert names == ["dense", "dense_1"]
        assert private.name_counts() is counts
        assert counts["dense"] == 2
    finally:
        private.set_name_counts(before)


@relied_on("ObjectSharingScope of Keras, and the key shared_object_id")
def test_configs_of_an_object_that_is_seen_again_are_marked():
    layer, other = keras.layers.Dense(1), keras.layers.Dense(1)

    def mark(of):
        config = keras.saving.serialize_keras_object(of)
        return config.get(private.SHARED_OBJECT)

    mark(layer)
    assert mark(layer) is None
    with private.marking_shared_objects():
        assert (mark(layer), mark(other)) == (None, None)
        with private.marking_shared_objects():  # It knows what the outer one has seen.
            assert mark(layer) is not None
        assert mark(layer) == mark(layer) != mark(other)
    assert mark(layer) is None


@relied_on("in_safe_mode and SafeModeScope of Keras")
def test_safe_mode_is_known_to_what_is_loaded():
    modes = []

    @keras.saving.register_keras_serializable("test_private")
    class Asks(keras.layers.Layer):
        @classmethod
        def from_config(cls, config):
            modes.append(private.in_safe_mode())
            return cls(**config)

    config = keras.saving.serialize_keras_object(Asks())
    for asked in (True, False):
        keras.saving.deserialize_keras_object(config, safe_mode=asked)
    assert modes == [True, False]
    assert private.in_safe_mode() is None
    for mode in (True, False):
        with private.safe_mode(mode):
            assert private.in_safe_mode() is mode
    assert private.in_safe_mode() is None


# TensorFlow.


@relied_on("tf.__internal__.distribute.strategy_supports_no_merge_call")
def test_whether_updates_are_merged_is_known_of_a_strategy(strategy):
    assert private.merges_updates() is False
    with strategy.scope():
        assert private.merges_updates() is True


# keras-tuner.


def oracle_of(kind=keras_tuner.oracles.RandomSearchOracle, choices=3, **options):
    hp = keras_tuner.HyperParameters()
    hp.Choice("x", list(range(choices)))
    objective = keras_tuner.Objective("score", "max")
    return kind(objective=objective, hyperparameters=hp, max_trials=20, **options)


def tuner_of(oracle, folder, run=lambda trial: {"score": 1.0}):
    class Tuner(keras_tuner.Tuner):
        def run_trial(self, trial, **kwargs):
            return run(trial)

    return Tuner(oracle=oracle, directory=folder, project_name="search")


@relied_on("_get_oracle_fname and _get_tuner_fname of keras-tuner")
def test_the_files_of_a_search_are_known(tmp_path):
    tuner = tuner_of(oracle_of(), tmp_path)
    tuner.save()
    assert private.oracle_file(tuner.oracle).is_file()
    assert private.tuner_file(tuner).is_file()
    assert {path.parent for path in tmp_path.rglob("*.json")} == {
        private.oracle_file(tuner.oracle).parent
    }
    assert private.oracle_file(tuner.oracle).parent == tmp_path / "search"


class Writes(private.WritesTrials, keras_tuner.oracles.RandomSearchOracle):
    written = ()

    def write_trial(self, trial):
        self.written = (*self.written, trial.status)


@relied_on("keras_tuner.Oracle._save_trial")
def test_an_oracle_writes_the_files_of_all_trials_itself(tmp_path):
    tuner = tuner_of(oracle_of(Writes), tmp_path)
    tuner.search(verbose=0)
    assert tuner.oracle.written.count("COMPLETED") == 3
    assert "RUNNING" in tuner.oracle.written
    assert not list(tmp_path.rglob("trial.json"))


class Learns(private.LearnsFromOthers, keras_tuner.oracles.BayesianOptimizationOracle):
    learned = ()

    def trials_to_learn_from(self):
        self.learned = (*self.learned, len(self.trials))
        return self.trials


def bayesian(folder, kind=Learns):
    """A tuner of a Bayesian oracle that has seen as many trials as it draws itself."""
    tuner = tuner_of(oracle_of(kind, choices=50, seed=1), folder)
    tuner.oracle.max_trials = 3
    tuner.search(verbose=0)
    return tuner


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@relied_on("_vectorize_trials of keras-tuner's Bayesian oracle")
def test_a_bayesian_oracle_learns_from_the_trials_it_is_given(tmp_path):
    oracle = bayesian(tmp_path).oracle
    assert oracle.learned == ()
    trials = oracle.trials
    assert oracle.populate_space("3")["status"] == "RUNNING"
    assert oracle.learned == (3,)
    assert oracle.trials is trials


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@relied_on("_random_state of keras-tuner's Bayesian oracle")
def test_a_bayesian_oracle_looks_where_its_seed_says(tmp_path, monkeypatch):
    oracle, drawn = bayesian(tmp_path).oracle, []

    def noted(function, x0, **options):
        if function.__module__.startswith("keras_tuner."):
            drawn.append(x0)
        return minimize(function, x0, **options)

    minimize = scipy.optimize.minimize
    monkeypatch.setattr(scipy.optimize, "minimize", noted)
    first = []
    for seed in (7, 8, 7):
        private.draw_from(oracle, seed)
        oracle.populate_space("3")
        first.append(drawn[0].tolist())
        drawn.clear()
    assert first[0] == first[2] != first[1]


@relied_on("_compare, _ordered_ids and _populate_next of keras-tuner's grid")
def test_a_grid_goes_on_where_it_was(tmp_path):
    kind = keras_tuner.oracles.GridSearchOracle
    first = tuner_of(oracle_of(kind), tmp_path)
    first.oracle.max_trials = 1
    first.search(verbose=0)
    first.save()
    lost = tuner_of(oracle_of(kind), tmp_path).oracle
    assert lost.populate_space("1")["status"] == "STOPPED"
    found = tuner_of(oracle_of(kind), tmp_path).oracle
    private.find_place_in_grid(found)
    assert found.populate_space("1")["values"] == {"x": 1}


def fail(trial):
    raise keras_tuner.errors.FailedTrialError("It failed.")


@relied_on("keras_tuner.src.config.DEBUG")
def test_failures_of_trials_are_not_printed(tmp_path, capsys):
    for number, scope in enumerate(
        (contextlib.nullcontext, private.without_tracebacks_of_trials)
    ):
        oracle = oracle_of(choices=2, max_consecutive_failed_trials=9)
        tuner = tuner_of(oracle, tmp_path / str(number), fail)
        with scope():
            tuner.search(verbose=0)
        assert ("Traceback" in capsys.readouterr().err) is (number == 0)
        assert [trial.status for trial in oracle.trials.values()] == ["FAILED"] * 2


@relied_on("The print in keras_tuner.src.engine.conditions")
def test_what_is_sent_is_not_printed(capsys):
    condition = conditions.Parent("critic", ["mlp"])
    condition.to_proto()
    assert capsys.readouterr().out == "mlp\n"
    with private.without_prints_of_conditions():
        assert condition.to_proto().parent.name == "critic"
    assert capsys.readouterr().out == ""
    condition.to_proto()
    assert capsys.readouterr().out == "mlp\n"


# The system.


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone swaps paths")
@relied_on("renameat2 of the C library")
def test_folders_are_swapped_in_one_step(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / folder.name).touch()
    assert private.exchange(old, new)
    assert [path.name for path in old.iterdir()] == ["new"]
    assert [path.name for path in new.iterdir()] == ["old"]
    assert not private.exchange(old, tmp_path / "missing")
