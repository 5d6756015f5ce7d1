"""Time of all that surrounds a training step, each beside what bounds it.

python -m benchmarks.overheads

`fit` beside a bare loop, the input beside a constant batch, the linear probe beside
SAGA, an evaluation beside the steps around it, and the start of the program beside the
import of TensorFlow and one compilation. See `docs/performance.md`.
"""

import contextlib
import cProfile
import pathlib
import pstats
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MinMaxScaler

from benchmarks import machine, pairs, peers, record
from benchmarks.peers import ours
from keras_infomax import datasets, probes, views
from keras_infomax.execution import plan
from keras_infomax.probes import encoding
from keras_infomax.probes.threads import one_thread
from trainers import program

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH_SIZE = 128
STEPS = 640
# Rows of the probe, as many as MNIST has: the embedded digits, again and again, with
# noise that tells them apart.
TRAIN_ROWS, TEST_ROWS = 60_000, 10_000
NOISE = 0.1

Pair = tuple[Callable[[], object], Callable[[], object]]


def _long_run(critic: str = "bilinear") -> keras.Model:
    model = ours.make(critic)
    model.optimizer.iterations.assign(STEPS)
    return model


def _stream(steps: int) -> tf.data.Dataset:
    images = peers.images().reshape(-1, 28, 28, 1)
    return datasets.pairs(images, "halves", BATCH_SIZE, num_steps=steps)


def _constant(steps: int) -> tf.data.Dataset:
    ((batch,),) = _stream(1)
    return tf.data.Dataset.from_tensors((batch,)).repeat(steps)


def fit_and_bare_loop() -> Pair:
    """`fit`, and the compiled steps that it calls, called in a loop."""
    data = _constant(STEPS)
    model, bare = _long_run(), _long_run()
    bare.fit(data, verbose=0)  # Makes the function.
    chosen = plan.choose(bare, plan.length(data, None, 1, None), [])

    def loop():
        batches = iter(data)
        with bare._running("fit", chosen):
            for _ in range(STEPS // chosen.steps):
                bare.train_function(batches)

    return lambda: model.fit(data, verbose=0), loop


def stream_and_constant_batch() -> Pair:
    """`fit` on the stream of a data set, and on one batch again and again."""
    model = _long_run()
    stream, constant = _stream(STEPS), _constant(STEPS)
    return (
        lambda: model.fit(stream, verbose=0),
        lambda: model.fit(constant, verbose=0),
    )


def _digits() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Noisy top halves of digits with their labels, to train and to test."""
    digits, random = datasets.load("digits"), np.random.default_rng(0)

    def many(images, labels, rows):
        chosen = np.arange(rows) % len(images)
        top = views.Halves()(datasets.to_float(images[chosen]))[0].numpy()
        noise = random.normal(0, NOISE, top.shape)
        return (top + noise).astype("float32"), labels[chosen]

    return (
        many(digits.train_images, digits.train_labels, TRAIN_ROWS),
        many(digits.test_images, digits.test_labels, TEST_ROWS),
    )


def probe_and_saga(most_epochs: int = 64) -> tuple[Pair, dict[str, Any]]:
    """The probe, and scikit-learn's SAGA run to the same accuracy.

    Args:
        most_epochs: Passes of SAGA after which its accuracy may stay below.

    Returns:
        Both, and the accuracies and number of passes.
    """
    model = _long_run()
    model.fit(_stream(STEPS), verbose=0)
    train, test = (
        (probes.encode(model.encoder_x, x), labels) for x, labels in _digits()
    )
    accuracy = probes.LogisticProbe().fit(*train).score(*test)

    def saga(epochs):
        scaler = MinMaxScaler().fit(train[0])
        # No tolerance, lest it stops before.
        solver = LogisticRegression(C=10, solver="saga", max_iter=epochs, tol=0)
        solver.fit(scaler.transform(train[0]), train[1])
        return solver.score(scaler.transform(test[0]), test[1])

    epochs = 1
    with _quietly():
        while (reached := saga(epochs)) < accuracy - 0.001 and epochs < most_epochs:
            epochs *= 2

    def run_saga():
        with _quietly():
            saga(epochs)

    facts = {"accuracy": accuracy, "saga_accuracy": reached, "saga_epochs": epochs}
    return (lambda: probes.LogisticProbe().fit(*train).score(*test), run_saga), facts


def evaluation_and_steps(steps: int = 1000) -> tuple[Pair, Pair]:
    """Encoding and probing 70,000 half digits, and the steps between two of these.

    Returns:
        Both, and the two parts of the first.
    """
    model, data = _long_run(), _stream(steps)
    train, test = _digits()

    def encode():
        views = [views for views, _ in (train, test)]
        return encoding.encode_all(model.encoder_x, views)

    def judge(encoder, train, test):
        return probes.judge({"linear": probes.LogisticProbe()}, encoder, train, test)

    encoded = [(x, y) for x, (_, y) in zip(encode(), (train, test), strict=True)]
    return (
        (
            lambda: judge(model.encoder_x, train, test),
            lambda: model.fit(data, verbose=0),
        ),
        (encode, lambda: judge(None, *encoded)),
    )


def profile(call: Callable[[], object], most: int = 10) -> list[dict[str, Any]]:
    """Where the time of a call goes, by Python's profiler.

    Args:
        call: What is called, once.
        most: Number of functions that are told.

    Returns:
        The functions that take longest by themselves: `function`, its number of
        `calls`, its `own_s` seconds and their `share` of all.
    """
    profiler = cProfile.Profile()
    profiler.runcall(call)
    found = pstats.Stats(profiler).stats.items()  # type: ignore[attr-defined]
    total = sum(own for _, (_, _, own, _, _) in found)
    by_time = sorted(found, key=lambda entry: -entry[1][2])[:most]
    return [
        {
            "function": _described(*function),
            "calls": calls,
            "own_s": round(own, 4),
            "share": round(own / total, 3),
        }
        for function, (_, calls, own, _, _) in by_time
    ]


def _described(file: str, line: int, name: str) -> str:
    if file == "~":  # Written in C.
        return name.strip("<>").replace("built-in method ", "")
    return f"{pathlib.Path(file).name}: {name}"


def profile_table(found: list[dict[str, Any]]) -> str:
    """A profile as a Markdown table."""
    lines = ["| function | calls | seconds | share |", "|---|---|---|---|"]
    lines += [
        f"| `{row['function']}` | {row['calls']} | {row['own_s']:.3f} "
        f"| {row['share']:.2f} |"
        for row in found
    ]
    return "\n".join(lines)


def start_and_least(turns: int) -> dict[str, float]:
    """`trainers.train` until its first steps, and what no program could do without.

    That is importing TensorFlow and compiling the steps once.

    Args:
        turns: Number of starts.
    """

    def start():
        with tempfile.TemporaryDirectory() as workdir:
            _run(
                "-m",
                "benchmarks.first_step",
                "--config=configs/digits_halves.py",
                f"--workdir={workdir}",
            )

    found = pairs.measure(start, lambda: _run("-c", "import tensorflow"), turns)
    compiling = []
    for _ in range(turns):
        model, data = _long_run(), _constant(32)
        start_of_first = time.perf_counter()
        model.fit(data, verbose=0)
        start_of_second = time.perf_counter()
        model.fit(data, verbose=0)
        first = start_of_second - start_of_first
        compiling.append(first - (time.perf_counter() - start_of_second))
    least = found["second_s"] + float(np.median(compiling))
    scale = found["second_s"] / least
    ratios = ("ratio", "lower_quartile", "upper_quartile")
    return {
        "first_s": found["first_s"],
        "second_s": round(least, 4),
        **{name: round(found[name] * scale, 3) for name in ratios},
    }


def _run(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True
    )


@contextlib.contextmanager
def _quietly():
    with warnings.catch_warnings(), one_thread():
        # It is stopped before it has converged, on purpose.
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def table(results: dict[str, dict[str, float]]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| what | beside | seconds | beside it | ratio | quartiles | at most |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (what, beside, target) in ROWS.items():
        found = results[name]
        lines.append(
            f"| {what} | {beside} | {found['first_s']:.3f} | {found['second_s']:.3f} "
            f"| {found['ratio']:.2f} | {found['lower_quartile']:.2f} to "
            f"{found['upper_quartile']:.2f} | {target} |"
        )
    return "\n".join(lines)


# By name: what is measured, what beside, and the ratio aimed at.
ROWS: dict[str, tuple[str, str, Any]] = {
    "fit": ("`fit`, 640 steps", "a bare loop of the same steps", 1.05),
    "data": ("`fit` on a stream", "`fit` on a constant batch", 1.03),
    "probe": ("linear probe, 60,000 × 100", "SAGA, to the same accuracy", 0.3),
    "evaluation": ("encoding and probing 70,000", "1,000 steps", 0.2),
    "parts": ("encoding 70,000", "probing them", ""),
    "start": ("start to first steps", "import of TensorFlow, one compilation", 1.5),
}


def main(output: str, turns: int) -> None:
    """Measures, prints and writes."""
    facts: dict[str, Any] = {"machine": machine.facts("scikit-learn")}
    probing, facts["probe"] = probe_and_saga()
    evaluation, parts = evaluation_and_steps()
    facts["results"] = {
        "fit": pairs.measure(*fit_and_bare_loop(), turns),
        "data": pairs.measure(*stream_and_constant_batch(), turns),
        "probe": pairs.measure(*probing, max(3, turns // 3)),
        "evaluation": pairs.measure(*evaluation, turns),
        "parts": pairs.measure(*parts, max(3, turns // 3)),
        "start": start_and_least(max(3, turns // 3)),
    }
    facts["profile_of_evaluation"] = profile(evaluation[0])
    print(table(facts["results"]))
    print(profile_table(facts["profile_of_evaluation"]))
    record.write(output, facts)


if __name__ == "__main__":
    _OUTPUT = flags.DEFINE_string(
        "output", "benchmarks/results/overheads.json", "File to write."
    )
    _TURNS = flags.DEFINE_integer("turns", 15, "Turns of each pair.", lower_bound=1)
    program.run(lambda: main(_OUTPUT.value, _TURNS.value))
