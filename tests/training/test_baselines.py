import json

import numpy as np
import pytest

from keras_infomax import callbacks, probes
from keras_infomax.probes import Judgement
from keras_infomax.training import baselines


def views(seed=0, rows=60):
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=rows)
    return (random.normal(labels[:, None], 1.0, (rows, 4)), labels)


def linear_probe(seed=0):
    train, test = ((x.astype("float32"), y) for x, y in (views(seed), views(seed + 1)))
    return callbacks.LinearProbe(train, test)


def test_the_first_fits_and_the_others_take_what_it_found(tmp_path):
    first, second = linear_probe(), linear_probe()
    baselines.remember([first], tmp_path / "folder")
    expected = probes.LogisticProbe().fit(*first.train).score(*first.test)
    assert first.raw_baseline == expected
    (path,) = (tmp_path / "folder").iterdir()
    cells = json.loads(path.read_text())
    cells["probe"]["accuracy"] = 0.125  # What is on disk is not fitted again.
    path.write_text(json.dumps(cells))
    baselines.remember([second], tmp_path / "folder")
    assert second.raw_baseline == 0.125


def test_other_views_and_other_probes_have_other_baselines(tmp_path):
    several = linear_probe()
    stopped = callbacks.Probes(
        several.train, several.test, {"stopped": "linear_stopped"}
    )
    others = callbacks.StopOnNonFinite()
    baselines.remember(
        [linear_probe(), linear_probe(seed=5), stopped, others], tmp_path
    )
    assert len(list(tmp_path.iterdir())) == 3
    found = stopped.raw_baseline["stopped"]
    fitted = probes.get("linear_stopped").fit(*several.train)
    assert found == fitted.measure(*several.test)
    assert isinstance(found, Judgement)


def test_a_fit_that_fails_leaves_nothing(tmp_path, monkeypatch):
    probe = linear_probe()
    monkeypatch.setattr(probe, "judge_raw", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        baselines.remember([probe], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "{}", '{"probe": 1}', '{"probe": {"accuracy": null}}'),
        *('{"probe": {"accuracy": NaN}}', '{"probe": {"accurancy": 0.5}}'),
        '{"probe": {"accuracy": 0.5, "information": "x"}}',
    ],
)
def test_damaged_baselines_are_fitted_anew(tmp_path, text, capsys):
    baselines.remember([linear_probe()], tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_text()
    path.write_text(text)
    probe = linear_probe()
    baselines.remember([probe], tmp_path)
    assert path.read_text() == whole
    assert probe.raw_baseline == json.loads(whole)["probe"]["accuracy"]
    assert f"{path} is damaged, and is fitted again" in capsys.readouterr().out


def test_views_of_several_parts_share_their_baseline(tmp_path):
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    parts = {"a": random.normal(size=(40, 2)), "b": labels[:, None]}
    found = []
    for _ in range(2):
        probe = callbacks.LinearProbe((parts, labels), (parts, labels))
        baselines.remember([probe], tmp_path)
        found.append(probe.raw_baseline)
    assert found == [1.0, 1.0]
    assert len(list(tmp_path.glob("*.json"))) == 1
