"""Names of the probes by which encoders are compared."""

from collections.abc import Callable
from functools import partial
from typing import Any

from keras_infomax import checks
from keras_infomax.checks import lookup
from keras_infomax.probes.few_labels import FewLabels
from keras_infomax.probes.fine_tuning import FineTuning
from keras_infomax.probes.logistic import LogisticProbe
from keras_infomax.probes.mlp import MLPProbe
from keras_infomax.probes.neighbours import NeighboursProbe

PROBES: dict[str, Callable[[], Any]] = {
    "linear": LogisticProbe,
    "linear_stopped": lambda: LogisticProbe(solver="saga", tolerance=0.1),
    "mlp": MLPProbe,
    "neighbours": NeighboursProbe,
    "few_labels": lambda: FewLabels(per_class=10),
    "one_percent": lambda: FewLabels(fraction=0.01),
    "ten_percent": lambda: FewLabels(fraction=0.1),
    "fine_tuning": FineTuning,
}

# Variants of the linear probe in solver, scaling and penalty, for a study of its own.
PASSES = (1, 2, 5, 10, 20, 50, 100)


def _passes(count: int) -> Callable[[], Any]:
    return partial(LogisticProbe, solver="saga", tolerance=1e-12, max_iterations=count)


# Names stand here as they are: `--help` and checks of flags read them in this file.
LINEAR_PROBES: dict[str, Callable[[], Any]] = {
    "passes_1": _passes(1),
    "passes_2": _passes(2),
    "passes_5": _passes(5),
    "passes_10": _passes(10),
    "passes_20": _passes(20),
    "passes_50": _passes(50),
    "passes_100": _passes(100),
    "stopped_seed_1": partial(LogisticProbe, solver="saga", tolerance=0.1, seed=1),
    "stopped_seed_2": partial(LogisticProbe, solver="saga", tolerance=0.1, seed=2),
    "stopped_standardized": partial(
        LogisticProbe, solver="saga", tolerance=0.1, scaler="standardized"
    ),
    "stopped_whitened": partial(
        LogisticProbe, solver="saga", tolerance=0.1, scaler="whitened"
    ),
    "standardized": partial(LogisticProbe, scaler="standardized"),
    "whitened": partial(LogisticProbe, scaler="whitened"),
    "best_penalty": partial(LogisticProbe, C=(0.1, 1.0, 10.0, 100.0, 1000.0)),
}


def get(probe: Any) -> Any:
    """Returns an unfitted probe by its name, or the given probe.

    | name | what it is |
    |---|---|
    | `"linear"` | `LogisticProbe()`, the paper's protocol solved to convergence |
    | `"linear_stopped"` | the same by SAGA at a tolerance of 0.1, as in its notebook |
    | `"mlp"` | `MLPProbe()`, one hidden layer |
    | `"neighbours"` | `NeighboursProbe()`, k nearest neighbors |
    | `"few_labels"` | `FewLabels(per_class=10)`, linear |
    | `"one_percent"` | `FewLabels(fraction=0.01)`, linear |
    | `"ten_percent"` | `FewLabels(fraction=0.1)`, linear |
    | `"fine_tuning"` | `FineTuning()` of the whole encoder |
    | `"passes_1"`, ..., `"passes_100"` | linear, with this number of passes of SAGA |
    | `"stopped_seed_1"`, `_2` | `"linear_stopped"`, with other orders of the rows |
    | `"stopped_standardized"`, `"stopped_whitened"` | the same with this scaling |
    | `"standardized"`, `"whitened"` | `"linear"` with this scaling |
    | `"best_penalty"` | `"linear"`, its C by cross-validation over four decades |

    Args:
        probe: A name, or a probe, which is returned unchanged.

    Raises:
        ValueError: If the name is unknown.

    Example:
    >>> get("few_labels").per_class
    10
    """
    if not isinstance(probe, str):
        if isinstance(probe, type) or not hasattr(probe, "fit"):
            raise checks.refusal(
                "probe",
                "an object with fit(x, labels), or the name of one of the probes",
                probe,
                "Write, for example, 'linear'.",
            )
        return probe
    return lookup("probe", probe, {**PROBES, **LINEAR_PROBES})()
