"""The forty tasks of the benchmark of Czyż et al., and tasks of other packages."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_infomax import checks
from keras_infomax.distributions.base import Distribution
from keras_infomax.distributions.elliptical import gaussian, student
from keras_infomax.distributions.scalar import AdditiveNoise
from keras_infomax.distributions.transforms import transformed


def _dense(dim):
    matrix = np.full((2 * dim, 2 * dim), 0.5)
    np.fill_diagonal(matrix, 1.0)
    return gaussian(covariance=matrix)


def _normal():
    return gaussian(correlation=0.75)


def _two_pairs(dim):
    return gaussian(dim=dim, correlation=0.8, pairs=2)


def _mapped(make, *transforms):
    made = make()
    for name in transforms:
        made = transformed(made, name)
    return made


def _makers() -> dict[str, Callable[[], Distribution]]:
    of = functools.partial
    makers: dict[str, Callable[[], Distribution]] = {
        "1v1-normal-0.75": _normal,
        "1v1-additive-0.1": of(AdditiveNoise, 0.1),
        "1v1-additive-0.75": of(AdditiveNoise, 0.75),
        "1v1-bimodal-0.75": of(_mapped, _normal, "bimodal"),
    }
    of_normal = "1v1-normal-0.75"
    for name in ("normal_cdf", "wiggly", "half_cube"):
        makers[f"{name}-{of_normal}"] = of(_mapped, _normal, name)
    rolled = of(_mapped, _normal, "normal_cdf", "swiss_roll")
    makers[f"swissroll_x-normal_cdf-{of_normal}"] = rolled
    for dim in (2, 3, 5, 25, 50):
        makers[f"multinormal-dense-{dim}-{dim}-0.5"] = of(_dense, dim)
    for dim in (2, 3, 5, 25):
        task, make = f"multinormal-sparse-{dim}-{dim}-2-2.0", of(_two_pairs, dim)
        makers[task] = make
        if dim == 2:
            continue
        for name in ("normal_cdf", "half_cube", "spiral"):
            makers[f"{name}-{task}"] = of(_mapped, make, name)
        makers[f"spiral-normal_cdf-{task}"] = of(_mapped, make, "normal_cdf", "spiral")
    for dim, degrees in ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3)):
        task, make = (
            f"student-identity-{dim}-{dim}-{degrees}",
            of(student, degrees, dim),
        )
        makers[task] = make
        if (dim, degrees) in ((1, 1), (2, 1), (3, 2), (5, 2)):
            makers[f"asinh-{task}"] = of(_mapped, make, "asinh")
    return makers


_MAKERS = _makers()
# The identifiers of the forty tasks, as the package benchmark-mi has them.
TASKS = tuple(sorted(_MAKERS))


def task(name: str) -> Distribution:
    """One of the forty tasks of the benchmark of Czyż et al., by its identifier.

    They are implemented here, since the package benchmark-mi needs NumPy 1. If it is
    installed, `adapted` takes its objects.

    Args:
        name: One of `TASKS`, such as `"1v1-normal-0.75"`.

    Raises:
        ValueError: If the name is unknown; the message suggests the nearest one.

    Example:
    >>> len(TASKS), task("1v1-additive-0.1")
    (40, <1v1-additive-0.1: 1.7094 nats>)

    Reference:
        Czyż et al., 2023, "Beyond Normal: On the Evaluation of Mutual Information
        Estimators", table 1, https://arxiv.org/abs/2306.11078.
    """
    made = checks.lookup("task", name, _MAKERS, f"name={TASKS[0]!r}")()
    made.name = str(name)
    return made


class Adapted(Distribution):
    """A task of another package; see `adapted`.

    Args:
        task: The task.
        name: Name of the task in tables.
    """

    def __init__(self, task: Any, name: str):
        super().__init__(name)
        self.task = task

    @property
    def mutual_information(self) -> float:
        known = self.task.mutual_information
        return float(known() if callable(known) else known)

    def draw(self, rows, generator):
        x, y = self.task.sample(rows, int(generator.integers(2**31)))
        return tuple(np.asarray(v).reshape(rows, -1) for v in (x, y))


def adapted(task: Any, name: str | None = None) -> Adapted:
    """A task of benchmark-mi, or of any package with the same two attributes.

    Args:
        task: Object with `sample(rows, seed)`, which returns a pair of arrays, and
            `mutual_information` in nats, a number or a method without arguments.
        name: Name of the task in tables. Defaults to its `id`, or its class.

    Raises:
        ValueError: If the object lacks one of them.

    Example:
    >>> class Copies:
    ...     mutual_information = 0.0
    ...
    ...     def sample(self, rows, seed):
    ...         return np.zeros(rows), np.zeros(rows)
    >>> adapted(Copies(), name="copies").sample(5)[0].shape
    (5, 1)
    """
    if not callable(getattr(task, "sample", None)) or not hasattr(
        task, "mutual_information"
    ):
        raise checks.refusal(
            "task",
            "an object with sample(rows, seed) and mutual_information",
            task,
            "Give, for example, bmi.benchmark.BENCHMARK_TASKS['1v1-normal-0.75'].",
        )
    name = checks.text("name", name, "task", optional=True)
    return Adapted(task, name or str(getattr(task, "id", type(task).__name__)))
