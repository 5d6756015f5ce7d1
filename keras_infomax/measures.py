"""What is measured: one name, unit and place for each quantity, wherever it is shown.

The name is that of the history of `fit`; tables, files and TensorBoard use no other.
What is not listed here, such as a metric of a user, follows what is.
"""

import dataclasses
import warnings
from collections.abc import Iterable
from typing import Any

from keras_infomax import tables

# The curves that TensorBoard draws into one chart: of training and held-out batches, of
# what the bound cannot exceed, of the truth, and of the same measure of the raw views.
TRAIN, HELD_OUT, CEILING, TRUTH, RAW_VIEWS = SHOWN = (
    "train",
    "held_out",
    "ceiling",
    "truth",
    "raw_views",
)
# Those that a folder may hold: an earlier version called the raw views pixels.
CURVES = (*SHOWN, "pixels")


@dataclasses.dataclass(frozen=True)
class Measure:
    """A quantity that a run measures.

    Args:
        name: Its name, everywhere.
        unit: Its unit; empty if it has none.
        curve: Its curve in TensorBoard.
        chart: The chart that the curve is in.
    """

    name: str
    unit: str
    curve: str
    chart: str


# In the order of the columns of tables.
MEASURES = (
    Measure("step", "training steps", TRAIN, "step"),
    Measure("loss", "", TRAIN, "loss"),
    Measure("mi", "nats", TRAIN, "mi"),
    Measure("val_loss", "", HELD_OUT, "loss"),
    Measure("val_mi", "nats", HELD_OUT, "mi"),
    Measure("mi_ceiling", "nats", CEILING, "mi"),
    Measure("true_mi", "nats", TRUTH, "mi"),
    Measure("probe_accuracy", "share of rows", HELD_OUT, "probe_accuracy"),
    Measure("probe_information", "nats", HELD_OUT, "probe_information"),
    Measure("raw_baseline", "share of rows", RAW_VIEWS, "probe_accuracy"),
    Measure("stopped_accuracy", "share of rows", HELD_OUT, "stopped_accuracy"),
    Measure("stopped_information", "nats", HELD_OUT, "stopped_information"),
    Measure("stopped_raw", "share of rows", RAW_VIEWS, "stopped_accuracy"),
    Measure("test_accuracy", "share of rows", HELD_OUT, "test_accuracy"),
    *(
        Measure(f"log_condition_{part}", "", TRAIN, f"log_condition/{part}")
        for part in ("min", "20", "40", "60", "80", "max")
    ),
    Measure("singular_examples", "rows", TRAIN, "singular_examples"),
    Measure("alignment", "", TRAIN, "alignment"),
    Measure("uniformity", "nats", TRAIN, "uniformity"),
    Measure("effective_rank", "dimensions", TRAIN, "effective_rank"),
    Measure("dead_dimensions", "share of dimensions", TRAIN, "dead_dimensions"),
    Measure("mi_over_ceiling", "share of log(rows)", TRAIN, "mi_over_ceiling"),
)
NAMES = tuple(measure.name for measure in MEASURES)
_BY_NAME = {measure.name: measure for measure in MEASURES}

# Names in tables of earlier versions.
EARLIER = {
    "loss_train": "loss",
    "loss_test": "val_loss",
    "mi_train": "mi",
    "mi_test": "val_mi",
    "pixel_baseline": "raw_baseline",
    "stopped_pixels": "stopped_raw",
}


class Row(dict[str, float | int | None]):
    """Values of one evaluation by name, which takes names of earlier versions, too."""

    def __missing__(self, name: str) -> Any:
        if name not in EARLIER:
            raise KeyError(name)
        warn_of_earlier(name, EARLIER[name])
        return self[EARLIER[name]]

    def _repr_html_(self) -> str:
        measured = [
            (name, value, place(name).unit)
            for name, value in self.items()
            if value is not None
        ]
        return tables.as_html(["measure", "value", "unit"], measured)


def warn_of_earlier(name: str, now: str) -> None:
    """Warns the caller's caller that a name is one of an earlier version.

    Args:
        name: The earlier name.
        now: The name of today.
    """
    warnings.warn(
        f"{name} is now {now}: not all views are images. Use {now}.",
        DeprecationWarning,
        stacklevel=3,
    )


def ordered(names: Iterable[str]) -> list[str]:
    """Names of measures in the order of tables: those of `MEASURES`, then all others.

    Args:
        names: The names, in any order.

    Example:
    >>> ordered(["mi_x_y", "val_mi", "accuracy", "step"])
    ['step', 'val_mi', 'accuracy', 'mi_x_y']
    """
    given = set(names)
    known = [name for name in NAMES if name in given]
    return [*known, *sorted(given - set(known))]


def place(name: str) -> Measure:
    """The measure of a name in a history, with its place in TensorBoard.

    Args:
        name: Name, with `val_` in front if it is of held-out data.

    Example:
    >>> place("val_mi").curve, place("val_mi").chart
    ('held_out', 'mi')
    >>> place("mi_global_local").chart
    'mi/global_local'
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    curve = HELD_OUT if name.startswith("val_") else TRAIN
    chart = name.removeprefix("val_")
    if chart == "selection_raw":
        return Measure(name, "share of rows", RAW_VIEWS, "selection_accuracy")
    if chart.startswith("selection_"):
        unit = "nats" if chart.endswith("information") else "share of rows"
        return Measure(name, unit, HELD_OUT, chart)
    if chart.startswith("mi_"):
        return Measure(name, "nats", curve, f"mi/{chart[3:]}")
    if chart.startswith("log_condition_"):
        return Measure(name, "", curve, f"log_condition/{chart[14:]}")
    return Measure(name, "", curve, chart)
