"""A real TensorBoard server on loopback, and its HTTP API."""

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

_SECONDS_TO_START = 120


class Board:
    """Asks a server for what its pages ask for.

    Args:
        address: Address of the server.
    """

    def __init__(self, address):
        self.address = address

    def get(self, path, body=None, **arguments):
        """Bytes of an answer; `body`, if given, is posted as JSON."""
        query = "?" + urllib.parse.urlencode(arguments) if arguments else ""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.address}/data/{path}{query}",
            data,
            {"Content-Type": "application/json"} if data else {},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def ask(self, path, body=None, **arguments):
        """An answer in JSON."""
        return json.loads(self.get(path, body, **arguments))

    def wait_for_runs(self, count):
        """Waits until the server has read so many runs, and no more come."""
        runs, deadline = [], time.monotonic() + _SECONDS_TO_START
        while len(runs) < count:
            assert time.monotonic() < deadline, f"TensorBoard found only {runs}"
            time.sleep(0.2)
            runs = self.ask("runs")
        return runs


@contextlib.contextmanager
def serving(log_dir):
    """Starts `tensorboard --logdir=log_dir` at a free port, and ends it."""
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={log_dir}"]
    command += ["--host=127.0.0.1", "--port=0", "--reload_interval=1"]
    # Port 0 is one that the system finds free; the first line says which.
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        for line in process.stderr:
            if found := re.search(r"at (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            raise RuntimeError("TensorBoard ended before it served.")
        yield Board(found[1])
    finally:
        process.terminate()
        process.stderr.close()
        process.wait(timeout=30)
