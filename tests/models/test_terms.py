"""Terms: which pairs are true, which are negatives, and what they score."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_infomax as kim

RNG = np.random.default_rng(0)
ROWS, LOCATIONS, DIM = 3, 4, 5
GLOBAL = RNG.normal(size=(ROWS, DIM)).astype("float32")
SEQUENCE = RNG.normal(size=(ROWS, LOCATIONS, DIM)).astype("float32")
OTHER = RNG.normal(size=(ROWS, LOCATIONS, DIM)).astype("float32")
ENCODINGS = {"global": GLOBAL, "sequence": SEQUENCE, "other": OTHER}


def scored(*args, **kwargs):
    partners, scores = kim.Term(*args, critic="inner_product", **kwargs)(ENCODINGS)
    return ops.convert_to_numpy(partners), ops.convert_to_numpy(scores)


def test_one_location_has_all_locations_of_its_example_as_partners():
    partners, scores = scored("global", "sequence")
    np.testing.assert_array_equal(
        partners, np.arange(ROWS * LOCATIONS).reshape(ROWS, LOCATIONS)
    )
    np.testing.assert_allclose(
        scores, GLOBAL @ SEQUENCE.reshape(-1, DIM).T, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("negatives", kim.models.terms.NEGATIVES)
def test_columns_are_those_that_are_not_left_out(negatives):
    term = kim.Term("sequence", "other", "inner_product", negatives=negatives)
    assert term.columns(ROWS) is None  # Before it has seen the locations.
    _, scores = term(ENCODINGS)
    counted = np.isfinite(ops.convert_to_numpy(scores)).sum(axis=1)
    assert set(counted) == {term.columns(ROWS)}
    several = kim.Term("global", "sequence", "inner_product")
    several(ENCODINGS)
    assert several.columns(ROWS) is None
    single = kim.Term("global", "global", "inner_product")
    single(ENCODINGS)
    assert single.columns(ROWS) == ROWS


def test_the_ceiling_of_simclr_is_that_of_both_views():
    model = kim.methods.simclr((6, 6, 1), "mlp", 4, (3,))
    model.compile("sgd", "infonce")
    assert model.ceiling(16) == pytest.approx(np.log(2 * 16 - 1))
    # With views that are alike, and unlike those of all others, it is reached.
    term = kim.Term("views", "swapped", kim.critics.CosineCritic(0.01))
    unlike = np.repeat(np.eye(16, dtype="float32")[:, None], 2, axis=1)
    partners, scores = term({"views": unlike, "swapped": unlike})
    reached = kim.losses.InfoNCE().estimate(partners, scores)
    assert float(reached) == pytest.approx(model.ceiling(16), rel=1e-5)


@pytest.mark.parametrize("negatives", kim.models.terms.NEGATIVES)
def test_equally_many_locations_are_paired_one_by_one(negatives):
    partners, scores = scored("sequence", "other", negatives=negatives)
    np.testing.assert_array_equal(partners, np.arange(ROWS * LOCATIONS))
    for row in range(ROWS * LOCATIONS):
        for column in range(ROWS * LOCATIONS):
            (i, t), (j, u) = divmod(row, LOCATIONS), divmod(column, LOCATIONS)
            kept = {
                "other_examples": i != j,
                "same_position": t == u,
                "all_positions": True,
                "same_example": i == j,
            }[negatives] or row == column
            product = SEQUENCE[i, t] @ OTHER[j, u]
            expected = product if kept else -np.inf
            assert scores[row, column] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_feature_map_is_its_locations_in_order():
    maps = {**ENCODINGS, "map": SEQUENCE.reshape(ROWS, 2, 2, DIM)}
    _, scores = kim.Term("global", "map", "inner_product")(maps)
    np.testing.assert_allclose(scores, scored("global", "sequence")[1], rtol=1e-6)


def test_config_keeps_everything():
    term = kim.Term(
        "a", "b", "mlp", 0.5, "same_position", kim.losses.SemiHard(0.3), name="c"
    )
    serialized = keras.saving.serialize_keras_object(term)
    copy = keras.saving.deserialize_keras_object(serialized)
    assert copy.get_config() == term.get_config()
    assert (copy.name, copy.weight, copy.mask.margin) == ("c", 0.5, 0.3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sequence", "global"), "'sequence' must have one location, or as many"),
        (("global", "nothing"), "must return an encoding 'nothing'"),
        (
            ("global", "sequence", "bilinear", 1.0, "same_position"),
            "needs encodings with the same number of locations",
        ),
        (
            ("global", "global", "bilinear", 1.0, "same_example"),
            "needs encodings of several locations",
        ),
        (("global", "other", "bilinear", -1.0), "weight must be a finite number"),
        (("global", "other", "bilinear", 1.0, "none"), "negatives must be one of"),
    ],
)
def test_what_cannot_be_scored(arguments, message):
    with pytest.raises(ValueError, match=message):
        kim.Term(*arguments)(ENCODINGS)


class TestNetworksAndTerms:
    def model(self, **kwargs):
        image = keras.Input((8, 8, 1))
        features = keras.layers.Conv2D(6, 3, strides=2, activation="relu")(image)
        code = keras.layers.Dense(5)(keras.layers.Flatten()(features))
        network = keras.Model(image, {"code": code, "map": features})
        terms = [
            kim.Term("code", "map", "mlp", name="local"),
            kim.Term("code", "code", "inner_product", weight=0.25, name="own"),
        ]
        return kim.InfoMax(network=network, terms=terms, **kwargs)

    def test_loss_and_estimate_are_weighted_sums(self):
        images = RNG.random((12, 8, 8, 1), dtype="float32")
        model = self.model()
        model.compile("sgd", kim.losses.JensenShannon())
        logs = model.evaluate((images,), batch_size=12, verbose=0, return_dict=True)
        encodings = model.encode(images)
        pairs = [term(encodings) for term in model.terms]
        weights = (1.0, 0.25)
        values, estimates = (
            [float(np.mean(bound(scores, partners))) for partners, scores in pairs]
            for bound in (kim.bounds.jensen_shannon, kim.bounds.infonce)
        )
        assert logs["loss"] == pytest.approx(-np.dot(weights, values), rel=1e-4)
        assert logs["mi"] == pytest.approx(np.dot(weights, estimates), rel=1e-4)
        assert logs["mi_local"] == pytest.approx(estimates[0], rel=1e-4)
        assert logs["mi_own"] == pytest.approx(estimates[1], rel=1e-4)

    def test_saved_with_its_layers_shared(self, tmp_path):
        images = RNG.random((16, 8, 8, 1), dtype="float32")
        model = self.model()
        model.compile("adam", kim.losses.InfoNCE())
        model.fit((images,), batch_size=8, verbose=0)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert len(loaded.trainable_variables) == len(model.trainable_variables) == 8
        histories = [
            m.fit((images,), batch_size=8, verbose=0, shuffle=False).history
            for m in (model, loaded)
        ]
        assert histories[0] == histories[1]
        np.testing.assert_array_equal(
            loaded.predict(images, verbose=0), model.predict(images, verbose=0)
        )

    def test_the_representation_may_be_of_any_view(self):
        views = [keras.Input((3,)) for _ in range(3)]
        encodings = {f"view_{i}": keras.layers.Dense(2)(v) for i, v in enumerate(views)}
        terms = [kim.Term("view_0", "view_1"), kim.Term("view_0", "view_2")]
        network = keras.Model(views, encodings)
        model = kim.InfoMax(network=network, terms=terms, representation="view_2")
        batch = tuple(RNG.normal(size=(3, 4, 3)).astype("float32"))
        expected = network(batch)["view_2"]
        np.testing.assert_allclose(model.predict(batch, verbose=0), expected)
        np.testing.assert_allclose(model.predict(batch[2], verbose=0), expected)

    def test_the_representation_must_be_there(self):
        with pytest.raises(ValueError, match="'nothing' among them; received 'code'"):
            self.model(representation="nothing")

    def test_encoders_or_a_network(self):
        with pytest.raises(ValueError, match="received neither"):
            kim.InfoMax()
        with pytest.raises(ValueError, match="neither encoder_x, encoder_y nor critic"):
            self.model(critic="mlp")

    def test_names_of_terms_are_unique(self):
        network = self.model().network
        terms = [kim.Term("code", "map"), kim.Term("code", "map")]
        with pytest.raises(ValueError, match="Each term must have a name of its own"):
            kim.InfoMax(network=network, terms=terms)
