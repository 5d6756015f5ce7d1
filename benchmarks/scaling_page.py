"""Tables, fits and the picture of `benchmarks.scaling`."""

import itertools
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_infomax import files

CRITICS = ("bilinear", "separable", "mlp")
Results = Sequence[Mapping[str, Any]]


def points(results: Results, key: str, measured: str, **fixed: Any) -> list[tuple]:
    """Values of one size, and what was measured there.

    Args:
        results: Results of the benchmark.
        key: The size that varies.
        measured: `"step_ms"` or `"peak_mib"`.
        **fixed: Other sizes; those not given are the defaults.

    Returns:
        Pairs in ascending order, without those that needed too much memory.
    """
    fixed = {
        "batch_size": 512,
        "chunk_size": None,
        "replicas": 1,
        "encoding_dim": 100,
        "hidden_units": 200,
        **fixed,
    }
    del fixed[key]
    found = [
        (result[key], result[measured])
        for result in results
        if fixed.items() <= result.items() and result.get(measured) is not None
    ]
    return sorted(found)


def of_batch_size(results: Results) -> str:
    """Time and memory as a Markdown table, batch sizes across."""
    sizes = sorted({result["batch_size"] for result in results})
    lines = [_row("critic", "rows in a chunk", "replicas", *sizes), _rule(len(sizes))]
    for critic, chunk_size, replicas in itertools.product(
        CRITICS, sorted({r["chunk_size"] for r in results}, key=bool), (1, 2)
    ):
        of = {"critic": critic, "chunk_size": chunk_size, "replicas": replicas}
        times = dict(points(results, "batch_size", "step_ms", **of))
        peaks = dict(points(results, "batch_size", "peak_mib", **of))
        known = {r["batch_size"] for r in results if of.items() <= r.items()}
        cells = [
            _cell(times.get(size), peaks.get(size)) if size in known else ""
            for size in sizes
        ]
        lines.append(_row(critic, chunk_size or "all", replicas, *cells))
    return "\n".join(lines)


def _cell(step_ms, peak_mib):
    if peak_mib is None:
        return "over the limit"
    time = "" if step_ms is None else f"{_milliseconds(step_ms)}, "
    return f"{time}{peak_mib:,.0f} MiB"


def _milliseconds(value):
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def of_other_sizes(results: Results, key: str) -> str:
    """Step times as a Markdown table, values of one size across.

    Args:
        results: Results of the benchmark.
        key: `"encoding_dim"`, `"hidden_units"` or `"replicas"`.
    """
    by_critic = {
        critic: dict(points(results, key, "step_ms", critic=critic))
        for critic in CRITICS
    }
    values = sorted({value for times in by_critic.values() for value in times})
    lines = [
        _row("critic", *values, "exponent of the last two"),
        _rule(len(values) - 1),
    ]
    for critic, times in by_critic.items():
        if len(times) > 1:
            cells = [_milliseconds(times[v]) if v in times else "" for v in values]
            lines.append(_row(critic, *cells, f"{last_exponent(times):.2f}"))
    return "\n".join(lines)


def last_exponent(times: Mapping[float, float]) -> float:
    """Slope of the logarithms between the two largest sizes."""
    (size, time), (larger, its_time) = sorted(times.items())[-2:]
    return math.log(its_time / time) / math.log(larger / size)


def fitted(sizes: Sequence[float], times: Sequence[float]) -> np.ndarray:
    """Coefficients of `time = fixed + by_row * size + by_pair * size**2`.

    None is negative, and errors are relative: each time counts alike.

    Args:
        sizes: Batch sizes.
        times: Times, all positive.

    Returns:
        Array `(3,)`.
    """
    from scipy.optimize import nnls

    powers = np.asarray(sizes, "float64")[:, None] ** np.arange(3)
    coefficients, _ = nnls(powers / np.asarray(times)[:, None], np.ones(len(times)))
    return coefficients


def of_fits(results: Results) -> str:
    """Fits of the step time to the batch size, as a Markdown table."""
    lines = [
        _row(
            *("critic", "rows in a chunk", "fixed", "by row", "by pair"),
            *("share of pairs at 8,192", "exponent there", "largest error"),
        ),
        _rule(5),
    ]
    for critic, chunk_size in itertools.product(
        CRITICS, sorted({r["chunk_size"] for r in results}, key=bool)
    ):
        found = points(
            results, "batch_size", "step_ms", critic=critic, chunk_size=chunk_size
        )
        if len(found) < 3:
            continue
        sizes, times = map(np.array, zip(*found, strict=True))
        fixed, by_row, by_pair = fitted(sizes, times)
        parts = np.array([fixed, by_row * 8192, by_pair * 8192**2])
        shares = parts / parts.sum()
        error = np.abs(fixed + by_row * sizes + by_pair * sizes**2 - times) / times
        lines.append(
            _row(
                *(critic, chunk_size or "all", _milliseconds(fixed)),
                *(f"{1e3 * by_row:.2f} µs", f"{1e6 * by_pair:.2f} ns"),
                *(f"{shares[2]:.0%}", f"{shares[1] + 2 * shares[2]:.2f}"),
                f"{error.max():.0%}",
            )
        )
    return "\n".join(lines)


def _row(*cells):
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _rule(columns):
    return "|---" * (3 + columns) + "|"


def plot(results: Results, path: str | os.PathLike) -> None:
    """Draws time and memory over batch sizes, a curve a critic and way.

    Args:
        results: Results of the benchmark.
        path: The picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for axes, measured, label in zip(
        figure.subplots(1, 2),
        ("step_ms", "peak_mib"),
        ("ms a step", "MiB that training adds"),
        strict=True,
    ):
        for (index, critic), (chunk_size, replicas, style) in itertools.product(
            enumerate(CRITICS),
            ((None, 1, "-"), (256, 1, "--"), (None, 2, ":")),
        ):
            of = {"critic": critic, "chunk_size": chunk_size, "replicas": replicas}
            found = points(results, "batch_size", measured, **of)
            if found:
                way = ", chunks" if chunk_size else ", 2 replicas" * (replicas - 1)
                axes.plot(
                    *zip(*found, strict=True),
                    style,
                    marker="o",
                    markersize=3,
                    color=f"C{index}",
                    label=f"{critic}{way}",
                )
        axes.set(xscale="log", yscale="log", xlabel="batch size", ylabel=label)
        axes.grid(alpha=0.3)
    # Long handles, or dashes and dots could not be told apart.
    axes.legend(frameon=False, fontsize="x-small", handlelength=4)
    with files.replaced_file(path) as temporary:
        figure.savefig(temporary, dpi=100)


def tables(results: Results) -> dict[str, str]:
    """All tables of the page, by what they are of."""
    others = ("encoding_dim", "hidden_units", "replicas")
    return {
        "batch_size": of_batch_size(results),
        "fits": of_fits(results),
        **{key: of_other_sizes(results, key) for key in others},
    }
