"""What `--help` prints."""

import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from keras_infomax.programs import config_files, documentation
from keras_infomax.version import __version__

_NARROWEST, _WIDEST = 60, 100
_EXAMPLES = """\
keras-infomax demo --workdir=runs/demo
keras-infomax train --config=digits_halves --workdir=runs/digits --config.critic=mlp
keras-infomax train --config=my_config.py:smoke --workdir=runs/mine
keras-infomax sweep --config=paper/figure3:quick --workdir=runs/figure3 --seeds=3
keras-infomax export --workdir=runs/digits --output=runs/digits_encoder
keras-infomax verify runs/digits_encoder
keras-infomax mi table.csv --x=age,income --y=spending"""


def overview(commands: dict[str, str]) -> str:
    """Help on all commands.

    Args:
        commands: Names of the commands, and what each does.
    """
    return "\n\n".join(
        [
            f"keras-infomax {__version__}: learns representations by maximizing mutual "
            "information.",
            "keras-infomax COMMAND --FLAG=VALUE ...\n"
            "keras-infomax COMMAND --help       tells the flags of a command",
            _section("Commands", commands.items()),
            f"Examples\n{textwrap.indent(_EXAMPLES, '  ')}",
            *_of_configs(),
        ]
    )


def of_command(name: str, module: Any) -> str:
    """Help on one command.

    Args:
        name: Name of the command.
        module: Its module.
    """
    flag_values = module.FLAGS
    positional = getattr(module, "POSITIONAL", ())
    required = [f"--{f}=..." for f in flag_values if is_required(flag_values[f])]
    keys = ["--config.KEY=VALUE ..."] if "config" in flag_values else []
    usage = ["keras-infomax", name, *positional, *required, *keys]
    # A program may have been run by `python -OO`, which drops docstrings.
    text = module.__doc__ or ""
    return "\n\n".join(
        [
            " ".join(usage),
            text.strip(),
            _section("Flags", _flags(flag_values)),
            *(_of_configs(module) if keys else ()),
        ]
    )


def is_required(flag: Any) -> bool:
    """Whether a flag of absl must be given."""
    # Limits of a number are validators, too; they let none pass.
    return flag.default is None and not all(v.checker(None) for v in flag.validators)


def _flags(flag_values: Any) -> Iterable[tuple[str, str]]:
    for name in flag_values:
        flag = flag_values[name]
        default = f" [{flag.default_as_str}]" if flag.default is not None else ""
        yield f"--{name}", f"{flag.help}{default}"


def _of_configs(module: Any = None) -> list[str]:
    """Sections on configs; of a command, on those that it takes."""
    prefix = getattr(module, "CONFIGS", "")
    configs = config_files.names().items()
    names = _section(
        "Configs, by name: --config=NAME, or --config=PATH of your own; behind it "
        "`:smoke` for a run of seconds, in some `:quick`",
        (
            (name, documentation.summary(path))
            for name, path in configs
            if name.startswith(prefix)
        ),
    )
    if keys := getattr(module, "KEYS", {}):
        return [names, _section("Keys of a config, --config.KEY=VALUE", keys.items())]
    return [
        names,
        _section(
            "Keys of a config, --config.KEY=VALUE, and their [defaults], of which a "
            "config changes some",
            _keys(documentation.settings()),
        ),
        _section(
            "Keys of the search of a config, --config.search.KEY=VALUE",
            _keys(documentation.search()),
        ),
    ]


def _keys(keys: Sequence[documentation.Key]) -> Iterable[tuple[str, str]]:
    return ((key.name, f"{key.meaning} [{key.default!r}]") for key in keys)


def _section(title: str, entries: Iterable[tuple[str, str]]) -> str:
    """A title, and two columns below it."""
    width = min(_WIDEST, max(_NARROWEST, shutil.get_terminal_size((88, 24)).columns))
    entries = list(entries)
    column = 4 + max(len(name) for name, _ in entries)
    lines = textwrap.wrap(title, width)
    for name, text in entries:
        lines += textwrap.wrap(
            text,
            width,
            initial_indent=f"  {name}".ljust(column),
            subsequent_indent=" " * column,
            break_on_hyphens=False,
        )
    return "\n".join(lines)
