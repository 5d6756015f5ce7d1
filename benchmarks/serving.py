"""Latency and throughput of an exported encoder in each of its formats.

python -m benchmarks.serving --output=benchmarks/results/serving.json

Untrained encoders of the digits' top halves: the time does not depend on the weights.
Each batch is encoded again and again, and the median taken.
"""

import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnxruntime
import tensorflow as tf
from absl import flags
from ai_edge_litert.interpreter import Interpreter

from benchmarks import machine, record
from keras_infomax import encoders, saved_model
from keras_infomax.saved_model import serving
from keras_infomax.training.settings import Settings
from trainers import program

VIEW = (14, 28, 1)
ROWS = (1, 10, 100, 1000)
PACKAGES = ("ai-edge-litert", "onnxruntime")


def callables(folder: pathlib.Path) -> dict[str, tuple[str, Callable]]:
    """What is timed: what it takes, and a function of a batch of that."""
    root = tf.saved_model.load(str(folder))
    interpreter = Interpreter(str(folder / "encoder.tflite"))
    session = onnxruntime.InferenceSession(folder / "encoder.onnx")

    def saved(name):
        signature = root.signatures[name]
        return lambda x: signature(inputs=tf.constant(x))["encoding"].numpy()

    def litert(name):
        run = interpreter.get_signature_runner(name)
        return lambda x: run(inputs=x)["encoding"]

    return {
        "SavedModel serving_default": ("images", saved("serving_default")),
        "SavedModel encode": ("views", saved("encode")),
        "LiteRT serving_default": ("images", litert("serving_default")),
        "LiteRT encode": ("views", litert("encode")),
        "ONNX": ("views", lambda x: session.run(["encoding"], {"inputs": x})[0]),
    }


def median_seconds(call: Callable, batch: np.ndarray, seconds: float) -> float:
    """Median time of a call, after calls that allocate and compile."""
    for _ in range(3):
        call(batch)
    times: list[float] = []
    while len(times) < 10 or sum(times) < seconds:
        start = time.perf_counter()
        call(batch)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(encoder: keras.Model, seconds: float) -> list[dict[str, Any]]:
    """Rows of results for one encoder."""
    images = np.random.default_rng(0).integers(0, 256, (1000, 28, 28, 1), "uint8")
    inputs = {"images": images, "views": images[:, :14] / np.float32(255)}
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "encoder"
        saved_model.export(
            encoder,
            folder,
            preprocessing=serving.of_run(Settings(), 0, VIEW),
            formats=("saved_model", "tflite", "onnx"),
        )
        for name, (kind, call) in callables(folder).items():
            for rows in ROWS:
                median = median_seconds(call, inputs[kind][:rows], seconds)
                results.append(
                    {
                        "format": name,
                        "rows": rows,
                        "median_ms": round(1e3 * median, 4),
                        "rows_per_second": round(rows / median),
                    }
                )
    return results


def table(results: list[dict[str, Any]]) -> str:
    """Median milliseconds, formats down and rows across."""
    lines = [f"{'median ms, rows:':<28}" + "".join(f"{rows:>10}" for rows in ROWS)]
    for name in dict.fromkeys(result["format"] for result in results):
        medians = [r["median_ms"] for r in results if r["format"] == name]
        lines.append(f"{name:<28}" + "".join(f"{ms:>10.3f}" for ms in medians))
    return "\n".join(lines)


def main(output: str, seconds: float) -> None:
    """Measures, prints and writes."""
    facts: dict[str, Any] = {"machine": machine.facts(*PACKAGES), "encoders": {}}
    for name, make in (("mlp", encoders.mlp), ("convnet", encoders.convnet)):
        encoder = make(VIEW)
        results = measure(encoder, seconds)
        facts["encoders"][name] = {
            "parameters": encoder.count_params(),
            "results": results,
        }
        print(f"{name}, {encoder.count_params():,} parameters\n{table(results)}\n")
    record.write(output, facts)


if __name__ == "__main__":
    _OUTPUT = flags.DEFINE_string(
        "output", "benchmarks/results/serving.json", "File to write."
    )
    _SECONDS = flags.DEFINE_float("seconds", 1.0, "Time for each measurement.")
    program.run(lambda: main(_OUTPUT.value, _SECONDS.value))
