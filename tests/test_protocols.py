"""The attributes that the package looks for are written down on one page."""

import re

import pytest
from conftest import ROOT

import keras_infomax as kim
from keras_infomax import protocols

NAMES = {
    name: protocol
    for protocol in vars(protocols).values()
    if getattr(protocol, "_is_protocol", False) and protocol.__name__ != "Protocol"
    for name in (*protocol.__annotations__, *vars(protocol))
}


@pytest.mark.parametrize(
    ("protocol", "made"),
    [
        (protocols.GainsByXLA, lambda: kim.critics.BilinearCritic()),
        (protocols.GainsByXLA, lambda: kim.Term("x", "y")),
        (protocols.RowByRow, lambda: kim.views.Halves()),
        (protocols.LossesAreMeansOverRows, lambda: kim.encoders.PriorMatching()),
        (protocols.UpdatesSeeAllRows, lambda: kim.MemoryTerm("x", "y", "i", 9)),
        (protocols.UpdatesSeeAllRows, lambda: kim.losses.MINE()),
        (protocols.GivesLogDensities, lambda: kim.critics.ConditionalGaussian()),
        (protocols.TakesLogDensities, lambda: kim.losses.CLUB()),
        (protocols.UpdatesSeeAllRows, lambda: kim.models.QueueTerm("x", "y", 9)),
        (protocols.LooksBetweenSteps, lambda: kim.callbacks.StopOnNonFinite()),
    ],
)
def test_what_is_ours_is_what_the_page_says(protocol, made):
    assert isinstance(made(), protocol)
    assert not isinstance(object(), protocol)


def test_a_probe_callback_measures_between_looks():
    rows = [[0.0], [1.0]], [0, 1]
    probe = kim.callbacks.LinearProbe(rows, rows, every=5, unit="step")
    assert isinstance(probe, protocols.LooksBetweenSteps)
    assert probe.steps_between_looks == 5
    assert hasattr(type(probe), "measurements")


_READ = r'getattr\((?:[^()]|\([^()]*\))+,\s*"([a-z_]+)",\s*False'


def test_no_other_switch_is_looked_for():
    """Booleans that are read by name; two are those of Keras and of Pillow."""
    read = set()
    for path in (ROOT / "keras_infomax").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        read.update(re.findall(_READ, text))
        read.update(re.findall(r"\.get\(\s*\"([a-z_]+)\", False\)", text))
    assert read - {"overwrite_with_gradient", "is_animated"} <= NAMES.keys()
    assert {"row_by_row", "losses_are_means_over_rows", "gains_by_xla"} <= read
