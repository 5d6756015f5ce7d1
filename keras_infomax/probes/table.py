"""The protocols by which encoders are compared, by name."""

from collections.abc import Callable
from typing import Any

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


def get(probe: Any) -> Any:
    """Returns a probe by its name, not fitted, or the given one.

    | name | what it is |
    |---|---|
    | `"linear"` | `LogisticProbe()`, the paper's protocol solved to convergence |
    | `"linear_stopped"` | the same by SAGA at a tolerance of 0.1, as in its notebook |
    | `"mlp"` | `MLPProbe()`, one hidden layer |
    | `"neighbours"` | `NeighboursProbe()`, k nearest neighbours |
    | `"few_labels"` | `FewLabels(per_class=10)`, linear |
    | `"one_percent"` | `FewLabels(fraction=0.01)`, linear |
    | `"ten_percent"` | `FewLabels(fraction=0.1)`, linear |
    | `"fine_tuning"` | `FineTuning()` of the whole encoder |

    Args:
        probe: A name, or a probe, which is returned as it is.

    Raises:
        ValueError: If the name is unknown.

    Example:
    >>> get("few_labels").per_class
    10
    """
    return lookup("probe", probe, PROBES)() if isinstance(probe, str) else probe
