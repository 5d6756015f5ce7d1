"""Two towers: the loss by its formula, retrieval, prompts, and the example."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import keras_infomax as kim
from keras_infomax.datasets.embedded import WORDS

RNG = np.random.default_rng(0)
IMAGES = RNG.random((12, 8, 8, 1)).astype("float32")
TEXTS = RNG.integers(1, 9, (12, 5)).astype("int32")
TEXTS[:, 3:] = 0
SHAPES = {"image": (8, 8, 1), "text": (5,)}


def towers(**options):
    options = {
        "encoder_units": ((4, 8), (8,)),
        "encoding_dim": 6,
        "vocabulary_size": 9,
        **options,
    }
    return kim.methods.two_towers(SHAPES, **options)


def numpy(value):
    return ops.convert_to_numpy(value)


def test_the_loss_is_that_of_clip():
    model = towers()
    model.compile("sgd", "infonce_symmetric")
    x, y = (
        numpy(encoder(view)).astype("float64")
        for encoder, view in ((model.encoder_x, IMAGES), (model.encoder_y, TEXTS))
    )
    x, y = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (x, y))
    scores = x @ y.T / 0.07
    losses = [
        -np.mean(np.diag(s) - np.log(np.exp(s).sum(axis=1))) for s in (scores, scores.T)
    ]
    # What is reported is a bound: log(rows) less than the cross-entropy.
    expected = np.mean(losses) - np.log(12)
    found = model.evaluate((IMAGES, TEXTS), batch_size=12, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(expected, rel=1e-4)
    assert found["mi"] == pytest.approx(-expected, rel=1e-4)


def test_it_learns_pairs_and_its_temperature_and_is_saved(tmp_path):
    model = towers()
    model.compile(keras.optimizers.Adam(0.01), "infonce_symmetric")
    before = [numpy(weight) for weight in model.critic.trainable_variables]
    history = model.fit((IMAGES, TEXTS), batch_size=12, epochs=20, verbose=0).history
    assert history["mi"][-1] > history["mi"][0] + 0.3
    after = [numpy(weight) for weight in model.critic.trainable_variables]
    assert before
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    model.save(tmp_path / "towers.keras")
    loaded = keras.saving.load_model(tmp_path / "towers.keras")
    np.testing.assert_allclose(
        loaded((IMAGES, TEXTS)), model((IMAGES, TEXTS)), atol=1e-5
    )


def test_the_loss_of_siglip_and_towers_of_other_kinds():
    signals = RNG.normal(size=(12, 20, 2)).astype("float32")
    model = kim.methods.two_towers(
        ((20, 2), (5,)),
        encoder=("causal_convnet", "tokens"),
        encoder_units=((8,), (8,)),
        encoding_dim=6,
        critic="siglip",
        vocabulary_size=9,
    )
    model.compile("adam", "siglip")
    history = model.fit((signals, TEXTS), batch_size=12, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"example_shape": {"image": (8, 8, 1)}}, "the shapes of two parts"),
        ({"encoder": "convnet"}, "encoder must be a pair"),
        ({"encoder_units": (4, 8, 8)}, "encoder_units must be a pair"),
        ({"encoder": ("convnet", "token")}, "Did you mean 'tokens'"),
    ],
)
def test_what_are_no_two_towers_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        kim.methods.two_towers(**{"example_shape": SHAPES, **options})


def test_tokens_beyond_the_end_of_a_text_change_nothing():
    encoder = kim.encoders.tokens((5,), (8, 12), 6, vocabulary_size=9)
    short = kim.encoders.tokens((3,), (8, 12), 6, vocabulary_size=9)
    weights = encoder.get_weights()
    places = [w.shape for w in weights].index((5, 8))
    weights[places] = weights[places][:3]
    short.set_weights(weights)
    np.testing.assert_allclose(short(TEXTS[:, :3]), encoder(TEXTS), atol=1e-5)
    # The order of the tokens counts.
    swapped = TEXTS[:, [1, 0, 2, 3, 4]]
    assert np.abs(numpy(encoder(swapped)) - numpy(encoder(TEXTS))).max() > 1e-3
    assert np.isfinite(numpy(encoder(np.zeros((2, 5), "int32")))).all()


def recall_by_definition(scores, partners, k):
    hits = []
    for row, wanted in zip(scores, partners, strict=True):
        if wanted.any():
            best = np.argsort(-row)[:k]
            hits.append(wanted[best].any())
    return np.mean(hits)


def test_recall_is_that_of_the_definition():
    scores = RNG.normal(size=(40, 25))
    partners = RNG.random((40, 25)) < 0.06
    assert 0 < partners.any(axis=1).sum() < 40
    found = kim.probes.recall_at(scores, partners, ks=(1, 3, 25))
    for k, recall in found.items():
        assert recall == pytest.approx(recall_by_definition(scores, partners, k))
    assert found[25] == 1


def test_scores_that_are_all_equal_find_no_more_than_chance():
    scores, partners = np.zeros((10, 10)), np.eye(10) > 0
    assert kim.probes.recall_at(scores, partners, (1, 4, 5, 10)) == {
        1: 0.0,
        4: 0.0,
        5: 1.0,
        10: 1.0,
    }


def test_retrieval_takes_equal_texts_as_one():
    # The critic scores by the label, so that each image finds its text.
    labels = np.array([0, 1, 2, 0, 1, 2])
    images = np.arange(6, dtype="float32")[:, None]
    encoder_x = keras.Sequential(
        [keras.Input((1,)), keras.layers.Lambda(lambda x: ops.one_hot(x[:, 0] % 3, 3))]
    )
    encoder_y = keras.Sequential(
        [keras.Input((1,)), keras.layers.Lambda(lambda y: ops.one_hot(y[:, 0], 3))]
    )
    model = kim.InfoMax(encoder_x, encoder_y, "inner_product")
    texts = labels[:, None].astype("float32")
    retrieval = kim.callbacks.Retrieval((images, texts), ks=(1, 2))
    retrieval.set_model(model)
    assert retrieval._measure() == {
        f"recall_at_{k}_{way}": 1.0 for way in ("x_to_y", "y_to_x") for k in (1, 2)
    }
    wrong = kim.callbacks.Retrieval((images, (texts + 1) % 3), ks=(1,))
    wrong.set_model(model)
    assert set(wrong._measure().values()) == {0.0}
    named = kim.callbacks.ZeroShot(images, labels, np.arange(3.0)[:, None, None])
    named.set_model(model)
    assert named._measure() == 1.0


def test_zero_shot_is_the_class_of_the_best_mean():
    scores = RNG.normal(size=(30, 4, 5))
    labels = RNG.integers(0, 4, 30)
    expected = np.mean([np.argmax([p.mean() for p in s]) for s in scores] == labels)
    assert kim.probes.zero_shot(scores, labels) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda: kim.callbacks.Retrieval((IMAGES, TEXTS[:3])),
            "the same number of rows",
        ),
        (lambda: kim.callbacks.Retrieval(IMAGES), "views must be a pair of arrays"),
        (
            lambda: kim.callbacks.ZeroShot(IMAGES, np.arange(12), TEXTS[None, :3]),
            "labels must be integers from 0 to 0, one for each of 12 views",
        ),
        (
            lambda: kim.callbacks.ZeroShot(IMAGES, np.zeros(12, int), TEXTS),
            r"prompts must be an array \(classes, prompts",
        ),
        (
            lambda: kim.probes.recall_at(np.eye(3), np.eye(3)),
            "partners must be boolean",
        ),
        (
            lambda: kim.probes.recall_at(np.eye(3), np.zeros((3, 3), bool)),
            "partners must be True somewhere",
        ),
    ],
)
def test_what_cannot_be_retrieved_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_digits_are_described_as_they_are():
    data = kim.datasets.load("digits_and_words")
    numbers = ("zero one two three four five six seven eight nine").split()
    assert len([word for word in WORDS if word]) == 23
    for split, labels in (
        (data.train_examples, data.train_labels),
        (data.test_examples, data.test_labels),
    ):
        texts = [" ".join(WORDS[w] for w in text).split() for text in split["text"]]
        assert all(numbers[c] in t for c, t in zip(labels, texts, strict=True))
        ink = split["image"].sum(axis=(1, 2, 3), dtype="float64")
        kinds = np.array(
            [next(w for w in t if w in ("thin", "plain", "bold")) for t in texts]
        )
        assert ink[kinds == "thin"].max() <= ink[kinds == "plain"].min()
        assert ink[kinds == "plain"].max() <= ink[kinds == "bold"].min()
    shares = [
        np.mean(["upright" in t for t in texts]),
        np.mean(["left" in t for t in texts]),
    ]
    np.testing.assert_allclose(shares, 1 / 3, atol=0.06)
    # A line from the bottom left to the top right leans right.
    from keras_infomax.datasets.embedded import _traits

    line = np.zeros((1, 28, 28, 1), "uint8")
    line[0, np.arange(5, 23), 27 - np.arange(5, 23)] = 255
    assert _traits(line)[0] == pytest.approx([18, 1])
    prompts = [" ".join(WORDS[w] for w in p[0]).split() for p in data.prompts]
    assert prompts[3] == ["a", "thin", "three", "leaning", "left"]
    assert data.prompts.shape == (10, 9, 8)


def test_the_example_trains_measures_and_exports(tmp_path):
    whole = kim.datasets.load("digits_and_words")
    data = dataclasses.replace(
        whole.held_out(np.arange(300), np.arange(300, 400)), name="digits_and_words"
    )
    last = kim.training.train(
        {
            "experiment": "two_towers",
            "views": "parts",
            "bound": "infonce_symmetric",
            "options": {"encoder_units": ((8, 16), (16,)), "encoding_dim": 16},
            "learning_rate": 3e-3,
            "batch_size": 60,
            "steps": 12,
            "eval_every": 12,
        },
        tmp_path / "run",
        data,
    )
    assert last["val_mi"] > 0
    names = {f"recall_at_{k}_{w}" for k in (1, 5, 10) for w in ("x_to_y", "y_to_x")}
    assert names <= set(last)
    assert 0 < last["recall_at_10_x_to_y"] <= 1
    assert 0 <= last["zero_shot_accuracy"] <= 1
    header = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]
    assert "zero_shot_accuracy" in header.split(",")
    for encoder, part in (("x", "image"), ("y", "text")):
        output = tmp_path / encoder
        kim.saved_model.export_workdir(tmp_path / "run", output, encoder=encoder)
        view = kim.datasets.prepared(data.test_examples[part][:3])
        assert tf.saved_model.load(output)(view).shape == (3, 16)


@pytest.mark.slow
def test_the_config_reaches_what_is_told_of_it(tmp_path):
    from keras_infomax.programs import config_files

    config = config_files.load("two_towers", "quick")
    last = kim.training.train(config, tmp_path / "run")
    assert last["zero_shot_accuracy"] > 0.85
    assert last["recall_at_5_x_to_y"] > 0.8
