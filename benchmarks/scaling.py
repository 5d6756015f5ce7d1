"""What a training step costs: time and memory against every size that they depend on.

python -m benchmarks.scaling

The MLP encoders of the digits' halves are trained on random views, as a long run would
train them (`keras_infomax.execution.plan.choose`), each case in a process of its own,
which is ended where it needs more memory than the limit. What the output holds is
not measured again, so that the command can be stopped and repeated.
"""

import ctypes
import gc
import itertools
import json
import os
import pathlib
import select
import subprocess
import sys
import time
from typing import Any

from absl import flags

from benchmarks import machine, record, scaling_page
from trainers import program

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRITICS = ("bilinear", "separable", "mlp")
BATCH_SIZES = (128, 512, 2048, 8192)
CHUNK_SIZE = 256
# The others than the batch size are varied at this one.
BATCH_SIZE = 512
REPLICAS = (1, 2, 4)
ENCODING_DIMS = (25, 100, 400, 1600)
HIDDEN_UNITS = (50, 200, 800, 3200)
LIMIT_GIB = 8.0

# Steps are timed until this much time is over.
_SECONDS = 1.5

Case = dict[str, Any]


def cases() -> list[Case]:
    """All of them, small ones first and none twice."""
    default = {
        "batch_size": BATCH_SIZE,
        "chunk_size": None,
        "replicas": 1,
        "encoding_dim": 100,
        "hidden_units": 200,
    }
    found: list[Case] = [
        {**default, "batch_size": rows, "chunk_size": chunk_size, "replicas": replicas}
        for rows, chunk_size, replicas in itertools.product(
            BATCH_SIZES, (None, CHUNK_SIZE), REPLICAS[:2]
        )
    ]
    for key, values in (
        ("replicas", REPLICAS),
        ("encoding_dim", ENCODING_DIMS),
        ("hidden_units", HIDDEN_UNITS),
    ):
        found += [{**default, key: value} for value in values]
    both = itertools.product(found, CRITICS)
    unique = {json.dumps(case): case for case in ({"critic": c, **f} for f, c in both)}
    # A bilinear critic has no hidden units.
    return [
        case
        for case in unique.values()
        if case["critic"] != "bilinear" or case["hidden_units"] == 200
    ]


def make_train(case: Case) -> Any:
    """Prepares the training of one case in this process.

    Args:
        case: `critic` and its `hidden_units`, `encoding_dim`, `batch_size`,
            `chunk_size` of critic and loss, and `replicas`, logical devices which the
            process must have.

    Returns:
        Function that trains for a number of steps, of which it may do one more.
    """
    import keras
    import numpy as np
    import tensorflow as tf

    import keras_infomax as kim
    from keras_infomax import critics
    from keras_infomax.execution import plan
    from keras_infomax.training import experiments

    devices = [f"CPU:{index}" for index in range(case["replicas"])]
    strategy = (
        tf.distribute.MirroredStrategy(devices)
        if len(devices) > 1
        else tf.distribute.get_strategy()
    )
    chunk_size, rows = case["chunk_size"], case["batch_size"]
    options: dict[str, Any] = {}
    if case["critic"] != "bilinear":
        options["hidden_units"] = (case["hidden_units"],)
    if case["critic"] == "mlp":
        options["chunk_size"] = chunk_size
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = kim.InfoMax(
            kim.encoders.mlp((14, 28, 1), output_dim=case["encoding_dim"]),
            kim.encoders.mlp((14, 28, 1), output_dim=case["encoding_dim"]),
            critics.get(case["critic"], **options),
        )
        loss = kim.losses.InfoNCE(chunk_size=chunk_size)
        model.compile(experiments.make_optimizer(1e-4), loss)
        long = plan.Length(epochs=1, steps=10_000, ends_with_data=True)
        fused = plan.choose(model, long, ()).fused
        # Two of them are one program of XLA as well as many are.
        at_once = 2 if fused else 1
        options = {"steps_per_execution": at_once, "jit_compile": fused}
        model.compile(model.optimizer, loss, **options)
    view = np.random.default_rng(0).random((rows, 14, 28, 1), "float32")
    pairs = tf.data.Dataset.from_tensors(((view, view),))

    def train(steps: int) -> int:
        steps = -(-steps // at_once) * at_once
        model.fit(pairs.repeat(steps), verbose=0)
        return steps

    return train


def measure_here(case: Case) -> dict[str, float | None]:
    """Milliseconds a step, and MiB that training adds to this process at most."""
    before = resident_mib(os.getpid())
    # Forgets the peak of earlier cases.
    pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    train = make_train(case)
    train(1)  # Compiles.
    started = time.perf_counter()
    done = train(1)
    seconds = time.perf_counter() - started
    if seconds < _SECONDS:
        steps = max(2, round(_SECONDS / seconds)) * done
        started = time.perf_counter()
        done = train(steps)
        seconds = time.perf_counter() - started
    return {
        "step_ms": float(f"{1e3 * seconds / done:.4g}"),
        "peak_mib": round(resident_mib(os.getpid(), "VmHWM") - before),
    }


def serve(replicas: int) -> None:
    """Reads cases of one number of replicas, a line each, and answers each."""
    import keras
    import tensorflow as tf

    (processor,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration()] * replicas
    tf.config.set_logical_device_configuration(processor, logical)
    for line in sys.stdin:
        try:
            measured = measure_here(json.loads(line))
        except tf.errors.ResourceExhaustedError:
            measured = {"step_ms": None, "peak_mib": None}
        print(json.dumps(measured), flush=True)
        keras.backend.clear_session()
        gc.collect()
        # What is free goes back to the system, or the next case would not be seen to
        # need it.
        ctypes.CDLL(None).malloc_trim(0)


def resident_mib(process: int, field: str = "VmRSS") -> float:
    """Memory of a process in MiB: what it has, or with `VmHWM` the most it had."""
    lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    found = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return float(found[0]) / 1024 if found else 0.0


class Worker:
    """A process that measures cases of one number of replicas.

    Args:
        replicas: The number.
        limit_gib: Memory at which it is ended.
    """

    def __init__(self, replicas: int, limit_gib: float = LIMIT_GIB):
        self.replicas = replicas
        self._limit = 1024 * limit_gib
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scaling", f"--replicas={replicas}"],
            cwd=ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def ended(self) -> bool:
        """Whether it was ended."""
        return self._process.poll() is not None

    def measure(self, case: Case) -> dict[str, float | None]:
        """Measures a case.

        Args:
            case: See `make_train`.

        Returns:
            `step_ms` and `peak_mib`; both `None` if it went over the limit, and the
            process has ended.

        Raises:
            RuntimeError: If the process fails in another way.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        while not select.select([self._process.stdout], [], [], 0.02)[0]:
            if resident_mib(self._process.pid) > self._limit:
                self.stop()
                return {"step_ms": None, "peak_mib": None}
        line = self._process.stdout.readline()
        if not line:
            errors = self._process.communicate()[1]
            raise RuntimeError(f"{case} failed:\n{errors[-2000:]}")
        return json.loads(line)

    def stop(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.communicate()


class Results:
    """Results of all cases, in a file that holds what has been measured.

    Args:
        path: The file.
    """

    def __init__(self, path: str | os.PathLike):
        self._path = pathlib.Path(path)
        self.facts: dict[str, Any] = {"machine": machine.facts(), "results": []}
        if self._path.exists():
            self.facts = json.loads(self._path.read_text(encoding="utf-8"))

    def has(self, case: Case) -> bool:
        """Whether a case has been measured."""
        return any(case.items() <= found.items() for found in self.facts["results"])

    def add(self, case: Case, measured: dict[str, float | None]) -> None:
        """Adds what was measured of a case, and writes the file."""
        self.facts["results"].append({**case, **measured})
        print(self.facts["results"][-1], flush=True)
        record.write(self._path, self.facts)


def measure(results: Results, seconds: float) -> None:
    """Measures what is missing, for about so many seconds.

    Args:
        results: Where it is missing.
        seconds: Nothing is begun when they are over.
    """
    deadline = time.monotonic() + seconds
    for case in cases():
        if results.has(case) or time.monotonic() > deadline:
            continue
        # In a process of its own: what others left would hide what this one needs.
        worker = Worker(case["replicas"])
        try:
            results.add(case, worker.measure(case))
        finally:
            worker.stop()


def main(seconds: float, output: str, picture: str) -> None:
    """Measures, prints the tables of all that has been measured, and draws it."""
    results = Results(output)
    measure(results, seconds)
    for table in scaling_page.tables(results.facts["results"]).values():
        print(table, end="\n\n")
    scaling_page.plot(results.facts["results"], picture)


if __name__ == "__main__":
    _SECONDS_LEFT = flags.DEFINE_float("seconds", 1e9, "When to begin no more.")
    _OUTPUT = flags.DEFINE_string(
        "output", "benchmarks/results/scaling.json", "File to write."
    )
    _PICTURE = flags.DEFINE_string("picture", "docs/scaling.png", "Picture to draw.")
    _REPLICAS = flags.DEFINE_integer("replicas", None, "Serve measurements of so many.")
    program.run(
        lambda: (
            serve(_REPLICAS.value)
            if _REPLICAS.value
            else main(_SECONDS_LEFT.value, _OUTPUT.value, _PICTURE.value)
        )
    )
