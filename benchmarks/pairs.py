"""Times two things in turn, so that whatever else the machine does befalls both."""

import statistics
import time
from collections.abc import Callable


def measure(
    first: Callable[[], object], second: Callable[[], object], turns: int
) -> dict[str, float]:
    """Calls both once to warm up, and then in turn.

    Args:
        first: What is measured.
        second: What it is compared with.
        turns: Number of calls of each; which goes first alternates.

    Returns:
        Median seconds of each, `first_s` and `second_s`, and of the ratios of the first
        to the second in each turn the median and the quartiles.
    """
    calls = first, second
    for call in calls:
        call()
    seconds: list[list[float]] = [[], []]
    for turn in range(turns):
        for index in (0, 1) if turn % 2 else (1, 0):
            start = time.perf_counter()
            calls[index]()
            seconds[index].append(time.perf_counter() - start)
    ratios = sorted(a / b for a, b in zip(*seconds, strict=True))
    return {
        "first_s": round(statistics.median(seconds[0]), 4),
        "second_s": round(statistics.median(seconds[1]), 4),
        "ratio": round(statistics.median(ratios), 3),
        "lower_quartile": round(ratios[turns // 4], 3),
        "upper_quartile": round(ratios[-1 - turns // 4], 3),
    }
