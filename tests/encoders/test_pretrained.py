"""Encoders that begin with weights of a file, of the Hub, or of KerasHub."""

import json
import shutil
import sys
import types
import zipfile

import keras
import numpy as np
import pytest
from run_checks import assert_same_run

import keras_infomax as kim
from keras_infomax import encoders, training
from keras_infomax.files import hugging_face

VIEW = (14, 28, 1)
SMALL = {"steps": 4, "eval_every": 2, "batch_size": 32}


def make_encoder(shape=VIEW, output_dim=6):
    return encoders.mlp(shape, (8,), output_dim)


@pytest.fixture
def saved(tmp_path):
    encoder = make_encoder()
    path = tmp_path / "start.keras"
    encoder.save(path)
    return encoder, path


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A stand-in of `huggingface_hub`, whose repositories are folders."""
    asked = []

    def snapshot_download(repo_id, revision=None, allow_patterns=None):
        asked.append((repo_id, revision, allow_patterns))
        folder = tmp_path / "hub" / repo_id
        if not folder.is_dir():
            raise RuntimeError(f"404 Client Error.\n\nRepository {repo_id} Not Found")
        return str(folder)

    module = types.SimpleNamespace(snapshot_download=snapshot_download, asked=asked)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    hugging_face.forget()
    yield module
    hugging_face.forget()


@pytest.fixture
def views():
    return np.random.default_rng(0).random((5, *VIEW), "float32")


def assert_equal(encoder, other, views):
    np.testing.assert_array_equal(encoder(views), other(views))


def test_a_file_of_keras_is_the_encoder(saved, views):
    encoder, path = saved
    assert_equal(encoders.pretrained(str(path), VIEW), encoder, views)
    assert_equal(encoders.build(str(path), VIEW), encoder, views)
    assert_equal(encoders.get(str(path))(VIEW, output_dim=6), encoder, views)


@pytest.mark.parametrize("place", ["encoder.keras", "model.keras", "another.keras"])
def test_a_folder_is_searched_for_it(place, saved, views, tmp_path):
    encoder, _ = saved
    (tmp_path / "folder").mkdir()
    encoder.save(tmp_path / "folder" / place)
    assert_equal(encoders.pretrained(f"{tmp_path}/folder", VIEW), encoder, views)


def test_of_an_infomax_it_is_the_encoder_of_the_representation(views, tmp_path):
    pair = kim.InfoMax(make_encoder(), make_encoder(output_dim=3))
    pair.save(tmp_path / "pair.keras")
    found = encoders.pretrained(str(tmp_path / "pair.keras"), VIEW)
    assert_equal(found, pair.encoder_x, views)
    method = kim.methods.simclr(VIEW, make_encoder())
    method.save(tmp_path / "method.keras")
    found = encoders.pretrained(str(tmp_path / "method.keras"), VIEW)
    assert_equal(found, method.encoder_x, views)
    assert found.output_shape == (None, 6)


def test_methods_begin_with_it(saved, views, tmp_path):
    encoder, path = saved
    model = kim.methods.simclr(VIEW, encoder=str(path))
    assert_equal(model.encoder_x, encoder, views)
    towers = kim.methods.two_towers(
        (VIEW, (5,)), (str(path), "tokens"), encoding_dim=6, vocabulary_size=9
    )
    assert_equal(towers.encoder_x, encoder, views)
    make_encoder((7, 14, 1)).save(tmp_path / "quadrant.keras")
    quadrants = kim.methods.cmc(
        VIEW, encoder=str(tmp_path / "quadrant.keras"), encoding_dim=None
    )
    encodings = quadrants.encode((views,))
    assert encodings["representation"].shape == (5, 24)
    # Four copies of one file in one network, each with weights of its own.
    assert len(quadrants.trainable_variables) == 4 * 4
    loaded = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(quadrants)
    )
    loaded.set_weights(quadrants.get_weights())
    again = loaded.encode((views,))["representation"]
    np.testing.assert_array_equal(again, encodings["representation"])


def test_what_does_not_fit_is_refused_at_once(saved, tmp_path):
    _, path = saved
    for source, shape, message in (
        (str(path), (28, 28, 1), r"views of shape \(28, 28, 1\); .*\(rows, 14, 28, 1"),
        (str(path), (392,), r"views of shape \(392,\)"),
        (str(path), {"numbers": (3,)}, r"\{'numbers': \(3,\)\}"),
        (f"{tmp_path}/none.keras", None, "nothing there. Check the path"),
        (__file__, None, "a file .py"),
        (str(tmp_path / "empty"), None, "It has none of them"),
        (str(tmp_path / "damaged.keras"), None, "cannot be loaded; .*may be damaged"),
        (str(tmp_path / "maps.keras"), None, r"gives \(rows, dim\); .*4, 4, 2\)"),
        (str(tmp_path / "two.keras"), None, "several outputs"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "damaged.keras").write_bytes(b"PK")
        image = keras.Input((4, 4, 2))
        keras.Model(image, image + 1.0).save(tmp_path / "maps.keras")
        keras.Model(image, [image, image]).save(tmp_path / "two.keras")
        with pytest.raises(ValueError, match=f"(?s)source of encoder .*{message}"):
            encoders.pretrained(source, shape)
    with pytest.raises(ValueError, match="units must be left out for .*start.keras"):
        encoders.build(str(path), VIEW, units=(8,))
    with pytest.raises(ValueError, match="output_dim must be None or 6.*encoding_dim"):
        encoders.build(str(path), VIEW, output_dim=7)


def test_a_saved_model_alone_is_no_start(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ValueError, match="--formats=saved_model,keras"):
        encoders.pretrained(str(tmp_path))


def test_a_digest_is_of_contents(saved, tmp_path):
    encoder, path = saved
    first = encoders.digest(str(path))
    copy = tmp_path / "copy.keras"
    copy.write_bytes(path.read_bytes())
    assert len(first) == 16
    assert encoders.digest([str(copy), "mlp"]) == first
    assert encoders.digest(["mlp", None, ("convnet",)]) is None
    copy.write_bytes(path.read_bytes() + b" ")
    assert encoders.digest(str(copy)) != first
    assert encoders.digest([str(path), str(copy)]) not in (
        first,
        encoders.digest([str(copy), str(path)]),
    )


def test_runs_and_tables_know_what_they_began_with(saved, tmp_path, digits):
    encoder, path = saved
    config = {**SMALL, "encoder": str(path)}
    settings = training.Settings.resolve(config)
    assert settings.encoder_digest == encoders.digest(str(path))
    identity = training.settings.identity(settings)
    assert str(path) in identity
    assert settings.encoder_digest in identity[-1]
    weights = training.make_experiment(settings, digits).model.encoder_x.get_weights()
    for found, expected in zip(weights, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    (tmp_path / "run").mkdir()
    kept = json.dumps({**settings.as_dict(), "dataset": digits.name})
    (tmp_path / "run" / "config.json").write_text(kept)
    # What lies there has changed: neither is it the same run, nor can this one go on.
    make_encoder().save(path)
    with pytest.raises(ValueError, match="encoder_digest: '.*' there, '.*' here"):
        training.train(config, tmp_path / "run", digits)
    with pytest.raises(ValueError, match="config.encoder_digest must be that of"):
        training.make_experiment(settings, digits)
    with pytest.raises(ValueError, match="config.encoder_digest .* None; received"):
        training.make_experiment(training.Settings(encoder_digest="3f2a"), digits)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["infomax", "simclr"])
def test_a_run_of_it_resumes_exactly(experiment, saved, tmp_path, digits):
    _, path = saved
    config = {**SMALL, "experiment": experiment, "encoder": str(path)}
    if experiment == "simclr":
        config |= {"views": "augmented", "options": {"encoder": config.pop("encoder")}}
        digits = kim.datasets.from_arrays(
            (digits.train_images[:, :14], digits.train_labels),
            (digits.test_images[:, :14], digits.test_labels),
        )
    training.train(config, tmp_path / "whole", digits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.runs.Run, "finish", lambda *_: None)
        training.train(config, tmp_path / "half", digits)
    shutil.rmtree(max((tmp_path / "half" / "checkpoints").iterdir()))
    training.train(config, tmp_path / "half", digits)
    assert_same_run(tmp_path / "half", tmp_path / "whole")


def test_the_hub_gives_files_and_repositories(hub, saved, views, tmp_path):
    encoder, _ = saved
    repository = tmp_path / "hub" / "user" / "name"
    repository.mkdir(parents=True)
    encoder.save(repository / "encoder.keras")
    for source in ("hf://user/name", "hf://user/name@v1/encoder.keras"):
        assert_equal(encoders.pretrained(source, VIEW), encoder, views)
    assert hub.asked[0][:2] == ("user/name", None)
    assert hub.asked[-1] == ("user/name", "v1", ["encoder.keras"])
    assert encoders.digest("hf://user/name") == encoders.digest(
        str(repository / "encoder.keras")
    )
    with pytest.raises(OSError, match="hf://user/none cannot be read: 404 Client"):
        encoders.pretrained("hf://user/none")
    with pytest.raises(OSError, match="has no such file"):
        encoders.pretrained("hf://user/name/other.keras")
    for wrong in ("hf://name", "hf://user/name/../x", "hf:///x/y", "hf://a b/c"):
        with pytest.raises(ValueError, match="source of encoder must be the address"):
            encoders.pretrained(wrong)


def test_the_hub_gives_what_keras_writes_there(hub, saved, views, tmp_path):
    encoder, path = saved
    repository = tmp_path / "hub" / "user" / "name"
    keras.saving.load_model(path)
    zipfile.ZipFile(path).extractall(repository)
    assert (repository / "model.weights.h5").is_file()
    assert_equal(encoders.pretrained("hf://user/name", VIEW), encoder, views)
    before = encoders.digest("hf://user/name")
    weights = repository / "model.weights.h5"
    weights.write_bytes(weights.read_bytes() + b" ")
    assert encoders.digest("hf://user/name") != before


@pytest.mark.parametrize(
    ("source", "module", "extra"),
    [
        ("hf://user/name", "huggingface_hub", "hub"),
        ("keras_hub:resnet_18_imagenet", "keras_hub", "keras_hub"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(source, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    hugging_face.forget()
    for function in (encoders.pretrained, encoders.digest):
        with pytest.raises(ImportError, match=rf"keras_infomax\[{extra}\]"):
            function(source)


class StandIn:
    """KerasHub as far as it is asked: a backbone, a converter, and its presets."""

    def __init__(self, backbone, scale=None, offset=None):
        converter = types.SimpleNamespace(scale=scale, offset=offset)
        presets = {"tiny": {"kaggle_handle": "kaggle://keras/tiny/keras/tiny/4"}}
        self.models = types.SimpleNamespace(
            Backbone=types.SimpleNamespace(
                presets=presets, from_preset=lambda preset: backbone
            )
        )
        self.layers = types.SimpleNamespace(
            ImageConverter=types.SimpleNamespace(from_preset=lambda preset: converter)
        )


def test_a_backbone_of_keras_hub_gets_its_pixels_and_is_pooled(monkeypatch):
    image = keras.Input((None, None, 3))
    backbone = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    stand_in = StandIn(backbone, scale=[1.0, 0.5, 0.25], offset=[-1.0, 0.0, 2.0])
    monkeypatch.setitem(sys.modules, "keras_hub", stand_in)
    encoder = encoders.pretrained("keras_hub:tiny", (8, 8, 3))
    images = np.random.default_rng(0).random((2, 8, 8, 3), "float32")
    scaled = images * 255 * np.float32([1, 0.5, 0.25]) + np.float32([-1, 0, 2])
    expected = np.asarray(backbone(scaled)).mean(axis=(1, 2))
    np.testing.assert_allclose(encoder(images), expected, rtol=1e-5, atol=1e-4)
    # The version stands for the contents.
    assert encoders.digest("keras_hub:tiny") == encoders.digest(
        "keras_hub:kaggle://keras/tiny/keras/tiny/4"
    )
    with pytest.raises(ValueError, match=r"backbone of images of shape \(8, 8, 1\)"):
        encoders.pretrained("keras_hub:tiny", (8, 8, 1))
    with pytest.raises(ValueError, match="preset of KerasHub.*Did you mean 'tiny'"):
        encoders.pretrained("keras_hub:tyni")
    tokens = keras.Input((None,), dtype="int32")
    text = keras.Model(tokens, keras.layers.Embedding(3, 4)(tokens))
    monkeypatch.setitem(sys.modules, "keras_hub", StandIn(text))
    with pytest.raises(ValueError, match="must be a backbone of images; .*int32"):
        encoders.pretrained("keras_hub:tiny")


def test_a_preset_of_keras_hub_itself(tmp_path):
    keras_hub = pytest.importorskip("keras_hub")
    backbone = keras_hub.models.VGGBackbone(
        stackwise_num_repeats=[1, 1],
        stackwise_num_filters=[4, 8],
        image_shape=(None, None, 3),
    )
    backbone.save_to_preset(str(tmp_path / "preset"))
    source = f"keras_hub:{tmp_path}/preset"
    images = np.random.default_rng(0).random((2, 16, 16, 3), "float32")
    # Without an image converter, images stay as they are.
    plain = encoders.pretrained(source, (16, 16, 3))
    expected = np.asarray(backbone(images)).mean(axis=(1, 2))
    np.testing.assert_allclose(plain(images), expected, rtol=1e-5, atol=1e-6)
    before = encoders.digest(source)
    converter = keras_hub.layers.VGGImageConverter(scale=[0.1, 0.2, 0.3], offset=-1.0)
    converter.save_to_preset(str(tmp_path / "preset"))
    assert encoders.digest(source) != before
    scaled = np.asarray(converter(255 * images))
    expected = np.asarray(backbone(scaled)).mean(axis=(1, 2))
    encoder = encoders.pretrained(source, (16, 16, 3))
    np.testing.assert_allclose(encoder(images), expected, rtol=1e-4, atol=1e-5)
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(loaded(images), encoder(images))


def test_names_of_architectures_are_no_sources():
    for name in encoders.ENCODERS:
        assert not encoders.is_source(name)
    for other in (None, 3, make_encoder, ("a.keras",)):
        assert not encoders.is_source(other)
