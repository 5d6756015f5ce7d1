"""What the documentation site makes of pages, docstrings and the package itself."""

import importlib
import inspect
import pathlib
import re
import shutil
import sys
import textwrap

# Guides in the order in which a reader meets them; others follow by name.
GUIDES = (
    *("choosing", "data", "watching", "tensorboard", "evaluating", "distribution"),
    *("exports", "downstream", "searching", "keras_tuner", "estimating", "backends"),
    "troubleshooting",
)
# Pages right in `docs` that are no guides.
OTHERS = ("index", "start", "development", "decisions", "performance", "scaling")
OTHERS += ("faults", "changes")


def guides(folder: pathlib.Path) -> list[str]:
    """Names of the guides, those that are known first."""
    found = {path.stem for path in folder.glob("*.md")} - set(OTHERS)
    known = [name for name in GUIDES if name in found]
    return [*known, *sorted(found - set(known))]


def untitled(folder: pathlib.Path) -> list[str]:
    """Files that are no pages: tables without a title, which a program has written."""
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*.md"))
        if not {"_build", "generated"} & set(path.parts)
        and not re.search(r"^(# |```{include})", path.read_text("utf-8"), re.MULTILINE)
    ]


def completed(folder: pathlib.Path, name: str, source: list[str]) -> None:
    """Lists the pages of a folder where the index says `ALL` and the folder.

    Args:
        folder: Folder of the pages.
        name: Name of the page.
        source: Its text, in a list that is changed.
    """
    if f"{name}.md" in untitled(folder):
        source[0] = f"---\norphan: true\n---\n\n{source[0]}"
    if name != "index":
        return
    text = source[0]

    def listed(match: re.Match) -> str:
        if match[1] == "guides":
            return "\n".join(guides(folder))
        found = {
            path.relative_to(folder).with_suffix("").as_posix()
            for suffix in ("*.md", "*.ipynb")
            for path in (folder / match[1]).glob(suffix)
        }
        found -= {name.removesuffix(".md") for name in untitled(folder)}
        return "\n".join(n for n in sorted(found) if f"\n{n}\n" not in text)

    source[0] = re.sub(r"^ALL (\w+)$", listed, text, flags=re.MULTILINE)


def rooms() -> list[str]:
    """Names of the modules that are public."""
    import keras_infomax as kim

    return [name for name in kim.__all__ if inspect.ismodule(getattr(kim, name, None))]


def names_of(module) -> list[str]:
    """Public names of a module: those that it lists, or that it defines."""
    return getattr(module, "__all__", None) or [
        name
        for name, value in sorted(vars(module).items())
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
    ]


def write_generated(folder: pathlib.Path) -> None:
    """Writes the pages of the reference that the package itself tells.

    Args:
        folder: Folder of the pages.
    """
    generated = folder / "reference" / "generated"
    shutil.rmtree(generated, ignore_errors=True)
    (generated / "rooms").mkdir(parents=True)
    for name in rooms():
        page = generated / "rooms" / f"{name}.md"
        page.write_text(_room(name), encoding="utf-8")
    (generated / "top.md").write_text(top_page(), encoding="utf-8")
    (generated / "configs.md").write_text(_configs(), encoding="utf-8")
    (generated / "commands.md").write_text(_commands(), encoding="utf-8")


def _room(name: str) -> str:
    import keras_infomax as kim

    module = getattr(kim, name)
    options = "\n   :imported-members:" * hasattr(module, "__all__")
    directives = [f".. automodule:: {module.__name__}\n   :members:{options}"]
    # Those that are imported on first use are not among the members.
    for lazy in (n for n in names_of(module) if n not in vars(module)):
        kind = "class" if inspect.isclass(getattr(module, lazy)) else "function"
        directives.append(f".. auto{kind}:: {module.__name__}.{lazy}")
    return _page(f"kim.{name}", "\n\n".join(directives))


def top_page() -> str:
    """The page of what is at the top of the package."""
    import keras_infomax as kim

    names = [
        name
        for name in kim.__all__
        if name not in rooms() and not name.startswith("__")
    ]
    rows = [
        f"| `kim.{name}` | {{py:obj}}`{_documented(getattr(kim, name))}` |"
        for name in names
    ]
    table = ["| name | what it is |", "|---|---|", *rows]
    return "\n".join(
        ["# `kim`", "", "Names of rooms that are at the top, too.", "", *table, ""]
    )


def _documented(item) -> str:
    """The name by which a class or function has its place in the reference."""
    room = item.__module__.split(".")[1]
    return f"keras_infomax.{room}.{item.__name__}"


def _page(title: str, directives: str) -> str:
    return f"# `{title}`\n\n```{{eval-rst}}\n{directives}\n```\n"


def _configs() -> str:
    from keras_infomax.programs import config_files, documentation

    lines = [
        "# Configs",
        "",
        "`keras-infomax train --config=NAME`, or a path to one of your own, which is a",
        "copy of one of these to begin with. `:smoke` behind the name shrinks it to",
        "seconds.",
        "",
    ]
    for name, path in config_files.names().items():
        lines += [f"## `{name}`", "", documentation.summary(path), ""]
        lines += _told(documentation.docstring(path).partition("\n")[2])
    lines += ["## Keys", "", "Every config has these.", ""]
    lines += _keys(documentation.settings())
    lines += ["", "A search has these, too, as `config.search.KEY`.", ""]
    lines += _keys(documentation.search())
    return "\n".join(lines) + "\n"


def _told(text: str) -> list[str]:
    """What a config says below its first line: commands as code, all else as text."""
    lines: list[str] = []
    for part in filter(str.strip, text.split("\n\n")):
        part = part.strip("\n")
        if part.startswith(" "):
            # Some give a command in both of its forms.
            commands = dict.fromkeys(_installed(textwrap.dedent(part)).splitlines())
            lines += ["```sh", *commands, "```", ""]
        else:
            lines += [re.sub(r"(?<![<(])https?://[\w./-]*\w", r"<\g<0>>", part), ""]
    return lines


def _installed(text: str) -> str:
    """Commands as an installed package has them, each on one line."""

    def command(match: re.Match) -> str:
        return f"keras-infomax {match[1].replace('_', '-')}"

    named = re.sub(r"--config=configs/([\w/]+)\.py", r"--config=\1", text)
    named = re.sub(r"python -m trainers\.(\w+)", command, named)
    return re.sub(r"(?<=\S)[ \\\n]{2,}(?=--)", " ", named)


def _keys(keys) -> list[str]:
    rows = []
    for key in keys:
        meaning = key.meaning.replace("|", "\\|")
        rows.append(f"| `{key.name}` | `{key.default!r}` | {meaning} |")
    return ["| key | default | what it means |", "|---|---|---|", *rows]


def _commands() -> str:
    from keras_infomax.programs import command, help_pages

    lines = [
        "# The command line",
        "",
        "`keras-infomax COMMAND --help` prints what stands here.",
        "",
    ]
    for name, module in command.COMMANDS.items():
        found = importlib.import_module(f"keras_infomax.programs.{module}")
        text = help_pages.of_command(name, found).partition("\n\nConfigs, by name")[0]
        lines += [f"## `{name}`", "", "```", text.rstrip(), "```", ""]
    return "\n".join(lines)


_FENCE = re.compile(r"^(\s*)```(\w*)\s*$")
_LINK = re.compile(r"\[([^\]]+)\]\((https?:[^)\s]+)\)")


def signature(app, what, name, item, options, given, returns):
    """The arguments of a class, which Keras hides behind its own."""
    if what != "class" or item.__init__ is object.__init__:
        return None
    home = getattr(item.__init__, "__module__", None) or ""
    if not home.startswith("keras_infomax"):
        return "(**kwargs)", None
    found = inspect.signature(item.__init__)
    shown = [
        parameter.replace(annotation=parameter.empty)
        for parameter in list(found.parameters.values())[1:]
    ]
    return str(inspect.Signature(shown)), None


def docstring(app, what, name, item, options, lines) -> None:
    """Turns the Markdown of a docstring into what Sphinx reads, in place.

    Fenced code and tables become directives; bold and code are alike in both.
    """
    if what == "module" and name == "keras_infomax":
        lines.clear()
        return
    found: list[str] = []
    waiting = list(lines)
    while waiting:
        line = waiting.pop(0)
        if match := _FENCE.match(line):
            found += _fenced(match, waiting)
        elif line.lstrip().startswith(">>> "):
            indent = " " * _indent(line)
            session = [line]
            while waiting and waiting[0].strip():
                session.append(waiting.pop(0))
            inner = [f"   {each}" for each in session]
            found += ["", f"{indent}.. doctest::", "", *inner, ""]
        elif re.match(r"\s*\|.*\|\s*$", line):
            table = [line]
            while waiting and re.match(r"\s*\|.*\|\s*$", waiting[0]):
                table.append(waiting.pop(0))
            found += _table(table)
        else:
            if line.strip() and _is_formula(line, found):
                formula = [line]
                while waiting and (
                    not waiting[0].strip() or _deeper(waiting[0], found)
                ):
                    formula.append(waiting.pop(0))
                indent = " " * _indent(_last(found))
                found += [f"{indent}::", "", *formula]
                continue
            found.append(_escaped(_LINK.sub(r"`\1 <\2>`__", line)))
    lines[:] = found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _last(lines: list[str]) -> str:
    """The last line that is not empty."""
    return next((line for line in reversed(lines) if line.strip()), "")


def _deeper(line: str, before: list[str]) -> bool:
    return _indent(line) >= _indent(_last(before)) + 4


def _is_formula(line: str, before: list[str]) -> bool:
    """Whether a block begins here that Markdown takes for code."""
    follows_blank = bool(before) and not before[-1].strip()
    return follows_blank and bool(_last(before)) and _deeper(line, before)


def _escaped(line: str) -> str:
    """What Sphinx reads otherwise than Markdown: bars, and letters right after code."""
    parts = re.split(r"(`+[^`]*`+)", line)
    parts[::2] = [part.replace("|", "\\|") for part in parts[::2]]
    parts[2::2] = [re.sub(r"^(?=\w)", r"\\ ", part) for part in parts[2::2]]
    return "".join(parts)


def _fenced(match, waiting: list[str]) -> list[str]:
    indent, language = match[1], match[2] or "text"
    block = []
    while waiting and not _FENCE.match(waiting[0]):
        block.append(waiting.pop(0))
    if waiting:
        waiting.pop(0)
    deeper = [f"{indent}   {line[len(indent) :]}".rstrip() for line in block]
    return ["", f"{indent}.. code-block:: {language}", "", *deeper, ""]


def _table(rows: list[str]) -> list[str]:
    indent = rows[0][: len(rows[0]) - len(rows[0].lstrip())]
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip())[1:-1]]
        for row in rows
        if not re.fullmatch(r"[\s|:-]+", row)
    ]
    lines = ["", f"{indent}.. list-table::", f"{indent}   :header-rows: 1", ""]
    for row in cells:
        for number, cell in enumerate(row):
            lead = "* - " if number == 0 else "  - "
            lines.append(f"{indent}   {lead}{cell}")
    return [*lines, ""]


if __name__ == "__main__":
    write_generated(pathlib.Path(sys.argv[1]))
