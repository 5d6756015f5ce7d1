"""Every test runs somewhere: on which backends, its mark says."""

import types

import conftest
import pytest


def left_by(*marks):
    """Names of the tests that stay, of tests with these marks."""
    items = [
        types.SimpleNamespace(
            nodeid=f"test_{number}", get_closest_marker=lambda name, mark=mark: mark
        )
        for number, mark in enumerate(marks)
    ]
    hook = types.SimpleNamespace(pytest_deselected=lambda items: None)
    conftest.pytest_collection_modifyitems(types.SimpleNamespace(hook=hook), items)
    return [item.nodeid for item in items]


def mark(*on):
    return pytest.mark.backends(*on).mark


@pytest.mark.backends
@pytest.mark.parametrize("backend", conftest.BACKENDS)
def test_a_test_runs_where_its_mark_says(backend, monkeypatch):
    monkeypatch.setattr(conftest, "BACKEND", backend)
    found = left_by(None, mark(), mark("jax", "torch"), mark("tensorflow", "torch"))
    assert (
        found
        == {
            "tensorflow": ["test_0", "test_1", "test_3"],
            "jax": ["test_1", "test_2"],
            "torch": ["test_1", "test_2", "test_3"],
        }[backend]
    )


@pytest.mark.backends
@pytest.mark.parametrize("on", [("theano",), ("jax", "pytorch")])
def test_a_test_that_runs_on_no_backend_fails(on):
    with pytest.raises(pytest.UsageError, match="test_1 must run on some of"):
        left_by(None, mark(*on))
