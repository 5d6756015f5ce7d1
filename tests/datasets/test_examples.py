"""Signals, tables and other data: from arrays, files, packages and functions."""

import dataclasses
import importlib.util
import textwrap

import numpy as np
import pytest
import tensorflow as tf

import keras_infomax as kim
from keras_infomax import datasets

SIGNALS = np.random.default_rng(0).normal(size=(20, 9, 2))
LABELS = np.arange(20) % 4
CSV = """\
city,height,weight,kind,year
Rome,1.0,NA,a,1999
Oslo,3.0,5.0,b,2001
Rome,2.0,7.0,a,1999
,4.0,9.0,b,2001
Oslo,5.0,?,a,1999
"""


def test_examples_keep_their_values_and_become_small():
    examples = {
        "text": np.arange(40, dtype="int64").reshape(20, 2),
        "image": np.full((20, 4, 4, 1), 51, "uint8"),
        "signal": SIGNALS,
    }
    data = datasets.from_examples((examples, LABELS), (examples, None), name="mine")
    assert data.example_shape == {"image": (4, 4, 1), "signal": (9, 2), "text": (2,)}
    dtypes = {key: str(part.dtype) for key, part in data.train_examples.items()}
    assert dtypes == {"image": "uint8", "signal": "float32", "text": "int32"}
    assert data.num_classes == 4
    assert datasets.rows_of(data.train_examples) == 20
    prepared = datasets.prepared(data.train_examples)
    np.testing.assert_allclose(prepared["image"], 0.2)
    part = data.held_out(np.arange(5), np.arange(5, 8))
    np.testing.assert_array_equal(part.test_examples["text"], examples["text"][5:8])
    np.testing.assert_array_equal(part.test_labels, LABELS[5:8])
    assert data.digest != part.digest


def test_streams_keep_the_parts_of_an_example_together():
    number = np.arange(20, dtype="int32")[:, None]
    examples = {
        "a": number,
        "b": 10.0 * number,
        "c": np.array([f"t{i}" for i in range(20)]),
    }
    stream = datasets.pairs(examples, "parts", 8, seed=1, num_steps=3)
    seen = []
    for ((a, b, c),) in stream:
        assert a.shape == (8, 1)
        np.testing.assert_array_equal(10 * a, b)
        assert [f"t{i}".encode() for i in a[:, 0].numpy()] == c.numpy().tolist()
        seen += a[:, 0].numpy().tolist()
    assert len(set(seen[:16])) == 16
    ((whole,),) = next(iter(datasets.pairs(examples, "whole", 8)))
    assert sorted(whole) == ["a", "b", "c"]
    x, labels = next(iter(datasets.labelled(SIGNALS, LABELS, "whole", 8)))
    assert x.dtype == tf.float32
    assert labels.shape == (8,)


@pytest.mark.parametrize(
    ("examples", "match"),
    [
        (SIGNALS * np.nan, "must be finite; received 360 .* row 0"),
        (
            {"a": SIGNALS, "b": SIGNALS[:3]},
            r"the same number in all parts.*\[3, 20\] rows",
        ),
        ({"a": np.full((20, 2), -1)}, r"integers must lie in \[0, 2\^31\)"),
        (
            {"a": np.zeros((20, 5), "uint8")},
            r"of dtype uint8 must be images.*astype\('float32'\)",
        ),
        ({}, "Give each part a name"),
        ({"a": np.zeros((20, 2), complex)}, "Make numbers of them"),
    ],
)
def test_unfit_examples_are_refused(examples, match):
    with pytest.raises(ValueError, match=match):
        datasets.from_examples((examples, None), (examples, None))


def test_splits_must_be_alike():
    with pytest.raises(
        ValueError, match=r"one layout.*\(.rows., 9, 2\).*\('rows', 8, 2"
    ):
        datasets.from_examples((SIGNALS, None), (SIGNALS[:, 1:], None))
    with pytest.raises(ValueError, match="one for each of its 20 examples"):
        datasets.from_examples((SIGNALS, LABELS[1:]), (SIGNALS, None))
    with pytest.raises(ValueError, match="categories must be one number for each"):
        datasets.from_examples((SIGNALS, None), (SIGNALS, None), categories=(2,))


def check_table(data):
    """What `CSV`, split by seed 0 in four rows and one, must have become."""
    order = np.random.default_rng(0).permutation(5)
    heights = np.array([1.0, 3.0, 2.0, 4.0, 5.0])[order]
    weights = np.array([np.nan, 5.0, 7.0, 9.0, np.nan])[order]
    cities = np.array(["Rome", "Oslo", "Rome", "", "Oslo"])[order]
    years = np.array(["1999", "2001", "1999", "2001", "1999"])[order]
    for column, values in enumerate((heights, weights)):
        known = values[:4][~np.isnan(values[:4])]
        expected = np.nan_to_num((values - known.mean()) / known.std(), nan=0.0)
        found = np.concatenate(
            [
                split["numbers"][:, column]
                for split in (data.train_examples, data.test_examples)
            ]
        )
        np.testing.assert_allclose(found, expected, atol=1e-6)
    categories = np.concatenate(
        [split["categories"] for split in (data.train_examples, data.test_examples)]
    )
    for column, values in enumerate((cities, years)):
        known = sorted(set(values[:4]) - {""})
        expected = [known.index(v) + 1 if v in known else 0 for v in values]
        assert categories[:, column].tolist() == expected
        assert data.categories[column] == len(known) + 1
    labels = np.concatenate([data.train_labels, data.test_labels])
    kinds = np.array(["a", "b", "a", "b", "a"])[order]
    assert [data.class_names[label] for label in labels] == kinds.tolist()


def test_tables_from_csv_and_parquet(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(CSV)
    options = {"label": "kind", "categorical": ["year"]}
    check_table(datasets.load(f"csv:{path}", **options))
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    columns = {
        "city": ["Rome", "Oslo", "Rome", None, "Oslo"],
        "height": [1, 3, 2, 4, 5],
        "weight": [None, 5.0, 7.0, 9.0, None],
        "kind": ["a", "b", "a", "b", "a"],
        "year": [1999, 2001, 1999, 2001, 1999],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "table.parquet")
    check_table(datasets.load(f"parquet:{tmp_path / 'table.parquet'}", **options))


def test_a_folder_holds_a_table_for_each_split(tmp_path):
    header, *rows = CSV.splitlines()
    for name, part in (("train", rows[:3]), ("test", rows[3:])):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *part]))
    data = datasets.load(f"csv:{tmp_path}", label="kind")
    assert data.train_labels.tolist() == [0, 1, 0]
    assert data.test_labels.tolist() == [1, 0]
    # Oslo and Rome; the missing city is 0.
    assert data.test_examples["categories"].tolist() == [[0], [1]]


@pytest.mark.parametrize(
    ("text", "options", "match"),
    [
        ("a,a\n1,2\n", {}, "a different name for every column"),
        ("a,b\n1\n", {}, "must have 2 values; received 1 in row 2"),
        ("a,b\n", {}, "must have rows below its first line"),
        ("", {}, "cannot be read as a table"),
        (CSV, {"label": "knd"}, "label must name a column.*Did you mean 'kind'"),
        (CSV, {"label": "weight"}, "must hold a class in every row.*a missing value"),
        (CSV, {"label": "city"}, "must hold a class in every row.*missing values"),
        (CSV, {"categorical": ["yaer"]}, "categorical must name columns.*'year'"),
        (CSV, {"image_size": (8, 8)}, "image_size has no effect"),
        (CSV, {"max_bytes": 10}, "more than max_bytes=10"),
    ],
)
def test_unfit_tables_are_refused(tmp_path, text, options, match):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ValueError, match=match):
        datasets.load(f"csv:{tmp_path / 'table.csv'}", **options)


def test_arrays_from_a_file_of_numpy(tmp_path):
    path = tmp_path / "signals.npz"
    np.savez(path, x=SIGNALS, labels=LABELS)
    data = datasets.load(f"npz:{path}", split_seed=3)
    order = np.random.default_rng(3).permutation(20)
    np.testing.assert_allclose(data.train_examples, SIGNALS[order[:16]], rtol=1e-6)
    assert data.test_labels.tolist() == LABELS[order[16:]].tolist()
    np.savez(
        path,
        train_left=SIGNALS,
        train_right=SIGNALS,
        train_labels=LABELS,
        test_left=SIGNALS[:5],
        test_right=SIGNALS[:5],
    )
    data = datasets.load(f"npz:{path}")
    assert data.example_shape == {"left": (9, 2), "right": (9, 2)}
    assert (len(data.train_labels), data.test_labels) == (20, None)
    np.savez(path, images=np.zeros((10, 4, 4), "uint8"))
    assert datasets.load(f"npz:{path}").image_shape == (4, 4, 1)
    np.savez(path, train_x=SIGNALS, test_x=SIGNALS, x=SIGNALS)
    with pytest.raises(ValueError, match="all belong to a split.*received x besides"):
        datasets.load(f"npz:{path}")
    np.savez(path, x=np.array([None, {}], object))
    with pytest.raises(ValueError, match="cannot be read as a .npz file"):
        datasets.load(f"npz:{path}")
    path.write_text("no zip")
    with pytest.raises(ValueError, match="cannot be read as a .npz file"):
        datasets.load(f"npz:{path}")
    with pytest.raises(ValueError, match="needs the path of an existing .npz file"):
        datasets.load(f"npz:{tmp_path / 'none.npz'}")


def test_functions_of_a_module(tmp_path, monkeypatch):
    (tmp_path / "of_mine.py").write_text(
        textwrap.dedent("""
        import numpy as np
        import tensorflow as tf
        import keras_infomax as kim

        def arrays(split_seed):
            x = np.full((6, 5, 2), float(split_seed), "float32")
            return (x, [0, 1] * 3), (x, None)

        def images():
            x = np.zeros((6, 4, 4, 1), "uint8")
            return (x, None), (x[:2], None)

        def streams():
            rows = tf.data.Dataset.range(6)
            rows = rows.map(lambda i: ({"t": tf.fill([3], i)}, i % 2))
            return rows, rows.take(4)

        def nothing():
            return 3

        number = 3
        """)
    )
    monkeypatch.chdir(tmp_path)
    data = datasets.load("of_mine:arrays", split_seed=7)
    assert (data.train_examples == 7).all()
    assert (data.name, data.test_labels) == ("of_mine:arrays", None)
    assert datasets.load("of_mine:images").image_shape == (4, 4, 1)
    data = datasets.load("of_mine:streams")
    assert data.train_examples["t"].tolist() == [[i] * 3 for i in range(6)]
    assert data.test_labels.tolist() == [0, 1, 0, 1]
    for name, match in (
        ("of_mine:nothing", "must return a data set .* received 3"),
        ("of_mine:number", "must have a function 'number'"),
        ("of_mine:array", "received .of_mine:array.*Did you mean 'arrays'"),
        ("of_yours:arrays", "needs a module that can be imported"),
        ("cvs:table", "Unknown kind of data set 'cvs:'.*Did you mean 'csv:'"),
    ):
        with pytest.raises(ValueError, match=match):
            datasets.load(name)


def test_data_of_tensorflow_datasets_without_images(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    features = tfds.features.FeaturesDict(
        {
            "age": tfds.features.Scalar(np.float32),
            "port": tfds.features.ClassLabel(names=["east", "west"]),
            "wave": tfds.features.Tensor(shape=(4,), dtype=np.float32),
            "label": tfds.features.ClassLabel(names=["no", "yes"]),
        }
    )
    rows = [
        (
            i,
            {
                "age": float(i),
                "port": i % 2,
                "wave": np.full(4, i, "float32"),
                "label": i % 2,
            },
        )
        for i in range(10)
    ]
    tfds.dataset_builders.store_as_tfds_dataset(
        name="voyages",
        version="1.0.0",
        features=features,
        split_datasets={"train": rows},
        data_dir=tmp_path,
    )
    data = datasets.load("voyages", data_dir=tmp_path)
    # They are stored in an order of their own.
    order = data.train_examples["wave"][:, 0].astype(int)
    assert data.class_names == ("no", "yes")
    assert len(data.test_labels) == 2
    assert (data.train_examples["categories"][:, 0] == order % 2 + 1).all()
    assert data.train_labels.tolist() == (order % 2).tolist()
    expected = (order - order.mean()) / order.std()
    np.testing.assert_allclose(
        data.train_examples["numbers"][:, 0], expected, atol=1e-6
    )
    assert datasets.load("voyages", data_dir=tmp_path, label="port").class_names == (
        "east",
        "west",
    )


def test_tables_of_scikit_learn():
    data = datasets.load("sklearn:breast_cancer")
    assert data.example_shape == (30,)
    assert data.class_names == ("benign", "malignant")
    np.testing.assert_allclose(data.train_examples.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(data.train_examples.std(axis=0), 1, atol=1e-4)
    with pytest.raises(
        ValueError, match="Unknown table of scikit-learn 'whine'.*'wine"
    ):
        datasets.load("sklearn:whine")


@pytest.mark.skipif(not importlib.util.find_spec("aeon"), reason="needs aeon")
def test_signals_of_aeon():
    data = datasets.load("aeon:JapaneseVowels")
    assert data.train_examples.shape == (270, 29, 12)
    assert data.test_examples.shape == (370, 29, 12)
    assert np.bincount(data.train_labels).tolist() == [30] * 9
    assert datasets.load("aeon:BasicMotions").example_shape == (100, 6)
    with pytest.raises(ValueError, match="Unknown signals 'aeon:JapaneseVowel'"):
        datasets.load("aeon:JapaneseVowel")


@pytest.mark.skipif(not importlib.util.find_spec("statsmodels"), reason="needs it")
def test_tables_of_statsmodels():
    categorical = ("hlthg", "hlthf", "hlthp")
    data = datasets.load("statsmodels:randhie", label="idp", categorical=categorical)
    assert len(data.train_labels) + len(data.test_labels) == 20190
    assert data.example_shape == {"categories": (3,), "numbers": (6,)}
    assert data.categories == (3, 3, 3)


def test_packages_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name, extra in (
        ("aeon:BasicMotions", "signals"),
        ("statsmodels:randhie", "tables"),
    ):
        with pytest.raises(ImportError, match=rf"pip install .*\[{extra}\]"):
            datasets.load(name)


@pytest.mark.parametrize(
    "settings",
    [
        {"views": "signals", "encoder": "convnet_1d", "encoder_units": (8,)},
        {"views": "signals", "encoder": "causal_convnet", "encoder_units": (8, 8)},
    ],
    ids=lambda s: s["encoder"],
)
def test_signals_are_trained_on_and_exported(settings, tmp_path):
    whole = datasets.load("digits_as_signals")
    data = dataclasses.replace(
        whole.held_out(np.arange(200), np.arange(200, 300)), name="signals"
    )
    last = kim.training.train(
        {
            **settings,
            "shared_encoder": True,
            "encoding_dim": 8,
            "batch_size": 50,
            "steps": 4,
            "eval_every": 2,
        },
        tmp_path / "run",
        data,
    )
    assert last["probe_accuracy"] > 0.25
    assert last["raw_baseline"] > 0.6
    kim.saved_model.export_workdir(tmp_path / "run", tmp_path / "encoder")
    loaded = tf.saved_model.load(tmp_path / "encoder")
    model = tf.keras.models.load_model(tmp_path / "run" / "model.keras", compile=False)
    signals = data.test_examples[:5]
    np.testing.assert_allclose(loaded(signals), model.encoder_x(signals), atol=1e-5)


def test_tables_are_trained_on_searched_and_exported(tmp_path):
    path = tmp_path / "table.csv"
    rng = np.random.default_rng(0)
    lines = ["size,color,kind"]
    for _ in range(200):
        kind = rng.integers(2)
        color = rng.choice(["red", "blue"], p=[0.9, 0.1] if kind else [0.1, 0.9])
        lines.append(f"{rng.normal(kind):.3f},{color},{'ab'[kind]}")
    path.write_text("\n".join(lines))
    config = {
        "dataset": f"csv:{path}",
        "label": "kind",
        "views": "scarf",
        "encoder": "table",
        "encoder_units": (8,),
        "shared_encoder": True,
        "encoding_dim": 4,
        "batch_size": 20,
        "steps": 4,
        "eval_every": 2,
    }
    last = kim.training.train(config, tmp_path / "run")
    assert last["probe_accuracy"] > 0.7
    kim.saved_model.export_workdir(tmp_path / "run", tmp_path / "encoder")
    data = datasets.load(f"csv:{path}", label="kind")
    rows = datasets.taken(data.test_examples, slice(3))
    assert tf.saved_model.load(tmp_path / "encoder")(rows).shape == (3, 4)
    held_out = kim.tuning.held_out(data, 0.25)
    assert len(held_out.test_labels) == 40
