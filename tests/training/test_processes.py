"""Processes that get real signals. They import nothing else, and so start at once."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from process_checks import gone

HEAD = f"""
import multiprocessing, multiprocessing.resource_tracker
import os, subprocess, sys, time
sys.path.insert(0, {str(ROOT / "keras_infomax" / "training")!r})
import processes

def child():
    print("child", os.getpid(), flush=True)
    time.sleep(60)

def watching_child(parent):
    processes.end_with(parent)
    child()
"""


@pytest.fixture
def start(tmp_path):
    """Starts a script in a session of its own, and reads what it first prints."""
    with contextlib.ExitStack() as started:

        def started_one(code):
            script = tmp_path / "script.py"
            script.write_text(
                f"{HEAD}\nif __name__ == '__main__':\n    {code.strip()}\n"
            )
            process = subprocess.Popen(
                [sys.executable, str(script)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            started.enter_context(process)
            started.callback(process.kill)
            return process, process.stdout.readline().split()

        yield started_one


NOTED = """
    with processes.stopping_in_one_line():
        with processes.noted(lambda: "with 2 of 3 runs done"):
            with processes.noted(lambda: "at step 3 of 8"):
                print("ready", flush=True)
                time.sleep(60)
"""
PLAIN = """
    with processes.stopping_in_one_line():
        print("ready", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("code", [NOTED, PLAIN], ids=["noted", "plain"])
@pytest.mark.parametrize(
    ("sent", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_is_one_line_and_an_exit_code(start, code, sent, exit_code):
    process, _ = start(code)
    process.send_signal(sent)
    _, err = process.communicate(timeout=30)
    assert process.returncode == exit_code
    # What is innermost knows best.
    where = " at step 3 of 8; repeat the command to go on" if code is NOTED else ""
    assert err == f"stopped{where or '; repeat the command'}\n"


def test_a_second_signal_ends_what_does_not_end(start):
    process, _ = start(
        """
    with processes.stopping_in_one_line():
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            print("tidying", flush=True)
            time.sleep(60)
"""
    )
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "tidying\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert err == ""


def test_handlers_are_put_back_after_the_block():
    sys.path.insert(0, str(ROOT))
    from keras_infomax.training import processes

    before = signal.getsignal(signal.SIGTERM)
    with processes.stopping_in_one_line():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(ValueError, match="of the block"):
        with processes.stopping_in_one_line():
            raise ValueError("of the block")
    assert signal.getsignal(signal.SIGTERM) is before


SPAWNING = """
    context = multiprocessing.get_context("spawn")
    multiprocessing.resource_tracker.ensure_running()
    each = context.Process(target=watching_child, args=(os.getpid(),))
    with processes.stopping_in_one_line():
        with processes.deaf_to_interrupts():
            each.start()
        try:
            time.sleep(60)
        finally:
            processes.end([each])
            print("child ended with", each.exitcode, flush=True)
"""


@pytest.mark.parametrize("to_all", [False, True], ids=["parent", "group"])
@pytest.mark.parametrize(
    ("sent", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_children_are_ended_by_their_parent(start, sent, exit_code, to_all):
    process, (_, child) = start(SPAWNING)
    # A terminal sends Ctrl-C to the whole group, and the child is not to say anything.
    os.kill(int(child), signal.SIGINT)
    assert not gone(child, seconds=0.5)
    (os.killpg if to_all else os.kill)(process.pid, sent)
    out, err = process.communicate(timeout=30)
    assert process.returncode == exit_code
    assert err == "stopped; repeat the command\n"
    assert out == f"child ended with {-signal.SIGTERM}\n"
    assert gone(child)


STARTING = """
    code = "import os, sys, time; sys.path.insert(0, sys.argv[1]); " \\
        "import processes; " \\
        "processes.end_if_orphaned(); assert processes._PARENT not in os.environ; " \\
        "print('child', os.getpid(), flush=True); time.sleep(60)"
    subprocess.run(
        [sys.executable, "-c", code, sys.path[0]], env=processes.environment_of_child()
    )
"""


@pytest.mark.parametrize("code", [SPAWNING, STARTING], ids=["spawned", "a program"])
def test_children_end_with_a_parent_that_is_killed(start, code):
    process, (_, child) = start(code)
    process.kill()
    process.wait()
    assert gone(child)


def test_a_child_that_will_not_end_is_killed(start):
    process, _ = start(
        """
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    processes._PATIENCE_SECONDS = 0.5
    each = multiprocessing.get_context("spawn").Process(target=child)
    each.start()
    time.sleep(1)
    processes.end([each])
    print("child ended with", each.exitcode, flush=True)
"""
    )
    out, _ = process.communicate(timeout=30)
    assert out == f"child ended with {-signal.SIGKILL}\n"


RUNNING = """
    with open("script2.py", "w") as file:
        file.write("import os, sys, time; assert __name__ == '__main__'; "
                   "assert 'keras_infomax' not in sys.modules; "
                   "print(*sys.argv, os.getpid(), flush=True); time.sleep(60)")
    subprocess.run([sys.executable, processes.__file__, "script2.py", "--flag"],
                   env=processes.environment_of_child())
"""


def test_a_script_ends_with_a_parent_that_is_killed(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process, (name, flag, child) = start(RUNNING)
    assert (name, flag) == ("script2.py", "--flag")
    assert not gone(child, seconds=1)
    process.kill()
    process.wait()
    assert gone(child)


def test_children_have_a_file_for_what_is_not_of_python(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    process, _ = start(
        """
    command = [sys.executable, "-c", "import os; os.write(2, b'note of a child\\\\n')"]
    with processes.native_errors_to("stderr.txt"):
        subprocess.run(command)
    print("seen", file=sys.stderr, flush=True)
    os.write(2, b"and this")
    print("done", flush=True)
"""
    )
    _, err = process.communicate(timeout=30)
    assert err == "seen\nand this"
    assert (tmp_path / "stderr.txt").read_text() == "note of a child\n"
