"""Trains on 5,000 embedded digits, exports, loads back elsewhere, and prints a table.

keras-infomax demo --workdir=runs/demo
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

from absl import flags

import keras_infomax as kim
from keras_infomax.programs import config_files

WRITES = {"workdir": "."}
FLAGS = flags.FlagValues()
_WORKDIR = flags.DEFINE_string(
    "workdir", "runs/demo", "Folder of everything made.", FLAGS
)


def demonstrate(workdir: pathlib.Path, variant: str = "") -> dict[str, Any]:
    """Trains on the embedded digits, exports, and classifies in a fresh process.

    Args:
        workdir: Folder of everything that is made.
        variant: Variant of the config, `smoke` for a run of seconds.

    Returns:
        The facts of `summary.json`.
    """
    from keras_infomax import files
    from keras_infomax.training import runs

    last = kim.training.train(config_files.load("digits_halves", variant), workdir)
    first = runs.read_metrics(workdir / "metrics.csv")[0]
    encoder = workdir / "encoder"
    kim.saved_model.export_workdir(workdir, encoder, overwrite=True)
    summary = {
        "raw_baseline": last["raw_baseline"],
        "probe_accuracy_start": first["probe_accuracy"],
        "probe_accuracy": last["probe_accuracy"],
        "probe_accuracy_of_export": _classify_elsewhere(encoder),
        "mi": last["mi"],
        "mi_held_out": last["val_mi"],
        "mi_ceiling": last["mi_ceiling"],
        "steps": last["step"],
        "export": str(encoder),
    }
    files.write_text(workdir / "summary.json", json.dumps(summary, indent=2) + "\n")
    return summary


def _classify_elsewhere(encoder: pathlib.Path) -> float:
    from keras_infomax.training import processes

    print("Loading the export in a fresh process ...", flush=True)
    command = [sys.executable, "-m", "keras_infomax", "probe-export"]
    printed = subprocess.run(
        [*command, f"--encoder={encoder}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=processes.environment_of_child(),
    )
    return json.loads(printed.stdout.splitlines()[-1])["probe_accuracy"]


def table(summary: dict[str, Any], workdir: pathlib.Path) -> str:
    """The facts of a demonstration, for the screen."""
    accuracies = {
        "pixels (baseline)": summary["raw_baseline"],
        "encodings before training": summary["probe_accuracy_start"],
        f"encodings after {summary['steps']} steps": summary["probe_accuracy"],
        "the same, from the export": summary["probe_accuracy_of_export"],
    }
    gain = 100 * (summary["probe_accuracy"] - summary["raw_baseline"])
    rows = [
        "Linear probe on the top halves of 1,000 digits, test accuracy",
        *(f"  {name:<32}{value:.4f}" for name, value in accuracies.items()),
        f"  {'gain over pixels':<32}{gain:+.1f} points",
        "Mutual information of the halves' encodings, InfoNCE",
        f"  {'training batches':<32}{summary['mi']:.3f} nats",
        f"  {'held-out batches':<32}{summary['mi_held_out']:.3f} nats",
        f"  {'ceiling, log(batch size)':<32}{summary['mi_ceiling']:.3f} nats",
        "Files",
        f"  {'curves':<32}{workdir}/curves.png",
        f"  {'trained model':<32}{workdir}/model.keras",
        f"  {'exported encoder':<32}{summary['export']}",
        f"  {'these facts':<32}{workdir}/summary.json",
        "Next",
        f"  {_as_typed('tensorboard')} --logdir={workdir}/tensorboard",
        f"  {_as_typed('keras-infomax')} train --config=digits_halves \\",
        "      --workdir=runs/mlp_critic --config.critic=mlp",
    ]
    width = max(map(len, rows))
    rule = "-" * width
    return "\n".join([rule, *rows, rule])


def _as_typed(program: str) -> str:
    """A program of this environment, as a shell finds it."""
    if shutil.which(program):
        return program
    return os.path.relpath(pathlib.Path(sys.executable).parent / program)


def main() -> None:
    """Demonstrates."""
    from keras_infomax import checks

    workdir = pathlib.Path(checks.path("workdir", _WORKDIR.value))
    print(table(demonstrate(workdir), workdir))
