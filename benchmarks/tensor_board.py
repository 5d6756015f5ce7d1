"""What callbacks.TensorBoard costs at its defaults, as a share of the training time.

python -m benchmarks.tensor_board --output=benchmarks/results/tensor_board.json

Trains the demo with and without it, in pairs whose order alternates, each time with the
linear probe and held-out estimates. Times of whole trainings scatter by more than the
cost, so the time that is spent in the callback is measured, too. Processor time is that
of all threads; unlike elapsed time it does not depend on what else the machine does.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import keras
from absl import flags

from benchmarks import machine, record
from configs import digits_halves
from keras_infomax import callbacks
from keras_infomax.training import experiments
from keras_infomax.training.settings import Settings
from trainers import program


class Timed(callbacks.TensorBoard):
    """Counts the seconds that are spent in it."""

    def __init__(self, *args):
        super().__init__(*args)
        self.seconds = 0.0
        for name in dir(keras.callbacks.Callback):
            if name.startswith("on_"):
                setattr(self, name, self._timed(getattr(self, name)))

    def _timed(self, hook: Callable) -> Callable:
        def timed(*args, **kwargs):
            start = time.perf_counter()
            hook(*args, **kwargs)
            self.seconds += time.perf_counter() - start

        return timed


def train(settings: Settings, with_board: bool) -> dict[str, float]:
    """Seconds of one training, and those of them in the callback.

    Args:
        settings: Settings of the experiment `infomax`.
        with_board: Whether to show it in TensorBoard.
    """
    keras.utils.set_random_seed(settings.seed)
    experiment = experiments.infomax(settings)
    assert experiment.held_out is not None
    with tempfile.TemporaryDirectory() as log_dir:
        watching: list[keras.callbacks.Callback] = list(experiment.measuring)
        ((views,),) = experiment.held_out.take(1)
        board = Timed(log_dir, views, *watching)
        if with_board:
            watching.append(board)
        elapsed, processor = time.perf_counter(), time.process_time()
        experiment.model.fit(
            experiment.batches(0, settings.steps),
            epochs=settings.steps // settings.eval_every,
            steps_per_epoch=settings.eval_every,
            validation_data=experiment.held_out,
            callbacks=watching,
            shuffle=False,
            verbose=0,
        )
        return {
            "elapsed_s": round(time.perf_counter() - elapsed, 2),
            "processor_s": round(time.process_time() - processor, 2),
            "in_callback_s": round(board.seconds, 3),
        }


def measure(settings: Settings, pairs: int) -> dict[str, Any]:
    """Trainings in pairs, and the median of what each pair says.

    Args:
        settings: Settings of the experiment `infomax`.
        pairs: Number of pairs.
    """
    train(settings, with_board=True)  # What only the first training of a process pays.
    found = []
    for number in range(pairs):
        order = (True, False) if number % 2 else (False, True)
        seconds = {with_board: train(settings, with_board) for with_board in order}
        found.append({"without": seconds[False], "with": seconds[True]})
    shares = [
        pair["with"]["in_callback_s"]
        / (pair["with"]["elapsed_s"] - pair["with"]["in_callback_s"])
        for pair in found
    ]
    return {
        "steps": settings.steps,
        "pairs": found,
        "median_share_in_callback": round(statistics.median(shares), 4),
        **{
            f"median_share_of_{kind}": round(
                statistics.median(
                    pair["with"][kind] / pair["without"][kind] - 1 for pair in found
                ),
                4,
            )
            for kind in ("elapsed_s", "processor_s")
        },
    }


def main(output: str, pairs: int) -> None:
    """Measures, prints and writes."""
    config = digits_halves.get_config("")
    facts = {
        "machine": machine.facts(),
        **measure(Settings.resolve(config), pairs),
    }
    print(json.dumps(facts, indent=1))
    record.write(output, facts)


if __name__ == "__main__":
    _OUTPUT = flags.DEFINE_string(
        "output", "benchmarks/results/tensor_board.json", "File to write."
    )
    _PAIRS = flags.DEFINE_integer("pairs", 3, "Number of pairs.")
    program.run(lambda: main(_OUTPUT.value, _PAIRS.value))
