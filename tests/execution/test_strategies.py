"""Strategies by name; several processes are tried out in test_workers.py."""

import json

import pytest
import tensorflow as tf

from keras_infomax import training
from keras_infomax.execution import strategies


def test_one_device_is_the_default_strategy():
    assert strategies.get("one_device") is tf.distribute.get_strategy()


def test_auto_takes_one_device_where_there_is_no_other(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert strategies.get("auto").num_replicas_in_sync == 1


def test_several_workers_need_their_addresses(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="needs the environment variable TF_CONFIG"):
        strategies.get("multi_worker")


def tf_config(cluster, task=("worker", 0)):
    task_type, index = task
    return json.dumps({"cluster": cluster, "task": {"type": task_type, "index": index}})


ALONE = {"worker": ["localhost:12345"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "must be JSON; received ''"),
        (tf_config(ALONE)[:30], "must be JSON"),
        ("{}", "must be an object with a cluster of workers; received '{}'"),
        ("[]", "must be an object with a cluster of workers; received '.*'"),
        ("null", "must be an object with a cluster of workers; received 'null'"),
        (json.dumps({"cluster": ALONE}), "must be a task that is in the cluster"),
        (tf_config({**ALONE, "ps": ["localhost:1"]}), "only; received 'ps'"),
        (tf_config(ALONE, ("ps", 0)), "a task .* received {'type': 'ps', 'index': 0}"),
        (tf_config(ALONE, ("worker", 1)), "a task .* received .*'index': 1"),
        (tf_config(ALONE, ("worker", True)), "a task .* received .*'index': True"),
        (tf_config(ALONE, (["worker"], 0)), r"a task .* received .*\['worker'\]"),
        (
            tf_config({"worker": "localhost:1"}),
            "a list of addresses host:port .*'worker'",
        ),
        (tf_config({"worker": ["localhost"]}), r"received \['localhost'\]"),
        (tf_config({"worker": [1]}), r"received \[1\]"),
        (tf_config({"worker": []}), r"received \[\]"),
        (tf_config({"worker": ["a:1", "a:1"]}), "a different address"),
        (tf_config({"chief": ["a:1", "b:1"]}, ("chief", 0)), "at most one chief"),
    ],
)
@pytest.mark.parametrize("name", ["auto", "multi_worker"])
def test_an_unfit_tf_config_is_named_at_once(monkeypatch, name, text, expected):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match=f"variable TF_CONFIG .*{expected}"):
        strategies.get(name)


@pytest.mark.parametrize(
    "text",
    [
        tf_config({"worker": ["10.0.0.1:12345", "[::1]:12345"]}, ("worker", 1)),
        tf_config({"chief": ["a:1"], "worker": ["b:1"]}, ("chief", "0")),
    ],
)
def test_a_fit_tf_config_passes(text):
    strategies.check_tf_config(text)


def test_unknown_strategy():
    with pytest.raises(ValueError, match="Unknown strategy 'miror'.*'mirrored'"):
        strategies.get("miror")


class Resolver:
    def __init__(self, task_type, task_id):
        self.task_type = task_type
        self.task_id = task_id


class Strategy:
    def __init__(self, *task):
        self.cluster_resolver = Resolver(*task) if task else None


@pytest.mark.parametrize(
    ("task", "chief"),
    [
        ((), True),
        (("worker", 0), True),
        (("worker", 1), False),
        (("chief", 0), True),
    ],
)
def test_one_task_is_the_chief(task, chief):
    assert strategies.is_chief(Strategy(*task)) is chief


def test_mirrored_run_equals_one_device(strategy, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(strategies, "get", lambda name: strategy)
    config = {"batch_size": 32, "steps": 12, "eval_every": 6, "encoder_units": (24,)}
    mirrored = training.train(
        {**config, "strategy": "mirrored"}, tmp_path / "mirrored", digits
    )
    monkeypatch.undo()
    single = training.train(config, tmp_path / "single", digits)
    for name in ("mi", "val_mi"):
        assert mirrored[name] == pytest.approx(single[name], rel=1e-4)
    assert mirrored["probe_accuracy"] == pytest.approx(
        single["probe_accuracy"], abs=0.03
    )


def test_other_experiments_train_on_one_device(strategy, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(strategies, "get", lambda name: strategy)
    config = {"experiment": "supervised", "strategy": "mirrored"}
    with pytest.raises(ValueError, match="'supervised' trains on one device"):
        training.train(config, tmp_path, digits)
