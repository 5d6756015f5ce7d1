"""The command `keras-infomax`: its help, and what it says of mistakes."""

import copy
import importlib
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from run_checks import finish, start

from keras_infomax import critics, encoders, estimation, losses, probes, training, views
from keras_infomax.execution import strategies
from keras_infomax.programs import (
    command,
    config_files,
    documentation,
    help_pages,
    mi,
    running,
    train,
    verify,
)
from keras_infomax.programs.mistakes import UsageError, existing, writable
from keras_infomax.saved_model import formats
from keras_infomax.training.settings import Settings
from keras_infomax.tuning import Search


def keras_infomax(*arguments):
    return finish(start("keras_infomax", *arguments))


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"]], ids=str)
def test_help_is_quick_and_whole(arguments):
    before = os.times()
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "keras_infomax", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    after = os.times()
    assert found.returncode == 0
    # Not the time on the clock, which depends on what else the machine does.
    assert after.children_user - before.children_user < 1
    imported = {line.split("|")[-1].strip() for line in found.stderr.splitlines()}
    assert "keras_infomax.programs.command" in imported
    assert not imported & {"tensorflow", "keras", "numpy", "keras_infomax.checks"}
    text = " ".join(found.stdout.split())
    for name in config_files.names():
        assert f" {name} " in text
    for key, default in Settings().as_dict().items():
        assert re.search(rf" {key} [^\[].*?\[{re.escape(repr(default))}\]", text), key
    assert "Rows in a batch, of which all but one are negatives. [128]" in text
    assert "keras-infomax train --config=digits_halves" in text


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_has_help_and_flags_of_its_own(name, capsys):
    # All in one process, in which a flag of absl may be defined once.
    command.run(name, ["--help"])
    shown = capsys.readouterr().out
    assert re.match(rf"keras-infomax {name}\s", shown)
    assert f"keras-infomax {name} " in shown.partition("\n\n")[2]
    assert command.summaries()[name] in " ".join(shown.split())


def test_meanings_and_defaults_are_those_of_the_classes():
    for found, of_class in ((documentation.settings(), Settings),):
        assert {key.name: key.default for key in found} == of_class().as_dict()
    fields = Search.__dataclass_fields__
    assert [key.name for key in documentation.search()] == list(fields)[2:]
    for key in documentation.search():
        if key.name != "options":
            assert key.default == fields[key.name].default
    for key in (*documentation.settings(), *documentation.search()):
        assert key.meaning.endswith(".")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "no command 'trian'. Did you mean 'train'?"),
        ([], "name a command"),
        (["train", "--wrkdir=a"], "no flag --wrkdir. Did you mean '--workdir'?"),
        (["train", "--config=digits_halves"], "train needs --workdir=...;"),
        (["train", "--config=digit_halves", "--workdir=a"], "mean 'digits_halves'?"),
        (["train", "--config=configs/cm.py", "--workdir=a"], "mean 'configs/cmc.py'?"),
        (["train", "--config=cmc", "--config.critic=mpl"], "--config.critic must be"),
        (["mi", "README.md", "--x=a", "--y=b", "--steps=x"], "--steps must be a non-"),
        (["verify"], "verify needs FOLDER"),
    ],
    ids=str,
)
def test_mistakes_are_one_line_without_waiting(arguments, message):
    code, out, err = keras_infomax(*arguments)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def checked(*arguments, module=train):
    positional = getattr(module, "POSITIONAL", ())
    return running._checked(
        list(arguments), module.FLAGS, "keras-infomax train", positional
    )


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("critic=mpl", r"critic must be one of .*received 'mpl'\. Did you mean 'mlp'"),
        ("bound=infonec", r"bound must be one of .* Did you mean 'infonce'\?"),
        ("encoder=convent", r"encoder must be one of .* Did you mean 'convnet'\?"),
        ("views=halvs", r"views must be one of .* Did you mean 'halves'\?"),
        ("experiment=cpcc", r"experiment must be one of .* Did you mean 'cpc'\?"),
        ("strategy=mirored", r"strategy must be one of .* Did you mean 'mirrored'\?"),
        ("steps=abc", "steps must be an integer; received 'abc'"),
        ("steps=1.5", "steps must be an integer; received '1.5'"),
        ("target=two", "target must be a number; received 'two'"),
        ("shared_encoder=yes", "shared_encoder must be true or false; received 'yes'"),
        ("chunk_size=many", "chunk_size must be an integer; received 'many'"),
    ],
)
def test_values_are_checked_before_the_config_is_loaded(argument, message):
    with pytest.raises(UsageError, match=f"^--config.{message}"):
        checked("--config=digits_halves", "--workdir=a", f"--config.{argument}")


@pytest.mark.parametrize(
    "argument",
    ["critic=mlp", "steps=20", "target=2", "target=None", "shared_encoder=true"]
    + ["encoder_units=(3,)", "dataset=folder:x", "options.depth=3", "noise=1e-3"]
    + ["encoder=hf://user/name", "encoder=keras_hub:tiny", "encoder=runs/a.keras"],
)
def test_values_that_may_be_right_are_left_alone(argument):
    given = ["--config=digits_halves", "--workdir=a", f"--config.{argument}"]
    assert checked(*given)[-1] == f"--config.{argument}"


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("bound", losses.by_name.LOSSES),
        ("critic", critics.by_name.CRITICS),
        ("encoder", encoders.architectures.ENCODERS),
        ("experiment", training.EXPERIMENTS),
        ("strategy", strategies._STRATEGIES),
        ("views", views.by_name._BY_NAME),
        ("--formats", formats.FILES),
        ("--method", estimation.METHODS),
        ("--probes", {**probes.PROBES, **probes.LINEAR_PROBES}),
    ],
)
def test_names_of_settings_are_those_of_the_tables(key, names):
    assert set(documentation.choices(key)) == set(names)


@pytest.mark.slow
def test_a_setting_that_does_not_fit_leaves_nothing(tmp_path):
    for argument in ("steps=-3", "steps=2500", "batch_size=1"):
        code, out, err = keras_infomax(
            *("train", "--config=digits_halves", f"--workdir={tmp_path / 'a'}"),
            f"--config.{argument}",
        )
        assert (code, out) == (2, "")
        (line,) = err.splitlines()
        assert line.startswith(f"error: config.{argument.partition('=')[0]} must be")
        assert [*tmp_path.iterdir()] == []


def test_configs_by_name_path_and_variant(tmp_path, monkeypatch):
    path = str(config_files.folder() / "paper/figure3.py")
    expected = [f"--config={path}:quick", "--workdir", "a", "--config.seed=3"]
    # The config goes first, where the flags of its keys look for it.
    given = ["--workdir", "a", "--config.seed=3", "--config=paper/figure3:quick"]
    assert checked(*given) == expected
    given[-1:] = ["--config", "paper/figure3:quick"]
    assert checked(*given) == expected
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cmc.py").touch()
    assert checked("--config=cmc.py", "--workdir=a")[0] == "--config=cmc.py"
    for name in ("cm.py", "configs/cmc.py"):
        with pytest.raises(UsageError, match=r"Did you mean 'cmc(\.py)?'\? Names: am"):
            checked(f"--config={name}", "--workdir=a")


def test_keys_are_checked_before_the_config_is_loaded():
    flags = ["--config=cmc", "--workdir=a"]
    with pytest.raises(UsageError, match="key 'critc'. Did you mean 'critic'"):
        checked(*flags, "--config.critc=mlp")
    for known in ("steps=3", "grid.bound=('nwj',)", "search.seed=3", "options.clip=2"):
        assert checked(*flags, f"--config.{known}")[-1] == f"--config.{known}"
    assert checked(*flags, "--noconfig.shared_encoder")[-1].startswith("--noconfig")


def test_positional_arguments_and_values_apart():
    given = ["table.csv", "--x", "-1", "--y=b"]
    assert checked(*given, module=mi) == given
    assert checked("--", "--odd", module=verify) == ["--", "--odd"]


def test_what_is_to_be_read_must_be_there(tmp_path):
    path = tmp_path / "digits"
    path.mkdir()
    (path / "file").touch()
    assert existing("--workdir", path, ".") == str(path)
    assert existing("--workdir", path, "file") == str(path)
    assert existing("--table", path / "file") == str(path / "file")
    with pytest.raises(UsageError, match="--workdir must .*Did you mean '.*digits'"):
        existing("--workdir", tmp_path / "digit")
    with pytest.raises(UsageError, match="there is no"):
        existing("--workdir", tmp_path / "none" / "none")
    with pytest.raises(UsageError, match="--table must name a file; received ''"):
        existing("--table", "")
    with pytest.raises(UsageError, match="must name a file; '.*digits' is a folder"):
        existing("--table", path)
    with pytest.raises(UsageError, match="must name a folder; '.*file' is a file"):
        existing("--workdir", path / "file", ".")
    with pytest.raises(UsageError, match="with a file model.keras; .*training finish"):
        existing("--workdir", path, "model.keras")


def test_what_is_to_be_written_is_tried_before(tmp_path):
    (tmp_path / "file").touch()
    for inside in ("", "."):
        new = tmp_path / "new" / "newer"
        assert writable("--output", new, inside) == str(new)
        with pytest.raises(UsageError, match="in one; '.*file' is a file"):
            writable("--output", tmp_path / "file" / "new", inside)
    assert writable("--output", tmp_path, ".") == str(tmp_path)
    assert writable("--output", tmp_path / "file") == str(tmp_path / "file")
    with pytest.raises(UsageError, match="must name a file; '.*' is a folder"):
        writable("--output", tmp_path)
    with pytest.raises(UsageError, match="'.*file' is a file"):
        writable("--output", tmp_path / "file", ".")
    with pytest.raises(UsageError, match="must name a folder to write; received ''"):
        writable("--output", "", ".")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_no_permission_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    # Root may do everything.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for call in (
        lambda: existing("--output", tmp_path / "file"),
        lambda: existing("--output", tmp_path / "none"),
        lambda: writable("--output", tmp_path / "new"),
        lambda: writable("--output", tmp_path / "new" / "newer", "."),
    ):
        with pytest.raises(UsageError, match="--output: there is no permission to"):
            call()


def path_to_read(folder, inside):
    """A path that `existing` takes."""
    path = folder / (inside or "file")
    if inside != ".":
        path.touch()
    return str(path if inside in ("", ".") else folder)


@pytest.mark.parametrize("name", command.COMMANDS)
def test_no_command_takes_what_it_cannot_use(name, tmp_path):
    """Each kind of mistake, in every command, is told before TensorFlow is loaded."""
    module = importlib.import_module(f"keras_infomax.programs.{command.COMMANDS[name]}")
    positional = getattr(module, "POSITIONAL", ())
    reads, writes, keys = (
        getattr(module, kind, {}) for kind in ("READS", "WRITES", "KEYS")
    )
    flags = {
        flag: "cmc" if flag == "config" else "somewhere"
        for flag in module.FLAGS
        if help_pages.is_required(module.FLAGS[flag])
    }

    def refused(message, *arguments, **changed):
        values = {**flags, **changed}
        given = [f"--{key}={value}" for key, value in values.items() if value]
        with pytest.raises(UsageError, match=message):
            running._checked(
                *([*arguments, *given], module.FLAGS, name),
                *(positional, reads, writes, keys),
            )

    good = {each: path_to_read(tmp_path, reads[each]) for each in reads}
    flags |= {flag: path for flag, path in good.items() if flag in module.FLAGS}
    paths = [good.get(each, "hf://user/name") for each in positional]
    refused("has no flag --nothing", *paths, "--nothing=1")
    refused("has no use for 'more'", *paths, "more")
    for flag in module.FLAGS:
        if help_pages.is_required(module.FLAGS[flag]):
            refused(f"needs .*--{flag}=", *paths, **{flag: None})
    for each in reads:
        words = ["nowhere"] * len(paths) if each in positional else paths
        changed = {} if each in positional else {each: "nowhere"}
        refused("there is no 'nowhere'", *words, **changed)
    for flag in set(writes) - set(reads):
        refused("'README.md' is a file", *paths, **{flag: "README.md/below"})
    for flag in module.FLAGS:
        if module.FLAGS[flag].flag_type() in ("int", "float"):
            refused(f"--{flag} must be a.*; received 'many'", *paths, **{flag: "many"})
    if keys:
        refused("key 'methds'. Did you mean 'methods'", "--config.methds=3")
    elif "config" in module.FLAGS:
        refused("Did you mean 'cmc'", config="cmcc")
        refused("Did you mean 'steps'", "--config.stepz=3")
        refused("Did you mean 'critic'", "--config.grid.critci=('mlp',)")
        refused("Did you mean 'max_trials'", "--config.search.max_trails=3")


@pytest.mark.parametrize(
    ("name", "flag", "value", "nearest"),
    [
        ("mi", "method", "infonec", "infonce"),
        ("mi", "method", "kgs", "ksg"),
        ("probe", "probes", "linear,neighbors", "neighbours"),
        ("export", "formats", "onx", "onnx"),
        ("export", "image_dtype", "uint", "uint8"),
    ],
)
def test_names_that_a_flag_takes_are_checked_before(name, flag, value, nearest):
    module = importlib.import_module(f"keras_infomax.programs.{name}")
    with pytest.raises(UsageError, match=rf"^--{flag} must be one of .* '{nearest}'\?"):
        running._check_flag(flag, module.FLAGS[flag], value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def get_config(:", "invalid syntax (mine.py, line 1)"),
        ("a = 1", "it has no function get_config."),
        ("import nowhere", "No module named 'nowhere' (mine.py, line 1)"),
    ],
)
# Of ml_collections, which loads it.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_a_config_that_cannot_be_read(text, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(text + "\n")
    monkeypatch.setattr(sys, "argv", ["", "--config=mine.py", "--workdir=a"])
    with pytest.raises(SystemExit) as ended:
        running._parse(copy.deepcopy(train.FLAGS))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the config cannot be read: ")
    assert line.endswith(message)


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "--workdir=trainer"],
        ["export", "--workdir", "trainer", "--output=runs/e"],
        ["fine-tune", "--encoder=trainer,export"],
        ["verify", "trainer"],
    ],
    ids=str,
)
def test_a_missing_file_is_told_without_waiting(arguments):
    code, _, err = keras_infomax(*arguments)
    assert code == 2
    (line,) = err.splitlines()
    assert "there is no 'trainer'. Did you mean 'trainers'?" in line


def test_programs_run_from_a_checkout_are_the_same():
    from export import fine_tune
    from export import verify as verified
    from keras_infomax import programs
    from keras_infomax.programs.downstream import fine_tuning
    from trainers import demo
    from trainers.configuration import configuration

    assert verified is verify
    assert demo is programs.demo
    assert fine_tune is fine_tuning
    assert configuration is programs.configuration.configuration
    code, out, _ = finish(start("trainers.train", "--help"))
    assert code == 0
    assert out.startswith("keras-infomax train --config=... --workdir=...")
