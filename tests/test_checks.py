import pytest

from keras_infomax import checks


def test_finds_what_the_table_holds():
    assert checks.lookup("critic", "mlp", {"mlp": 1, "bilinear": 2}) == 1


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match="Unknown critic 'mpl'. Did you mean 'mlp'"):
        checks.lookup("critic", "mpl", {"mlp": 1, "bilinear": 2})


@pytest.mark.parametrize("name", ["MLP", "MLPCritic", "Mlp"])
def test_case_does_not_hide_the_nearest(name):
    with pytest.raises(ValueError, match="Did you mean 'mlp'"):
        checks.lookup("critic", name, {"mlp": 1, "bilinear": 2})


@pytest.mark.parametrize("name", ["zebra", None, 3])
def test_no_hint_where_nothing_is_near(name):
    with pytest.raises(ValueError, match=r"Expected one of: 'bilinear', 'mlp'") as info:
        checks.lookup("critic", name, {"mlp": 1, "bilinear": 2})
    assert "Did you mean" not in str(info.value)
