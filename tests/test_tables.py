import re

import numpy as np

from keras_infomax import datasets, estimation, measures, probes, tables


def cells(html):
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in rows]


def test_a_table_has_its_header_its_rows_and_no_tags_of_others():
    shown = tables.as_html(["a", "<b>"], [[1 / 3, None], ["x & y", 3000]])
    assert cells(shown) == [["a", "&lt;b&gt;"], ["0.3333", ""], ["x &amp; y", "3000"]]


def test_a_row_of_a_run_shows_what_was_measured_with_its_unit():
    row = measures.Row({"step": 8, "mi": 1.25, "val_mi": None, "probe_accuracy": 0.5})
    assert cells(row._repr_html_()) == [
        ["measure", "value", "unit"],
        ["step", "8", "training steps"],
        ["mi", "1.25", "nats"],
        ["probe_accuracy", "0.5", "share of rows"],
    ]
    # It is a dictionary as before.
    assert row == {"step": 8, "mi": 1.25, "val_mi": None, "probe_accuracy": 0.5}


def test_a_judgement_shows_what_is_known():
    shown = probes.Judgement(0.75, 1.5)._repr_html_()
    assert cells(shown)[1:] == [["accuracy", "0.75"], ["information", "1.5"]]


def test_an_estimate_shows_its_doubts():
    estimate = estimation.MIEstimate(1.25, (1, 1.5), 0.95, "ksg", 80)
    assert cells(estimate._repr_html_()) == [
        ["estimate", ""],
        ["mutual information", "1.2500 nats"],
        ["95% interval", "1.0000 to 1.5000 nats"],
        ["method", "ksg"],
        ["rows", "80"],
    ]
    estimate = estimation.MIEstimate(2, (1, 3), 0.9, "infonce", 80, 4, ["few <rows>"])
    assert cells(estimate._repr_html_())[-3:] == [
        ["ceiling", "4.0000 nats"],
        ["rows", "80"],
        ["doubt", "few &lt;rows&gt;"],
    ]


def test_a_data_set_is_told_in_a_line():
    images, labels = np.zeros((8, 4, 4, 3), "uint8"), np.arange(8) % 2
    whole = datasets.from_arrays((images, labels), (images[:2], labels[:2]), name="it")
    assert repr(whole) == (
        "<ImageDataset 'it': 8 to train, 2 to test, each (4, 4, 3), 2 classes>"
    )
    without = datasets.from_arrays((images, None), (images[:2], None), name="it")
    assert repr(without).endswith("(4, 4, 3), no labels>")
    parts = {"a": np.zeros((3, 2), "float32"), "b": np.zeros((3,), "int64")}
    table = datasets.from_examples((parts, None), (parts, None), name="rows")
    assert repr(table) == (
        "<ExampleDataset 'rows': 3 to train, 3 to test, each {'a': (2,), 'b': ()}, "
        "no labels>"
    )
