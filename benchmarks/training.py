"""Time of a training step, against what one would write instead.

python -m benchmarks.training --peers_python=.venv-bench/bin/python

Every peer of `benchmarks.peers` trains in a process of its own, a second in turn, so
that whatever else the machine does befalls them all; ratios are medians over turns.
Peers whose library is in no environment are left out, with a word. See
`docs/performance.md`.
"""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from absl import flags

from benchmarks import machine, record
from trainers import program

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRITICS = ("bilinear", "separable", "mlp")
PEERS = ("plain_tensorflow", "pytorch", "jax_jit", "arithmetic")
BATCH_SIZE = 128
# Steps in a turn: about a second of ours, a few where all pairs are concatenated.
STEPS = {"bilinear": 640, "separable": 640, "mlp": 128}
# At this size, the peak memory of the MLP critic is compared as well.
LARGE_BATCH_SIZE = 2048

Measured = dict[str, float]


class Worker:
    """A `benchmarks.worker` that waits for its turn.

    Args:
        python: Path of the interpreter.
        peer: Name of a module of `benchmarks.peers`.
        critic: Name of a critic.
        batch_size: Rows in a batch.

    Raises:
        RuntimeError: If it does not come up.
    """

    def __init__(self, python: str, peer: str, critic: str, batch_size: int):
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", peer, critic, str(batch_size)],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()).strip() != "ready":
            if not line:
                self.stop()
                raise RuntimeError(f"{peer} does not run with {python}.")

    def train(self, steps: int) -> Measured:
        """Lets it train for some steps."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()  # Closes the pipes, too.


@contextlib.contextmanager
def workers(
    critic: str, batch_size: int, pythons: dict[str, str]
) -> Iterator[dict[str, Worker]]:
    """The workers of all peers that run, by their names."""
    found: dict[str, Worker] = {}
    try:
        for peer, python in pythons.items():
            try:
                found[peer] = Worker(python, peer, critic, batch_size)
            except RuntimeError as error:
                print(f"{error} It is left out.", flush=True)
        yield found
    finally:
        for worker in found.values():
            worker.stop()


def measure(
    critic: str, batch_size: int, pythons: dict[str, str], turns: int, steps: int
) -> dict[str, dict[str, float]]:
    """Measures all peers in turn.

    Args:
        critic: Name of the critic.
        batch_size: Rows in a batch.
        pythons: Interpreters by the names of the peers; `ours` is one of them.
        turns: Number of turns.
        steps: Steps in a turn.

    Returns:
        For each peer the median milliseconds a step by the clock and of the processor,
        the medians over turns of our times over the peer's, with the quartiles of that
        by the clock, and its peak memory in MiB.
    """
    answers: dict[str, list[Measured]] = {}
    with workers(critic, batch_size, pythons) as running:
        for _ in range(turns):
            for peer, worker in running.items():
                answers.setdefault(peer, []).append(worker.train(steps))
    return {
        peer: _summary(answers["ours"], found, steps) for peer, found in answers.items()
    }


def _summary(
    ours: list[Measured], theirs: list[Measured], steps: int
) -> dict[str, float]:
    ratios = {
        kind: sorted(
            mine[kind] / other[kind] for mine, other in zip(ours, theirs, strict=True)
        )
        for kind in ("elapsed_s", "processor_s")
    }
    quarter = len(ours) // 4
    return {
        "step_ms": round(_median_ms(theirs, "elapsed_s", steps), 3),
        "step_processor_ms": round(_median_ms(theirs, "processor_s", steps), 3),
        "ours_over_it": round(statistics.median(ratios["elapsed_s"]), 3),
        "lower_quartile": round(ratios["elapsed_s"][quarter], 3),
        "upper_quartile": round(ratios["elapsed_s"][-1 - quarter], 3),
        "ours_over_it_processor": round(statistics.median(ratios["processor_s"]), 3),
        "peak_mib": round(theirs[-1]["peak_mib"]),
    }


def _median_ms(answers: list[Measured], kind: str, steps: int) -> float:
    return 1e3 * statistics.median(answer[kind] for answer in answers) / steps


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """The results as a Markdown table, a row a critic and peer."""
    lines = [
        "| critic | written as | ms a step | ours over it | quartiles | processor time "
        "| peak MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for critic, peers in results.items():
        for peer, found in peers.items():
            lines.append(
                f"| {critic} | {peer} | {found['step_ms']:.2f} "
                f"| {found['ours_over_it']:.2f} "
                f"| {found['lower_quartile']:.2f} to {found['upper_quartile']:.2f} "
                f"| {found['ours_over_it_processor']:.2f} | {found['peak_mib']:.0f} |"
            )
    return "\n".join(lines)


def main(output: str, peers_python: str, turns: int) -> None:
    """Measures, prints and writes."""
    pythons = dict.fromkeys(PEERS, peers_python)
    with_tensorflow = ("ours", "plain_tensorflow", "arithmetic")
    pythons |= dict.fromkeys(with_tensorflow, sys.executable)
    facts: dict[str, Any] = {"machine": machine.facts(), "batch_size": BATCH_SIZE}
    facts["results"] = {
        critic: measure(critic, BATCH_SIZE, pythons, turns, STEPS[critic])
        for critic in CRITICS
    }
    print(table(facts["results"]))
    tiled = {name: pythons[name] for name in ("ours", "plain_tensorflow")}
    facts["large_batch_size"] = LARGE_BATCH_SIZE
    facts["large_results"] = {
        "mlp": measure("mlp", LARGE_BATCH_SIZE, tiled, turns=2, steps=2)
    }
    print(table(facts["large_results"]))
    record.write(output, facts)


if __name__ == "__main__":
    _OUTPUT = flags.DEFINE_string(
        "output", "benchmarks/results/training.json", "File to write."
    )
    _PEERS_PYTHON = flags.DEFINE_string(
        "peers_python", sys.executable, "Python that has PyTorch and JAX."
    )
    _TURNS = flags.DEFINE_integer("turns", 15, "Turns of each peer.", lower_bound=1)
    program.run(lambda: main(_OUTPUT.value, _PEERS_PYTHON.value, _TURNS.value))
