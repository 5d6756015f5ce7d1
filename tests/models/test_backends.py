"""`InfoMax` on the backend of this process: what it trains, and what it refuses.

The numbers of every backend are compared with those of a file, which TensorFlow wrote:
`python tests/backend_cases.py`.
"""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from backend_cases import CASES, PATH, X, Y, of_pairs, train
from conftest import BACKEND, ROOT

import keras_infomax as kim
from keras_infomax import backends

pytestmark = pytest.mark.backends

# One of a kind; all others are slow.
QUICK = {
    *("bilinear infonce", "bilinear mine", "bilinear vicreg", "mlp infonce"),
    *("encode_and_dot infonce", "conditional_gaussian club", "target", "chunks"),
    *("weights", "clipped", "cmc", "supcon"),
}
NAMES = [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])
    for name in CASES
]


def distance(expected, actual):
    """Largest deviation, as a part of the largest number."""
    return np.abs(expected - actual).max() / (1e-3 + np.abs(expected).max())


# A bank is kept in float32, and a temperature starts from a constant that TensorFlow
# takes through it.
WIDER = {"cmc": 1e-6, "clip infonce": 1e-7, "siglip infonce": 1e-7}


@pytest.mark.parametrize("name", NAMES)
def test_one_trajectory_in_float64(name):
    with np.load(PATH) as expected:
        for key, values in train(CASES[name]).items():
            far = distance(expected[f"{name}|{key}"], values)
            assert far < WIDER.get(name, 1e-10), key


@pytest.mark.parametrize("name", ["bilinear infonce", "mlp infonce"])
def test_one_trajectory_in_float32(name):
    with np.load(PATH) as expected:
        for key, values in train(CASES[name], "float32").items():
            assert distance(expected[f"{name}|{key}"], values) < 2e-5, key


def pairs():
    return X.astype("float32"), Y.astype("float32")


def compiled(loss="infonce", **options):
    model, *_ = of_pairs("bilinear", "infonce")
    model.compile(keras.optimizers.Adam(0.01), loss, **options)
    return model


@pytest.mark.backends("jax", "torch")
def test_importing_the_package_leaves_tensorflow_alone():
    code = "import sys, keras_infomax; print('tensorflow' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert found.stdout.strip() == "False", found.stderr


def test_a_saved_model_goes_on_where_it_was(tmp_path):
    model = compiled(metrics=["accuracy"])
    model.fit(pairs(), batch_size=16, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit(pairs(), batch_size=16, epochs=2, shuffle=False, verbose=0)
    for expected, actual in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


def test_momentum_encoders_follow_every_step():
    view, dense = keras.Input((6,)), keras.layers.Dense(3)
    follower = kim.models.MomentumEncoder(dense, momentum=0.75)
    network = keras.Model(view, {"x": dense(view), "y": follower(view)})
    terms = [kim.Term("x", "y", "inner_product")]
    model = kim.InfoMax(network=network, terms=terms)
    model.compile(keras.optimizers.SGD(0.1), "infonce")
    before = expected = keras.ops.convert_to_numpy(dense.kernel)
    for _ in range(2):
        model.train_on_batch((pairs()[0],))
        kernel = keras.ops.convert_to_numpy(dense.kernel)
        assert np.abs(kernel - before).max() > 1e-3
        expected, before = 0.75 * expected + 0.25 * kernel, kernel
        found = keras.ops.convert_to_numpy(follower.averages[0])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_what_evaluates_and_predicts_agrees_with_the_scores():
    model = compiled()
    x, y = pairs()
    encodings = keras.ops.convert_to_numpy(model.encoder_x(x))
    np.testing.assert_allclose(
        model.predict((x, y), verbose=0), encodings, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        model.predict_on_batch((x, y)), encodings, rtol=1e-5, atol=1e-6
    )
    scores = keras.ops.convert_to_numpy(model((x, y))).astype("float64")
    log_sums = np.log(np.exp(scores).sum(axis=1))
    estimate = np.mean(np.diag(scores) - log_sums) + np.log(len(x))
    logs = model.evaluate((x, y), batch_size=len(x), verbose=0, return_dict=True)
    assert logs["mi"] == pytest.approx(estimate, abs=1e-5)
    logs = model.test_on_batch((x, y), return_dict=True)
    assert logs["mi"] == pytest.approx(estimate, abs=1e-5)
    before = model.get_weights()
    logs = model.train_on_batch((x, y), return_dict=True)
    assert logs["mi"] == pytest.approx(estimate, abs=1e-5)
    moved = zip(before, model.get_weights(), strict=True)
    assert all(np.abs(a - b).max() > 1e-4 for a, b in moved if a.ndim > 1)


def test_callbacks_probe_watch_and_evaluate_in_the_middle_of_a_run(tmp_path):
    x, y = pairs()
    labels = (x[:, 0] > 0).astype(int)

    class Evaluates(keras.callbacks.Callback):
        seen = []

        def on_train_batch_end(self, batch, logs=None):
            # Not self.model, which on JAX would bring its state back.
            self.seen.append(model.evaluate((x, y), batch_size=16, verbose=0))

    plain, model = compiled(), compiled()
    model.set_weights(plain.get_weights())
    probe = kim.callbacks.LinearProbe(train=(x, labels), test=(x, labels))
    board = kim.callbacks.TensorBoard(
        str(tmp_path), views=(x[:16], y[:16]), probe=probe
    )
    options = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
    expected = plain.fit((x, y), **options).history
    history = model.fit(
        (x, y), callbacks=[probe, board, Evaluates()], **options
    ).history
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    for a, b in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert len(Evaluates.seen) == 6
    assert history["probe_accuracy"][-1] > 0.7
    assert list(tmp_path.glob("examples/events*"))


def test_values_that_are_not_finite_stop_the_run():
    x, y = pairs()
    x[20, 0] = np.nan
    with pytest.raises(ValueError, match="must keep the loss and all weights finite"):
        compiled().fit((x, y), batch_size=16, epochs=2, verbose=0)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_learns(policy):
    keras.config.set_dtype_policy(policy)
    model = compiled()
    history = model.fit(pairs(), batch_size=16, epochs=8, verbose=0).history
    assert history["mi"][-1] > history["mi"][0] + 0.05
    assert {w.dtype for w in model.get_weights()} == {np.dtype("float32")}


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        x, y = pairs()
        rows = slice(16 * index, 16 * index + 16)
        return ((x[rows], y[rows]),)


def loader():
    torch = pytest.importorskip("torch")
    data = [
        ((torch.tensor(a), torch.tensor(b)),) for a, b in zip(*pairs(), strict=True)
    ]
    return torch.utils.data.DataLoader(data, batch_size=16)


def stream():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((pairs(),)).batch(16)


@pytest.mark.parametrize("make", [Batches, loader, stream])
@pytest.mark.filterwarnings("ignore:.shuffle=True. was passed:UserWarning")
def test_data_of_every_kind_train_alike(make):
    expected, actual = compiled(), compiled()
    actual.set_weights(expected.get_weights())
    expected.fit(pairs(), batch_size=16, shuffle=False, verbose=0)
    actual.fit(make(), shuffle=False, verbose=0)
    for a, b in zip(expected.get_weights(), actual.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_run_of_the_recipe_is_taken_up_again(digits, tmp_path, monkeypatch):
    from run_checks import assert_resumes

    config = {"steps": 6, "eval_every": 2, "batch_size": 32, "encoder_units": (16,)}
    workdir = assert_resumes(config, digits, tmp_path, monkeypatch)
    versions = json.loads((workdir / "versions.json").read_text())["0"]
    assert versions["backend"] == BACKEND
    assert versions[BACKEND] == backends.version()


def test_streams_give_the_same_views_on_every_backend(digits):
    batches = kim.datasets.pairs(
        digits.train_images, kim.views.Noisy("halves", 0.1), 16, seed=3, num_steps=2
    )
    ((top, bottom),) = list(batches.as_numpy_iterator())[1]
    assert top.shape == (16, 14, 28, 1)
    # Of TensorFlow.
    assert float(top.sum()) == pytest.approx(TOP, abs=1e-3)
    assert float((top * bottom).sum()) == pytest.approx(PRODUCT, abs=1e-3)


TOP, PRODUCT = 647.49725, 158.40112


@pytest.mark.backends("jax", "torch")
@pytest.mark.parametrize(
    ("refused", "what"),
    [
        (lambda: kim.execution.strategies.get("mirrored"), "strategy='mirrored'"),
        (lambda: kim.HubEncoder("exports/encoder"), "HubEncoder"),
        (lambda: kim.saved_model.export(compiled().encoder_x, "out"), "An export"),
        (
            lambda: kim.callbacks.TensorBoard("logs", profile_steps=2),
            "profile_steps=2",
        ),
        (
            lambda: kim.probes.FineTuning(compiled().encoder_x).fit(
                pairs()[0], np.arange(48) % 2
            ),
            "FineTuning",
        ),
        (
            lambda: compiled().fit((np.array([["a"]] * 4), np.ones((4, 4)))),
            "A view of texts",
        ),
    ],
)
def test_what_needs_tensorflow_says_so_in_one_line(refused, what):
    with pytest.raises(
        ValueError, match=f"^{what}.* must run on .*'tensorflow'"
    ) as told:
        refused()
    assert "\n" not in str(told.value)


@pytest.mark.backends("torch")
@pytest.mark.parametrize("options", [{"steps_per_execution": 4}, {"jit_compile": True}])
def test_torch_compiles_nothing(options):
    (argument,) = options
    with pytest.raises(ValueError, match=f"{argument}=.* must run on .*'jax'"):
        compiled(**options)


@pytest.mark.backends("torch")
def test_processes_of_torch_are_refused(monkeypatch):
    import torch

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with pytest.raises(ValueError, match="must be trained by one process"):
        compiled().fit(pairs(), verbose=0)
    with pytest.raises(ValueError, match="must be trained by one process"):
        compiled()(pairs(), with_partners=True)


DEVICES = """
import json, sys
import keras, numpy as np
from backend_cases import CASES, train

names = sys.argv[1:]
alone = {name: train(CASES[name]) for name in names}
keras.distribution.set_distribution(keras.distribution.DataParallel())
found = {}
for name in names:
    shared = train(CASES[name])
    found[name] = max(
        float(np.abs(a - b).max() / (1e-3 + np.abs(a).max()))
        for a, b in zip(
            map(np.asarray, alone[name].values()),
            map(np.asarray, shared.values()),
            strict=True,
        )
    )
print(json.dumps(found))
"""


def on_devices(number, names):
    """How far cases part from one device, in a process of so many devices."""
    environment = {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={number}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    }
    found = subprocess.run(
        [sys.executable, "-c", DEVICES, *names],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout.splitlines()[-1])


@pytest.mark.backends("jax")
def test_two_devices_train_what_one_does():
    for name, far in on_devices(2, ["bilinear infonce", "target"]).items():
        assert far < 1e-10, name


@pytest.mark.slow
@pytest.mark.backends("jax")
@pytest.mark.parametrize("number", [2, 4])
def test_devices_train_every_case_as_one_does(number):
    for name, far in on_devices(number, [*CASES]).items():
        assert far < 1e-10, name
