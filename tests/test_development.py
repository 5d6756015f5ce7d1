"""One of each part is added from outside of the package, as the page says."""

import re

import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SETUP, *PARTS = BLOCKS


@pytest.fixture(scope="module")
def prepared():
    names = {}
    exec(SETUP, names)
    return names


@pytest.mark.parametrize(
    "part", PARTS, ids=lambda part: re.search(r"(class|def) (\w+)", part)[2]
)
def test_a_part_of_ones_own_is_used(part, prepared):
    exec(part, dict(prepared))


def test_every_kind_of_part_is_shown():
    kinds = re.findall(r"^\*\*An? ([a-z ]+)\*\*", PAGE, re.MULTILINE)
    assert kinds == [
        *("bound", "critic", "loss on encodings", "encoder", "view", "method", "probe")
    ]
    assert len(PARTS) == len(kinds)


def test_the_files_that_are_named_exist():
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", PAGE))
    assert len(named) > 20
    for name in named:
        places = (ROOT / "keras_infomax" / name, ROOT / name)
        assert any(place.is_file() for place in places), name
    for room in re.findall(r"`([a-z_]+)/`", PAGE):
        assert (ROOT / "keras_infomax" / room).is_dir(), room


def test_the_map_is_the_import_contract():
    contract = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    (layers,) = re.findall(r"^layers =\n((?:    .*\n)+)", contract, re.MULTILINE)
    (drawn,) = re.findall(r"^```\n(programs.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = drawn.splitlines()
    rooms = [line.strip().split(" | ") for line in layers.splitlines()[1:]]
    assert len(rooms) == len(lines)
    for expected, line in zip(rooms, lines, strict=True):
        words = line.split()[: len(expected)]
        assert sorted(words) == sorted(expected)
