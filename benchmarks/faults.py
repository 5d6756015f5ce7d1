"""Kills a training run again and again, and compares it with one left in peace.

python -m benchmarks.faults --workdir=runs/faults --output=docs/faults.csv

Real processes of `trainers.train` and `export.saved_model` get SIGKILL at random
moments, and at moments that are named: while a checkpoint is written, in the probe,
while the model is saved or exported. Each is repeated until it ends. Then weights,
optimizer state, metrics, TensorBoard scalars and the export must be those of a run
that nobody touched, to the last bit. The table has one row a kill.
"""

import dataclasses
import hashlib
import itertools
import os
import pathlib
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
from absl import flags
from tensorboard.backend.event_processing import event_file_loader

from benchmarks.processes import Kill, Moment, kill_and_repeat
from keras_infomax import files
from trainers import program

# Some evaluations of the run that is killed.
_SECONDS = 4.0


def facts(workdir: pathlib.Path) -> dict[str, bytes]:
    """What must be the same in two runs, whatever happened to them.

    Args:
        workdir: Workdir of a finished run.

    Returns:
        The model's config, its weights and optimizer state one by one, the table of
        metrics, the picture, every scalar in the order of the event files, and the
        names of all files but those.
    """
    found = {
        name: (workdir / name).read_bytes()
        for name in ("metrics.csv", "curves.png", "config.json")
    }
    with zipfile.ZipFile(workdir / "model.keras") as archive:
        # Keras names shared objects by their address.
        config = archive.read("config.json")
        found["model"] = re.sub(rb'"shared_object_id": \d+', b"", config)
        with archive.open("model.weights.h5") as raw, h5py.File(raw) as weights:
            found |= {
                f"weights/{name}": np.asarray(value).tobytes()
                for name, value in _arrays(weights)
            }
    found["scalars"] = "\n".join(scalars(workdir / "tensorboard")).encode()
    names = (path.relative_to(workdir).as_posix() for path in workdir.rglob("*"))
    files_there = sorted(name for name in names if "tfevents" not in name)
    found["files"] = "\n".join(files_there).encode()
    return found


def _arrays(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    for value in group.values():
        if isinstance(value, h5py.Group):
            yield from _arrays(value)
        else:
            yield value.name, value


def scalars(folder: pathlib.Path) -> Iterator[str]:
    """Every value in the event files of a log directory, as it was written.

    Args:
        folder: The log directory.

    Yields:
        Run, tag, step and value: a scalar with every digit, of others a digest.
    """
    for path in sorted(folder.rglob("*tfevents*")):
        for event in event_file_loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                yield f"{path.parent.name} {value.tag} {event.step} {_content(value)}"


def _content(value: Any) -> str:
    # When a session of hyper-parameters began and ended is another time each time.
    if value.tag.startswith("_hparams_/session"):
        return ""
    array = tf.make_ndarray(value.tensor)
    if array.dtype.kind == "f" and array.ndim == 0:
        return repr(float(array))
    return hashlib.sha256(value.SerializeToString()).hexdigest()


def export_facts(folder: pathlib.Path) -> dict[str, bytes]:
    """What must be the same in two exports of the same run.

    Args:
        folder: The export.

    Returns:
        Encodings of fixed views, and the names of all files.
    """
    views = np.random.default_rng(0).random((64, 14, 28, 1), dtype="float32")
    encoder = tf.saved_model.load(str(folder))
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return {
        "encodings": encoder(tf.constant(views)).numpy().tobytes(),
        "files": "\n".join(names).encode(),
    }


def last_checkpoint(workdir: pathlib.Path) -> int | None:
    """Step of the newest checkpoint of a run; `None` if there is none."""
    steps = [int(p.name[5:]) for p in (workdir / "checkpoints").glob("step-*")]
    return max(steps, default=None)


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Names of the facts that differ, or that only one has."""
    return [k for k in sorted({*one, *other}) if one.get(k) != other.get(k)]


def compare(
    folder: pathlib.Path,
    config: Sequence[str],
    in_training: Sequence[Moment],
    in_export: Sequence[Moment] = (),
) -> list[Kill]:
    """Trains twice, once with kills, and compares; so with an export, if it is killed.

    Args:
        folder: Folder for both; it must be new.
        config: Flags that say what to train.
        in_training: When to kill the training.
        in_export: When to kill the export of the run.

    Returns:
        The kills, if both are the same.

    Raises:
        RuntimeError: If they differ, or a program fails.
    """
    folder.mkdir(parents=True)
    results: dict[str, dict[str, bytes]] = {}
    kills = []
    for name in ("calm", "killed"):
        workdir, output = folder / name, folder / f"{name}_export"
        kills += kill_and_repeat(
            "trainers.train",
            [*config, f"--workdir={workdir}"],
            in_training if name == "killed" else (),
            folder / f"{name}.log",
            lambda workdir=workdir: last_checkpoint(workdir),
        )
        results[name] = facts(workdir)
        if in_export:
            kills += kill_and_repeat(
                "export.saved_model",
                [f"--workdir={workdir}", f"--output={output}", "--overwrite"],
                in_export if name == "killed" else (),
                folder / f"{name}_export.log",
            )
            exported = export_facts(output).items()
            results[name] |= {f"export/{key}": value for key, value in exported}
    if found := differing(results["calm"], results["killed"]):
        raise RuntimeError(f"The run that was killed differs in {', '.join(found)}.")
    if leftovers := [p.name for p in folder.iterdir() if p.name.startswith(".")]:
        raise RuntimeError(f"The export left {', '.join(leftovers)}.")
    return kills


def plan(kills: int, seconds: float, seed: int) -> list[Moment]:
    """Moments for the training: two in three random, the others named in turn.

    Args:
        kills: Number of kills.
        seconds: Random moments are up to so many seconds after the start of the
            process, of the training or of a checkpoint.
        seed: Seed.
    """
    random = np.random.default_rng(seed)
    named = itertools.cycle(
        ["writing a checkpoint", "probing", "restoring", "writing the scalars"]
    )
    # After a checkpoint, lest a slow machine never gets further than the first.
    since = itertools.cycle(
        ["writing a checkpoint", "starting", "writing a checkpoint", "training"]
    )
    return [
        Moment(next(named))
        if index % 3 == 2
        else Moment(next(since), float(random.uniform(0, seconds)))
        for index in range(kills)
    ]


def main(workdir: str, output: str, kills_wanted: int, seed: int) -> None:
    """Kills, compares and writes."""
    kills = long_form(pathlib.Path(workdir), kills_wanted, seed)
    write_table(output, kills)
    print(f"{len(kills)} kills, and no difference: see {output}")


def long_form(folder: pathlib.Path, kills: int, seed: int) -> list[Kill]:
    """Kills a run of so many evaluations that the kills are spread over it.

    Args:
        folder: Folder for the runs; it must be new.
        kills: Number of kills, a multiple of 10: one in ten is of the export, two are
            at the end of the run.
        seed: Seed of the moments.
    """
    exports = kills // 10
    # The run is at its end when these come.
    at_the_end = [Moment("drawing the curves"), Moment("saving the model")] * exports
    random = np.random.default_rng((seed, 1))
    return compare(
        folder,
        [
            "--config=configs/digits_halves.py:smoke",
            f"--config.steps={120 * kills // 10 * 10}",
        ],
        [*plan(kills - 3 * exports, _SECONDS, seed), *at_the_end],
        [
            Moment("exporting", float(delay))
            for delay in [0.0, *random.uniform(0, 1, exports - 1)]
        ],
    )


def write_table(path: str | os.PathLike, kills: Sequence[Kill]) -> None:
    """Writes one row a kill."""
    columns = [field.name for field in dataclasses.fields(Kill)]
    files.write_csv(path, columns, *map(dataclasses.astuple, kills))


if __name__ == "__main__":
    _WORKDIR = flags.DEFINE_string("workdir", "runs/faults", "Folder of both runs.")
    _OUTPUT = flags.DEFINE_string("output", "docs/faults.csv", "Table to write.")
    _KILLS = flags.DEFINE_integer("kills", 50, "Number of kills.")
    _SEED = flags.DEFINE_integer("seed", 0, "Seed of the moments.")
    program.run(lambda: main(_WORKDIR.value, _OUTPUT.value, _KILLS.value, _SEED.value))
