"""Reads what help tells from the sources, without importing what they describe.

What a key means stands in the docstring of its class, and what a program or config is
for in the first lines of its file: nothing is written twice, and nothing imports
TensorFlow.
"""

import ast
import functools
import pathlib
import re
from typing import Any, NamedTuple

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
_ARGUMENT = re.compile(r"    (\w+): (.*(?:\n {8}.*)*)")


class Key(NamedTuple):
    """A key of a config.

    Args:
        name: Its name.
        kind: Its type, as it is annotated.
        default: Its default value.
        meaning: What it means.
    """

    name: str
    kind: str
    default: Any
    meaning: str


def settings() -> list[Key]:
    """The keys of `training.Settings`, which every config has."""
    return _fields("training/settings.py", "Settings")


def search() -> list[Key]:
    """The keys of `config.search`, which the config of a search has."""
    known = _fields("tuning/description.py", "Search")
    return [key for key in known if key.name not in ("settings", "space")]


# Where the names are that a setting or a flag may be, and of which variables; a file
# that is not there, or a table that is made otherwise, leaves it to who reads it later.
_TABLES = {
    "bound": [("losses/by_name.py", "LOSSES")],
    "critic": [("critics/by_name.py", "CRITICS")],
    "encoder": [("encoders/architectures.py", "ENCODERS")],
    "experiment": [
        ("training/recipe.py", "EXPERIMENTS"),
        ("methods/__init__.py", "METHODS"),
    ],
    "strategy": [("execution/strategies.py", "_STRATEGIES")],
    "views": [("views/by_name.py", "_BY_NAME")],
    "--formats": [("saved_model/formats.py", "FILES")],
    "--method": [
        ("estimation/evaluation.py", "ESTIMATORS"),
        ("estimation/estimator.py", "METHODS"),
    ],
    "--probes": [("probes/table.py", "PROBES"), ("probes/table.py", "LINEAR_PROBES")],
}


@functools.cache
def choices(key: str) -> tuple[str, ...]:
    """The names that a setting or a flag may be; none if it takes other values, too.

    Args:
        key: Name of the setting, or of the flag with its `--`.
    """
    tables = [_names(_PACKAGE / file, name) for file, name in _TABLES.get(key, ())]
    return () if not all(tables) else tuple(n for table in tables for n in table)


def _names(path: pathlib.Path, variable: str) -> list[str]:
    """The keys of a table, or entries of a tuple, that are written down as they are."""
    if not path.is_file():
        return []
    for node in _tree(path).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        table = getattr(node, "value", None)
        if [getattr(t, "id", None) for t in targets] != [variable]:
            continue
        names = getattr(table, "keys" if isinstance(table, ast.Dict) else "elts", [])
        return [str(k.value) for k in names if isinstance(k, ast.Constant)]
    return []


def docstring(path: pathlib.Path) -> str:
    """The docstring of a file."""
    return ast.get_docstring(_tree(path)) or ""


def summary(path: pathlib.Path) -> str:
    """The first line of the docstring of a file."""
    return docstring(path).partition("\n")[0]


@functools.cache
def _fields(file: str, name: str) -> list[Key]:
    """The fields of a dataclass of this package."""
    tree = _tree(_PACKAGE / file)
    (found,) = (
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    arguments = (ast.get_docstring(found) or "").partition("Args:\n")[2]
    meanings = {k: " ".join(v.split()) for k, v in _ARGUMENT.findall(arguments)}
    return [
        Key(
            node.target.id,
            ast.unparse(node.annotation),
            None if node.value is None else _value(node.value, tree),
            meanings[node.target.id],
        )
        for node in found.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]


@functools.cache
def _tree(path: pathlib.Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _value(node: ast.expr, tree: ast.Module) -> Any:
    """The value of a default: a literal, a constant, or an empty mapping."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return _constant(node.value.id, node.attr, tree)
    if isinstance(node, ast.Call):
        (factory,) = (k.value for k in node.keywords if k.arg == "default_factory")
        assert isinstance(factory, ast.Name)
        return {"dict": {}, "list": [], "tuple": ()}[factory.id]
    return _computed(node)


def _constant(module: str, name: str, tree: ast.Module) -> Any:
    """The value of a constant of a module that a file imports by name."""
    (package,) = (
        node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        and node.module is not None
        and module in [alias.name for alias in node.names]
    )
    parts = package.split(".")[1:]
    source = _tree(_PACKAGE.joinpath(*parts, module).with_suffix(".py"))
    (value,) = (
        node.value
        for node in source.body
        if isinstance(node, ast.Assign)
        and [getattr(target, "id", None) for target in node.targets] == [name]
    )
    return _computed(value)


def _computed(node: ast.expr) -> Any:
    """The value of a constant expression, such as `2**30`."""
    code = compile(ast.Expression(node), "constant", "eval")
    return eval(code, {"__builtins__": {}})
