"""Disks that are full or read-only, for real: the last good state is kept and used."""

import resource
import subprocess
import time

import pytest

from benchmarks import faults
from benchmarks.processes import Process
from keras_infomax import files, training
from keras_infomax.files import writing
from keras_infomax.training import runs

SMALL = [
    "--config=configs/digits_halves.py:smoke",
    "--config.steps=30",
    "--config.encoder_units=(16,)",
    "--config.encoding_dim=6",
]


def mount(*arguments):
    found = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"mounting takes rights that are missing: {found.stderr.strip()}")


@pytest.fixture
def disk(tmp_path):
    """A disk of its own, as small as `mount` makes it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def start(workdir, log, **options):
    return Process("trainers.train", [*SMALL, f"--workdir={workdir}"], log, **options)


def on_disk(folder, pattern="*"):
    """Bytes of files, in whole pages."""
    sizes = [file.stat().st_size for file in folder.rglob(pattern) if file.is_file()]
    return sum(-(-size // 4096) * 4096 for size in sizes)


def printed(log):
    return log.read_text(encoding="utf-8")


@pytest.mark.slow
def test_full_disks_in_training_and_at_its_end(disk, tmp_path):
    calm = start(tmp_path / "calm", tmp_path / "calm.log")
    assert calm.wait() == 0, printed(tmp_path / "calm.log")
    size = on_disk(tmp_path / "calm/checkpoints/step-000000030")
    events = on_disk(tmp_path / "calm/tensorboard", "*tfevents*")

    # Room for two checkpoints and a half, and for the small files beside them.
    room = 2 * size + size // 2 + events + 64_000
    mount("-o", f"remount,size={room}", str(disk))
    workdir, log = disk / "run", tmp_path / "full.log"
    assert start(workdir, log).wait() == 1
    assert "error: The run cannot be written to" in printed(log)
    assert "No space left on device" in printed(log)
    assert "the last one is" in printed(log)
    assert "repeat the command" in printed(log)
    assert 'Traceback (most recent call last):\n  File "<string>"' not in printed(log)
    reached = faults.last_checkpoint(workdir)
    assert reached < 30
    left = [path.name for path in workdir.rglob(".*")]
    assert left == []

    # Now there is room, but no file may be as large as the model.
    mount("-o", "remount,size=64m", str(disk))
    log = tmp_path / "large.log"
    process = start(workdir, log, watched=True)
    while not process.ended and process.activity() != "drawing the curves":
        time.sleep(0.002)
    process.limit(resource.RLIMIT_FSIZE, 10_000)
    assert process.wait() == 1
    assert f"at step {reached} of 30" in printed(log)
    assert "File too large" in printed(log)
    assert "step-000000030" in printed(log)
    assert not (workdir / "model.keras").exists()

    log = tmp_path / "again.log"
    assert start(workdir, log).wait() == 0, printed(log)
    assert "at step 30 of 30" in printed(log)
    assert (
        faults.differing(faults.facts(workdir), faults.facts(tmp_path / "calm")) == []
    )


CONFIG = {
    "encoder_units": (8,),
    "encoding_dim": 4,
    "batch_size": 32,
    "steps": 8,
    "eval_every": 8,
}


def test_a_read_only_workdir(disk, digits, monkeypatch):
    workdir = disk / "run"
    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "finish", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.train(CONFIG, workdir, digits)
    mount("-o", "remount,ro", str(disk))
    before = sorted(workdir.rglob("*"))
    with pytest.raises(ValueError, match=r"writable folder.*Read-only file system"):
        training.train(CONFIG, workdir, digits)
    with pytest.raises(ValueError, match=r"writable folder.*Read-only file system"):
        training.train(CONFIG, disk / "other", digits)
    assert sorted(workdir.rglob("*")) == before
    mount("-o", "remount,rw", str(disk))
    last = training.train(CONFIG, workdir, digits)
    # What has finished is only read.
    mount("-o", "remount,ro", str(disk))
    assert training.train(CONFIG, workdir, digits) == last


def test_a_workdir_is_of_one_process(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_PATIENCE_SECONDS", 0.0)
    with (
        files.locked(tmp_path),
        pytest.raises(ValueError, match="is that of another one, which is training"),
    ):
        training.train(CONFIG, tmp_path, digits)
    assert not list(tmp_path.iterdir())
    assert training.train(CONFIG, tmp_path, digits)["step"] == 8
    with files.locked(tmp_path):  # It was given back.
        pass
