"""Runs a program's main function so that its user sees an error, not a traceback."""

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn

from absl import app, flags
from absl import logging as absl_logging

from keras_infomax.programs import config_files, documentation, help_pages, starting
from keras_infomax.programs.mistakes import UsageError, existing, writable
from keras_infomax.spelling import nearest

# Errors of a path that a user named.
_OF_PATHS = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
# What a config may have beside the keys of `Settings`.
_OF_MANY_RUNS = ("grid", "space", "search")


def run(
    main: Callable[..., None],
    flag_values: flags.FlagValues = flags.FLAGS,
    arguments: Sequence[str] | None = None,
    positional: Sequence[str] = (),
    reads: Mapping[str, str] | None = None,
    writes: Mapping[str, str] | None = None,
    keys: Collection[str] = (),
    called: str = "this program",
) -> None:
    """Parses flags and calls `main`.

    A mistake in the command is one line on stderr and exit code 2: an unknown flag,
    key or config, a setting that is none, a file that is not there or of another kind,
    or a folder in which nothing may be written. So is a `ValueError`, `ImportError` or
    other `OSError` of the run, which its message explains, with exit code 1. Any other
    exception is ours and keeps its traceback. Ctrl-C and SIGTERM end the program with
    one line, too, and exit code 130 or 143.

    Args:
        main: The program; takes the positional arguments.
        flag_values: Its flags.
        arguments: What follows its name. Defaults to those of the process.
        positional: Names of its positional arguments.
        reads: What those of them, and of its flags, that name files or folders to
            read must name; see `mistakes.existing`.
        writes: The same of what is written; see `mistakes.writable`.
        keys: Keys of its config. Defaults to those of `Settings`.
        called: What its user calls it, for messages.
    """
    if flag_values is flags.FLAGS:
        app.define_help_flags()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        given = _checked(given, flag_values, called, positional, reads, writes, keys)
    except UsageError as error:
        _end(error, 2)
    with starting.quiet():
        _load()
    # Not before: they need TensorFlow.
    from keras_infomax import checks
    from keras_infomax.training import processes

    processes.end_if_orphaned()
    with processes.stopping_in_one_line():
        # The flag of a config looks for its keys there.
        sys.argv[1:] = given
        rest = _parse(flag_values)
        if not keys:
            _check_settings(flag_values)
        try:
            main(*rest)
        except (UsageError, checks.NotThere) as error:
            _end(error, 2)
        except _OF_PATHS as error:
            _end(_of_path(error), 2)
        except (ValueError, ImportError, OSError) as error:
            _end(error, 1)


def quieten_retracing() -> None:
    """Silences TensorFlow's warning that one model after another is compiled."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _load() -> None:
    """Loads all of the library, whose classes Keras finds by their registered names."""
    import keras_infomax as kim
    from keras_infomax import backends
    from keras_infomax.lazy_tensorflow import tf

    for name in kim.__all__:
        if name != "tuning":  # It needs keras-tuner.
            getattr(kim, name)
    if backends.is_tensorflow():
        # Here, since it says on stderr that there is no driver where there is none.
        tf.config.list_physical_devices()
    # TensorFlow tells of every file that it writes.
    absl_logging.set_verbosity(absl_logging.WARNING)
    logging.getLogger("tensorflow").setLevel(logging.WARNING)


def _checked(
    given: list[str],
    flag_values: flags.FlagValues,
    called: str,
    positional: Sequence[str] = (),
    reads: Mapping[str, str] | None = None,
    writes: Mapping[str, str] | None = None,
    keys: Collection[str] = (),
) -> list[str]:
    """The arguments with the path of the config, if all that they name is there.

    Without TensorFlow, so that a mistyped word is told at once.
    """
    checked: list[str] = []
    config: list[str] = []
    others: list[str] = []
    paths: list[tuple[str, str, str]] = []
    missing = {n: True for n in flag_values if help_pages.is_required(flag_values[n])}
    rest = iter(given)
    known = [f"--{name}" for name in flag_values]
    for argument in rest:
        if argument == "--":
            following = [*rest]
            others += following
            checked += [argument, *following]
            break
        if not argument.startswith("-") or len(argument) == 1:
            others.append(argument)
            checked.append(argument)
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        missing.pop(name, None)
        if name == "config" and "config" in flag_values:
            value = value if equals else next(rest, "")
            config = [f"--config={config_files.resolve(value)}"]
            continue
        flag, is_key = _flag(name, flag_values), _is_key(name, flag_values, keys)
        if is_key and equals and not keys:
            _check_value(name.removeprefix("config."), value)
        if flag is None and not is_key:
            raise UsageError(
                f"{called} has no flag --{name}.{nearest(f'--{name}', known)} It has "
                f"{', '.join(known)}{_advice(called)}."
            )
        checked.append(argument)
        if not equals and not (is_key or flag is None or flag.boolean):
            value = next(rest, "")
            checked.append(value)
        if flag is not None:
            _check_flag(name, flag, value)
            paths.append((name, f"--{name}", value))
    if missing:
        wanted = " and ".join(f"--{name}=..." for name in missing)
        raise UsageError(f"{called} needs {wanted}{_advice(called)}.")
    if len(others) != len(positional):
        raise UsageError(_count(others, positional, called))
    for name, shown, value in [
        *zip(positional, positional, others, strict=True),
        *paths,
    ]:
        _check_paths(name, shown, value, reads or {}, writes or {})
    # In front: the flag of a config wants to know of it before its keys.
    return [*config, *checked]


def _check_flag(name: str, flag: Any, value: str) -> None:
    """Refuses the value of a flag that is none."""
    if flag.boolean:
        # Of `--overwrite` alone there is none.
        with contextlib.suppress(ValueError):
            flag.parser.parse(value or "true")
            return
        raise UsageError(f"--{name} must be true or false; received {value!r}.")
    names = getattr(flag.parser, "enum_values", None)
    try:
        flag.parser.parse(value)
    except (ValueError, TypeError):
        expected = flag.parser.syntactic_help or f"one of {', '.join(names or ())}"
        hint = nearest(value, names or ())
        raise UsageError(
            f"--{name} must be {expected}; received {value!r}.{hint}"
        ) from None
    for each in value.split(","):
        _check_choice(f"--{name}", each, documentation.choices(f"--{name}"))


def _check_choice(flag: str, value: str, names: Sequence[str]) -> None:
    if names and value not in names:
        raise UsageError(
            f"{flag} must be one of {', '.join(sorted(names))}; received {value!r}."
            f"{nearest(value, names)}"
        )


def _check_paths(
    name: str,
    shown: str,
    value: str,
    reads: Mapping[str, str],
    writes: Mapping[str, str],
) -> None:
    """Refuses a path that is of no use; of those to read, several may be given."""
    if name in reads:
        for path in value.split(","):
            existing(shown, path, reads[name])
    if name in writes:
        writable(shown, value, writes[name])


def _of_path(error: OSError) -> str:
    """What the system says of a path, without the number that it has for it."""
    if error.strerror and error.filename:
        return f"{error.strerror}: {os.fsdecode(error.filename)!r}"
    return str(error)


def _flag(name: str, flag_values: flags.FlagValues) -> Any:
    if name in flag_values:
        return flag_values[name]
    positive = name.removeprefix("no")
    if positive in flag_values and flag_values[positive].boolean:
        return flag_values[positive]
    return None


def _is_key(
    name: str, flag_values: flags.FlagValues, keys: Collection[str] = ()
) -> bool:
    """Whether a flag is one for a key of the config, as `config.steps`."""
    if "config" not in flag_values or not name.removeprefix("no").startswith("config."):
        return False
    key, _, below = name.partition(".")[2].partition(".")
    known = [*keys] or [each.name for each in documentation.settings()]
    if keys:
        pass
    elif key in _OF_MANY_RUNS and below:
        # A grid and a space are over keys of the settings.
        key = below.partition(".")[0]
        if name.partition(".")[2].startswith("search."):
            known = [each.name for each in documentation.search()]
    elif key in _OF_MANY_RUNS:
        return True
    if key not in known:
        raise UsageError(
            f"Unknown config key {key!r}.{nearest(key, known)} Expected keys: "
            f"{', '.join(sorted(known))}."
        )
    return True


# How the value of a key is read, by the type that is annotated.
_PARSERS: dict[str, tuple[flags.ArgumentParser, str]] = {
    "int": (flags.IntegerParser(), "an integer"),
    "float": (flags.FloatParser(), "a number"),
    "bool": (flags.BooleanParser(), "true or false"),
}


def _check_settings(flag_values: flags.FlagValues) -> None:
    """Ends the program if the settings of its config do not fit together."""
    from keras_infomax.training import Settings

    config: Any = flag_values["config"].value if "config" in flag_values else None
    if config is not None:
        known = [each.name for each in documentation.settings()]
        try:
            Settings.resolve({key: config[key] for key in known if key in config})
        except (ValueError, TypeError) as error:
            _end(error, 2)
        except (ImportError, OSError) as error:
            _end(error, 1)


def _check_value(key: str, value: str) -> None:
    """Refuses the value of a setting that can only be a mistake."""
    kinds = {each.name: each.kind for each in documentation.settings()}
    kind, _, empty = kinds.get(key, "").partition(" | ")
    if empty and value == "None":
        return
    expected = ""
    if kind in _PARSERS:
        parser, expected = _PARSERS[kind]
        with contextlib.suppress(ValueError, TypeError):
            parser.parse(value)
            return
    if expected:
        raise UsageError(f"--config.{key} must be {expected}; received {value!r}.")
    if key == "encoder" and any(mark in value for mark in "/.:"):
        return  # What it begins with, a path or an address, is looked at when read.
    _check_choice(f"--config.{key}", value, documentation.choices(key))


def _parse(flag_values: flags.FlagValues) -> list[str]:
    try:
        rest = flag_values(sys.argv)[1:]
    except flags.Error as error:
        # Where a config raises, ml_collections gives all of its traceback.
        told = str(error).strip().splitlines()[-1].strip()
        _end(told.removeprefix("ValueError: "), 2)
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        # Raised by ml_collections, for a key that a config does not have (it names
        # the nearest one) or a value of another type.
        reason: object = error
        while isinstance(reason, Exception):
            reason = reason.args[0] if reason.args else str(reason)
        text = str(reason).strip().splitlines() or [type(error).__name__]
        if "Traceback" in str(reason):
            _end(f"the config cannot be read: {text[-1].strip()}", 2)
        if "no attribute 'get_config'" in str(reason):
            _end("the config cannot be read: it has no function get_config.", 2)
        if isinstance(error, KeyError) or " " not in str(reason):
            key = str(reason).strip("'\"")
            _end(f"the config has no key {key!r} to be overridden.", 2)
        _end(f"a flag does not fit the config: {' '.join(' '.join(text).split())}", 2)
    except Exception as error:
        # Of the Python in a config: a module that is not installed, a misspelt word.
        _end(f"the config cannot be read: {_with_place(error)}", 2)
    if not flags.FLAGS.is_parsed():
        # Or absl says so of every warning.
        flags.FLAGS.mark_as_parsed()
    return rest


def _with_place(error: Exception) -> str:
    """An error of a config, and its line there."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    file, line = place.filename, place.lineno
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}, line {error.lineno})"
    return f"{type(error).__name__}: {error} ({file}, line {line})"


def _count(rest: Sequence[str], positional: Sequence[str], called: str) -> str:
    if len(rest) > len(positional):
        found = " ".join(rest[len(positional) :])
        return f"{called} has no use for {found!r}; flags begin with --."
    return f"{called} needs {' '.join(positional[len(rest) :])}{_advice(called)}."


def _advice(called: str) -> str:
    return f"; {called} --help explains" if called.startswith("keras-infomax") else ""


def _end(message: object, code: int) -> NoReturn:
    # Messages of Keras run over several lines.
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(code)
