"""Runs estimators on distributions of known mutual information, into one table."""

import math
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_infomax import checks, distributions, files, version
from keras_infomax.estimation.estimator import METHODS, estimate_mi
from keras_infomax.plots import drawing

COLUMNS = (
    "task",
    "truth",
    "rows",
    "seed",
    "method",
    "value",
    "low",
    "high",
    "covered",
    "ceiling",
    "seconds",
    "warnings",
    "commit",
)


def task(name: str) -> distributions.Distribution:
    """A distribution by name: one of the forty tasks, or a family with parameters.

    Args:
        name: As for `distributions.task`, or `gaussian:DIM:NATS`, `uniform:DIM:NATS` or
            `student:DEGREES:DIM:NATS`.

    Raises:
        ValueError: If there is no such distribution.

    Example:
    >>> round(task("gaussian:20:6").mutual_information, 6)
    6.0
    """
    kind, *numbers = checks.text("name", name, "gaussian:20:6").split(":")
    makers = {"gaussian": 2, "uniform": 2, "student": 3}
    if makers.get(kind) != len(numbers):
        return distributions.task(name)
    try:
        *rest, dim, nats = map(float, numbers)
    except ValueError as error:
        advice = "Write, for example, 'gaussian:20:6'."
        raise checks.refusal("name", "a name and numbers", name, advice) from error
    make = getattr(distributions, kind)
    made = make(*rest, dim=int(dim), mutual_information=nats)
    made.name = name
    return made


def check(settings: Mapping[str, Any]) -> None:
    """Checks settings before anything is estimated.

    Args:
        settings: As `run` takes them.

    Raises:
        ValueError: If a setting is missing or unknown.
    """
    known = {"tasks", "rows", "seeds", "methods", "steps"}
    if set(settings) != known:
        wrong = sorted(set(settings) ^ known)
        raise ValueError(
            f"settings must have the keys {', '.join(sorted(known))}; received others, "
            f"or not all: {', '.join(wrong)}. See configs/mi/benchmark.py."
        )
    for method in settings["methods"]:
        checks.one_of("methods", method, METHODS)
    for name in settings["tasks"]:
        task(name)


def run(
    settings: Mapping[str, Any], folder: str | os.PathLike, name: str = "results"
) -> pathlib.Path:
    """Computes all estimates that are missing in the table, and saves each.

    Args:
        settings: Lists `tasks`, `rows`, `seeds` and `methods`, and `steps`, the largest
            number of steps of a training. All trained methods use the same critic.
        folder: Folder of the table.
        name: Name of the table, without its ending.

    Returns:
        Path of the CSV file.

    Raises:
        ValueError: If a setting is missing or unknown.
    """
    check(settings)
    path = pathlib.Path(checks.path("folder", folder), f"{name}.csv")
    table = read(path)
    done = {tuple(row[k] for k in ("task", "rows", "seed", "method")) for row in table}
    for one, rows, seed in _points(settings):
        wanted = [
            method
            for method in settings["methods"]
            if (one, str(rows), str(seed), method) not in done
        ]
        if wanted:
            table += _estimates(one, rows, seed, wanted, settings["steps"])
            write(table, path)
            print(
                f"{one}, {rows} rows, seed {seed}: {len(wanted)} estimates", flush=True
            )
    return path


def read(path: pathlib.Path) -> list[dict[str, str]]:
    """Rows of a table; none if the file does not exist.

    Args:
        path: Path of the CSV file.
    """
    if not path.is_file():
        return []
    header, rows = files.read_csv(path)
    return [dict(zip(header, row, strict=True)) for row in rows]


def write(table: Sequence[Mapping[str, Any]], path: pathlib.Path) -> None:
    """Writes a table atomically.

    Args:
        table: Rows.
        path: Path of the CSV file.
    """
    # Tables of earlier versions have no commit.
    rows = ([row.get(column, "") for column in COLUMNS] for row in table)
    files.write_csv(path, COLUMNS, *rows)


def summary(table: Sequence[Mapping[str, str]]) -> str:
    """A Markdown table: estimates by task and rows, means over seeds.

    Args:
        table: Rows, as `read` returns them.
    """
    methods = [m for m in METHODS if any(row["method"] == m for row in table)]
    points = list(dict.fromkeys((row["task"], row["rows"]) for row in table))
    lines = [
        "| task | rows | truth | " + " | ".join(methods) + " |",
        "|---|--:|--:|" + "--:|" * len(methods),
    ]
    for one, rows in points:
        of = [row for row in table if (row["task"], row["rows"]) == (one, rows)]
        cells = []
        for method in methods:
            values = [float(row["value"]) for row in of if row["method"] == method]
            cells.append(f"{sum(values) / len(values):.2f}" if values else "")
        truth = float(of[0]["truth"])
        lines.append(f"| `{one}` | {rows} | {truth:.2f} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(table: Sequence[Mapping[str, str]]) -> Any:
    """Draws estimates against the true values, and the log of the held-out rows.

    Args:
        table: Rows, as `read` returns them.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: If Matplotlib is missing.
    """
    figure = drawing.new_figure(7.2, 5.4)
    axes = figure.add_subplot()
    truths = sorted({float(row["truth"]) for row in table})
    ends = [0.0, max(truths) * 1.05]
    axes.plot(ends, ends, "k-", lw=1, label="true value")
    for index, method in enumerate(METHODS):
        points = [
            (float(row["truth"]), float(row["value"]))
            for row in table
            if row["method"] == method and math.isfinite(float(row["value"]))
        ]
        if points:
            axes.plot(
                *zip(*sorted(points), strict=True), f"C{index}o-", ms=4, label=method
            )
    ceilings = {float(r["ceiling"]) for r in table if r["method"] == "infonce"}
    for position, ceiling in enumerate(sorted(ceilings)):
        label = "log of the held-out rows" if not position else "_"
        axes.axhline(ceiling, color="k", ls=":", lw=1, label=label)
    axes.set(
        xlabel="true mutual information [nats]",
        ylabel="estimate [nats]",
        xlim=ends,
        ylim=(-0.5, 1.3 * max(truths)),
    )
    drawing.finish(axes, fontsize="small")
    return figure


def _points(settings) -> Iterator[tuple[str, int, int]]:
    for rows in settings["rows"]:
        for seed in settings["seeds"]:
            for one in settings["tasks"]:
                yield one, rows, seed


def _estimates(name, rows, seed, methods, steps):
    made = task(name)
    commit = version.commit()
    x, y = made.sample(rows, seed)
    truth = made.mutual_information
    # One training gives all bounds of a critic.
    first = [m for m in methods if m not in ("ksg", "gaussian")][:1]
    for method in [*first, *(m for m in methods if m in ("ksg", "gaussian"))]:
        trained = {} if method in ("ksg", "gaussian") else {"steps": steps}
        found = estimate_mi(
            x, y, method, seed=seed, permutations=0, verbose=False, **trained
        )
        values = found.bounds or {method: found.value}
        for of in [m for m in methods if m in values]:
            low, high = found.intervals.get(of, (math.nan, math.nan))
            if of == method:
                low, high = found.interval
            yield {
                "task": name,
                "truth": round(truth, 6),
                "rows": rows,
                "seed": seed,
                "method": of,
                "value": round(values[of], 6),
                "low": round(low, 6),
                "high": round(high, 6),
                "covered": int(low <= truth <= high) if low == low else "",
                "ceiling": round(found.ceiling, 6) if of == method else "inf",
                "seconds": round(found.seconds, 1),
                "warnings": len(found.warnings),
                "commit": commit,
            }
