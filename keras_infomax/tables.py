"""Results as tables of notebooks."""

import html
from collections.abc import Iterable, Sequence
from typing import Any


def as_html(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table for the `_repr_html_` of a result.

    Args:
        header: Names of the columns.
        rows: Values; `None` is an empty cell, and floats get four digits.

    Example:
    >>> as_html(["name"], [["a < b"], [0.123456]]).count("<tr>")
    3
    """
    lines = [_line("th", header), *(_line("td", row) for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def short(value: Any) -> str:
    """A value in a few characters.

    Args:
        value: Anything; `None` is nothing.

    Example:
    >>> short(2 / 3), short(3000), short(None)
    ('0.6667', '3000', '')
    """
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _line(tag: str, cells: Sequence[Any]) -> str:
    shown = (f"<{tag}>{html.escape(short(cell))}</{tag}>" for cell in cells)
    return f"<tr>{''.join(shown)}</tr>"
