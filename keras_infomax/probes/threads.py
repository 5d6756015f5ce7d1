"""Keeps the solvers of the probes to one thread."""

from typing import Any


def one_thread() -> Any:
    """Keeps BLAS and OpenMP to one thread inside a `with` block.

    A second thread spins instead of helping when the cores are busy: measured 30 times
    slower. It would also make sums, hence accuracies, depend on the machine's load.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
