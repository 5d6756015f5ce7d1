"""Lines on a run, by a clock that the tests turn."""

import io
import sys

import pytest

from keras_infomax.training.progress import Progress

STEPS, EVERY, CALL = 400, 100, 10
COMPILING, STEP, EVALUATING = 60.0, 0.1, 5.0


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(progress, clock, until=STEPS):
    """What `fit` calls, in its order; each step and evaluation takes its time."""
    progress.on_train_begin()
    clock.now += 7.0  # The pixel baseline, once.
    for epoch in range(until // EVERY):
        progress.opening.on_epoch_begin(epoch)
        if not epoch:
            clock.now += 2 * EVALUATING  # Of the first, a part is done once.
            progress.measured.on_epoch_begin(epoch)
            clock.now += COMPILING
        progress.on_epoch_begin(epoch)
        for batch in range(CALL - 1, EVERY, CALL):
            clock.now += CALL * STEP
            if not epoch and batch < CALL:
                clock.now += COMPILING
            progress.on_train_batch_end(batch)
        clock.now += EVALUATING
        progress.on_epoch_end(epoch)
    progress.on_train_end()


@pytest.fixture
def clock():
    return Clock()


def test_time_left_leaves_out_compilation(clock, capsys):
    progress = Progress(STEPS, EVERY, clock)
    progress.on_train_begin()
    progress.opening.on_epoch_begin(0)
    clock.now += EVALUATING
    progress.measured.on_epoch_begin(0)
    clock.now += COMPILING
    progress.on_epoch_begin(0)
    clock.now += COMPILING
    progress.on_train_batch_end(CALL - 1)
    assert progress.left is None
    clock.now += CALL * STEP
    progress.on_train_batch_end(2 * CALL - 1)
    steps_left, evaluations_left = STEPS - 2 * CALL, 4
    expected = steps_left * STEP + evaluations_left * EVALUATING
    assert progress.left == pytest.approx(expected)
    assert expected < COMPILING


def test_plain_lines_between_evaluations(clock, capsys):
    run(Progress(STEPS, EVERY, clock), clock)
    lines = capsys.readouterr().out.splitlines()
    # The first within seconds of what is known, and then now and again.
    assert lines[0] == "  step  20/400  10 steps/s  about 78 s to go"
    ends = [line for line in lines if "step" not in line]
    *others, last = ends
    assert [line.split(", ")[1] for line in others] == [
        "about 45 s to go",
        "about 30 s to go",
        "about 15 s to go",
    ]
    assert last.endswith(" in all")
    assert len(lines) < 12
    assert "\r" not in "".join(lines)


def test_one_line_is_rewritten_on_a_terminal(clock, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "80")
    progress = Progress(STEPS, EVERY, clock)
    run(progress, clock, EVERY)
    shown = screen.getvalue().split("\n")
    # All of the first epoch is one line, and it is gone when the next is printed.
    (moving, last), rest = shown[0].rsplit("\r", 1), shown[1:]
    assert last == "  3 min, about 45 s to go"
    assert rest == [""]
    states = [state.strip() for state in moving.split("\r") if state.strip()]
    assert states[0] == "step   0/400  compiling"
    assert states[1].startswith("step  20/400")
    assert states[-1] == "step 100/400  10 steps/s  evaluating"
    assert len(states) > 8


def test_a_run_that_goes_on_counts_from_there(clock, capsys):
    progress = Progress(STEPS, EVERY, clock)
    progress.on_train_begin()
    progress.opening.on_epoch_begin(3)
    progress.on_epoch_begin(3)
    for batch in (CALL - 1, 2 * CALL - 1):
        clock.now += CALL * STEP
        progress.on_train_batch_end(batch)
    assert progress.left == pytest.approx((STEPS - 320) * STEP)
