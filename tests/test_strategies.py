"""Strategies by name; several processes are tried out in test_workers.py."""

import pytest
import tensorflow as tf

from keras_infomax import strategies, training


def test_one_device_is_the_default_strategy():
    assert strategies.get("one_device") is tf.distribute.get_strategy()


def test_auto_takes_one_device_where_there_is_no_other(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert strategies.get("auto").num_replicas_in_sync == 1


def test_several_workers_need_their_addresses(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="needs the environment variable TF_CONFIG"):
        strategies.get("multi_worker")


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
