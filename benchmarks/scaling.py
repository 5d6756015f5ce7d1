"""Step time and peak memory against batch size, chunked or not, on one or two replicas.

python -m benchmarks.scaling --output=benchmarks/results/scaling.json

Every case trains the MLP encoders of the digits' halves in a process of its own, which
is ended when it needs more memory than the limit. A case that the output holds is not
measured again, so the command can be repeated after it was stopped.
"""

import itertools
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from benchmarks import machine
from keras_infomax import files
from trainers import program

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRITICS = ("bilinear", "separable", "mlp")
BATCH_SIZES = (128, 512, 2048, 8192)
CHUNK_SIZES = (None, 256)
REPLICAS = (1, 2)
LIMIT_GIB = 8.0

# As many steps are timed as take this long, but not more than that.
_SECONDS = 5.0
_MOST_STEPS = 200

Case = Mapping[str, Any]


def cases() -> list[Case]:
    """All of them, small batches first."""
    keys = ("batch_size", "critic", "chunk_size", "replicas")
    grid = itertools.product(BATCH_SIZES, CRITICS, CHUNK_SIZES, REPLICAS)
    return [dict(zip(keys, values, strict=True)) for values in grid]


def train(case: Case) -> dict[str, float]:
    """Trains one case in this process.

    Args:
        case: `batch_size`, `critic`, `chunk_size` of critic and loss, and `replicas`.

    Returns:
        Seconds a step, and MiB that were resident before training.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_infomax as kim
    from keras_infomax import critics, experiments

    (processor,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration()] * case["replicas"]
    tf.config.set_logical_device_configuration(processor, logical)
    devices = [f"CPU:{index}" for index in range(case["replicas"])]
    strategy = (
        tf.distribute.MirroredStrategy(devices)
        if len(devices) > 1
        else tf.distribute.get_strategy()
    )
    chunk_size, rows = case["chunk_size"], case["batch_size"]
    options = {"chunk_size": chunk_size} if case["critic"] == "mlp" else {}
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = kim.InfoMax(
            kim.encoders.mlp((14, 28, 1)),
            kim.encoders.mlp((14, 28, 1)),
            critics.get(case["critic"], **options),
        )
        model.compile(
            experiments.make_optimizer(1e-4),
            loss=kim.losses.InfoNCE(chunk_size=chunk_size),
        )
    view = np.random.default_rng(0).random((rows, 14, 28, 1), "float32")
    pairs = tf.data.Dataset.from_tensors(((view, view),))
    before = resident_mib(os.getpid())

    def seconds(steps):
        started = time.perf_counter()
        model.fit(pairs.repeat(steps), verbose=0)
        return time.perf_counter() - started

    seconds(1)  # Compiles.
    steps = max(1, min(_MOST_STEPS, round(_SECONDS / seconds(1))))
    return {"step_s": seconds(steps) / steps, "before_mib": before}


def resident_mib(process: int, field: str = "VmRSS") -> float:
    """Memory of a process in MiB: what it has, or with `VmHWM` the most it had."""
    lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    found = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return float(found[0]) / 1024 if found else 0.0


def measure(case: Case, limit_gib: float = LIMIT_GIB) -> dict[str, Any]:
    """Measures one case in a process of its own.

    Args:
        case: See `train`.
        limit_gib: Memory at which the process is ended.

    Returns:
        The case with `step_ms` and `peak_mib`, the memory that training added; both
        are `None` if that went over the limit.

    Raises:
        RuntimeError: If the process fails in another way.
    """
    worker = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.scaling", f"--case={json.dumps(case)}"],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak = 0.0
    while worker.poll() is None:
        try:
            peak = max(peak, resident_mib(worker.pid, "VmHWM"))
        except (FileNotFoundError, ProcessLookupError):
            break
        if peak > 1024 * limit_gib:
            worker.kill()
            worker.communicate()
            return {**case, "step_ms": None, "peak_mib": None}
        time.sleep(0.02)
    printed, errors = worker.communicate()
    if worker.returncode:
        raise RuntimeError(f"{case} failed:\n{errors[-2000:]}")
    found = json.loads(printed.splitlines()[-1])
    return {
        **case,
        "step_ms": round(1e3 * found["step_s"], 1),
        "peak_mib": round(peak - found["before_mib"]),
    }


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """The results as a Markdown table, batch sizes across."""
    lines = [
        f"| critic | chunks | replicas | {' | '.join(map(str, BATCH_SIZES))} |",
        "|---" * (3 + len(BATCH_SIZES)) + "|",
    ]
    for critic, chunk_size, replicas in itertools.product(
        CRITICS, CHUNK_SIZES, REPLICAS
    ):
        row = {
            r["batch_size"]: r
            for r in results
            if (r["critic"], r["chunk_size"], r["replicas"])
            == (critic, chunk_size, replicas)
        }
        cells = [_cell(row[size]) if size in row else "" for size in BATCH_SIZES]
        chunks = "none" if chunk_size is None else str(chunk_size)
        lines.append(f"| {critic} | {chunks} | {replicas} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(result: Mapping[str, Any]) -> str:
    if result["step_ms"] is None:
        return "over the limit"
    return f"{result['step_ms']:,.0f} ms, {result['peak_mib']:,} MiB"


def plot(results: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> None:
    """Draws time and memory over batch sizes, a curve a critic and way.

    Args:
        results: What `measure` returned, of all cases.
        path: The picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, column, label in zip(
        figure.subplots(1, 2),
        ("step_ms", "peak_mib"),
        ("ms a step", "MiB that training adds"),
        strict=True,
    ):
        for index, (critic, chunk_size) in enumerate(
            itertools.product(CRITICS, CHUNK_SIZES)
        ):
            points = [
                (r["batch_size"], r[column])
                for r in results
                if (r["critic"], r["chunk_size"], r["replicas"])
                == (critic, chunk_size, 1)
                and r[column] is not None
            ]
            name = critic if chunk_size is None else f"{critic}, chunks"
            style = {"color": f"C{index // 2}", "linestyle": ("-", "--")[index % 2]}
            axes.plot(*zip(*points, strict=True), marker="o", label=name, **style)
        axes.set(xscale="log", yscale="log", xlabel="batch size", ylabel=label)
        axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize="small")
    with files.replaced_file(path) as temporary:
        figure.savefig(temporary, dpi=100)


def main(output: str, picture: str) -> None:
    """Measures what is missing, prints, draws and writes."""
    path = pathlib.Path(output)
    facts: dict[str, Any] = {"machine": machine.facts(), "results": []}
    if path.exists():
        facts = json.loads(path.read_text(encoding="utf-8"))
    path.parent.mkdir(parents=True, exist_ok=True)
    for case in cases():
        if any(case.items() <= result.items() for result in facts["results"]):
            continue
        facts["results"].append(measure(case))
        print(facts["results"][-1], flush=True)
        files.write_text(path, json.dumps(facts, indent=1) + "\n")
    print(table(facts["results"]))
    plot(facts["results"], picture)


if __name__ == "__main__":
    _OUTPUT = flags.DEFINE_string(
        "output", "benchmarks/results/scaling.json", "File to write."
    )
    _PICTURE = flags.DEFINE_string("picture", "docs/scaling.png", "Picture to draw.")
    _CASE = flags.DEFINE_string("case", None, "One case, as JSON; see `train`.")
    program.run(
        lambda: (
            print(json.dumps(train(json.loads(_CASE.value))))
            if _CASE.value
            else main(_OUTPUT.value, _PICTURE.value)
        )
    )
