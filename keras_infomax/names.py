"""Looks up the objects that configs and callers may give by name."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


def nearest(word: str, known: Iterable[str]) -> str:
    """Returns a hint such as ` Did you mean 'mlp'?`, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def lookup(kind: str, name: Any, table: Mapping[str, Any]) -> Any:
    """Returns `table[name]`.

    Args:
        kind: What the table holds, for the message: `"critic"`, `"bound"`, ...
        name: The name to look up.
        table: Known names and what they stand for.

    Raises:
        ValueError: If `name` is unknown; the message suggests the nearest one.
    """
    if isinstance(name, str) and name in table:
        return table[name]
    hint = nearest(name, table) if isinstance(name, str) else ""
    known = ", ".join(repr(key) for key in sorted(table))
    raise ValueError(f"Unknown {kind} {name!r}.{hint} Expected one of: {known}.")
