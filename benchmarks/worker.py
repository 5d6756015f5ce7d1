"""A peer in a process of its own, that trains when it is told to.

python -m benchmarks.worker PEER CRITIC BATCH_SIZE

Reads numbers of steps, one a line; answers each with a line of JSON: seconds by the
clock and of the processor, and the largest memory so far in MiB.
"""

import importlib
import json
import resource
import sys
import time

# All that a call runs; of large batches, whose steps take seconds, fewer.
WARM_UP_STEPS = 32
LARGE_BATCH_SIZE = 1024


def main(peer: str, critic: str, batch_size: str) -> None:
    """Prepares, says so, and serves."""
    module = importlib.import_module(f"benchmarks.peers.{peer}")
    train = module.prepare(critic, int(batch_size))
    train(WARM_UP_STEPS if int(batch_size) < LARGE_BATCH_SIZE else 2)
    print("ready", flush=True)
    for line in sys.stdin:
        clock, processor = time.perf_counter(), time.process_time()
        train(int(line))
        answer = {
            "elapsed_s": time.perf_counter() - clock,
            "processor_s": time.process_time() - processor,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
