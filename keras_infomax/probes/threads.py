"""Keeps the solvers of the probes to one thread."""

from typing import Any


def one_thread() -> Any:
    """Keeps BLAS and OpenMP to one thread inside a `with` block.

    On busy cores a second thread spins instead of helping, which was measured to be 30
    times slower. It would also make sums, and so accuracies, depend on the load.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
