"""Evaluates the encoders of finished runs by several probes, in one table."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_infomax import callbacks, checks, files, probes, version
from keras_infomax.training import baselines, checkpoints, experiments
from keras_infomax.training.settings import IDENTITY, KEY, OTHERS, Settings, identity

COLUMNS = (
    *KEY,
    "probe",
    "accuracy",
    "information",
    "standard_error",
    "raw_accuracy",
    "raw_information",
    "covariance_log_condition",
    "commit",
    OTHERS,
)
_NAMES = (*probes.PROBES, *probes.LINEAR_PROBES)
# What is no number.
_WORDS = (*KEY, "probe", "commit", OTHERS)
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """The encoder of a finished run, and the labeled views of its probe.

    Args:
        settings: Settings of the run.
        encoder: Encoder of view x.
        train: Pair `(views, labels)`.
        test: Pair `(views, labels)`.
    """

    settings: Settings
    encoder: keras.Layer
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]

    @classmethod
    def load(cls, workdir: str | os.PathLike) -> "FinishedRun":
        """Loads a finished run from its workdir.

        Args:
            workdir: Folder of the run.

        Raises:
            ValueError: If the data have no labels, cannot be loaded, or are not those
                of the run, or if the workdir is damaged.
        """
        workdir = pathlib.Path(checks.path("workdir", workdir))
        settings = read_settings(workdir)
        data = experiments.load_data(settings, None)
        views_of = experiments.make_probed_views(settings)
        callbacks = experiments.make_probes(settings, data, views_of)
        if not callbacks:
            raise ValueError(
                "A probe needs labels in both splits; received the data set "
                f"{settings.dataset!r} of {workdir}, which lacks them in one."
            )
        kept = checkpoints.Checkpoints(workdir / "checkpoints", settings.as_dict())
        kept.take_data(data.digest)
        path = workdir / "model.keras"
        try:
            model = keras.saving.load_model(path, compile=False)
        except Exception as error:  # Layers raise errors of many types.
            raise ValueError(
                f"{path} cannot be read; it may be damaged: {error}"
            ) from error
        return cls(settings, model.encoder_x, callbacks[0].train, callbacks[0].test)


def read_settings(workdir: str | os.PathLike) -> Settings:
    """The settings of the run in a workdir.

    Args:
        workdir: Folder of the run.

    Raises:
        ValueError: If its `config.json` is missing, damaged or of another version.
    """
    path = pathlib.Path(checks.path("workdir", workdir)) / "config.json"
    if not path.is_file():
        raise ValueError(f"workdir must be the folder of a run; {path} is missing.")
    config = files.read_json(path)
    try:
        return Settings.resolve(config)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} does not fit this version: {error}") from error


def finished_workdirs(workdir: str | os.PathLike) -> list[pathlib.Path]:
    """The folder itself if it is a finished run, or else the finished runs in it.

    Args:
        workdir: Workdir of a run or of a sweep.

    Returns:
        Workdirs, sorted.

    Raises:
        ValueError: If none is finished.
    """
    workdir = pathlib.Path(checks.path("workdir", workdir))
    if (workdir / "model.keras").exists():
        return [workdir]
    found = sorted(model.parent for model in workdir.glob("*/model.keras"))
    if not found:
        raise ValueError(
            "workdir must be a finished run, or hold folders of finished runs; "
            f"received {workdir}, where neither the folder nor one below has a "
            "model.keras. Train with keras-infomax train or sweep first."
        )
    return found


def compare(
    workdir: str | os.PathLike,
    output: str | os.PathLike,
    names: Sequence[str] = tuple(probes.PROBES),
) -> list[Row]:
    """Evaluates every finished run, and its raw views, by every probe.

    After every run the whole table is replaced, with all runs so far. A run that the
    table has is not evaluated again, so that many runs can be evaluated in pieces.

    Args:
        workdir: Workdir of a run or of a sweep.
        output: The table, a CSV with `COLUMNS`, one row for each run and probe.
            Information is in nats. The standard error is over draws of labels, and
            empty for probes that do not draw. Values of raw views are empty for probes
            that fine-tune. The log condition number is that of the covariance of the
            training encodings.
        names: Names of the probes, as in `probes.get`.

    Returns:
        The rows of the table.

    Raises:
        ValueError: If a name is unknown, no run is finished, or the table is none of
            this program.
    """
    for name in names:
        probes.get(name)
    output = checks.path("output", output, "runs/probes.csv")
    rows = read_table(output) if os.path.exists(output) else []
    raw_folder = pathlib.Path(workdir) / "raw_baselines"
    for folder in finished_workdirs(workdir):
        settings = read_settings(folder)
        key = dict(zip(IDENTITY, identity(settings), strict=True))
        judged = {row["probe"] for row in rows if _of_run(row, key)}
        named = {name: probes.get(name) for name in names if name not in judged}
        if not named:
            continue
        run = FinishedRun.load(folder)
        raw = callbacks.Probes(run.train, run.test, named)
        baselines.remember([raw], raw_folder)
        found = probes.judge(named, run.encoder, run.train, run.test)
        encodings = probes.encode(run.encoder, run.train[0])
        encodings = encodings.reshape(len(encodings), -1)
        made = {
            "covariance_log_condition": probes.covariance_log_condition(encodings),
            "commit": version.commit(),
        }
        rows += [
            {
                **key,
                "probe": name,
                **_measures(found[name], raw.raw_baseline.get(name)),
                **made,
            }
            for name in named
        ]
        write_table(output, COLUMNS, rows)
        print(f"{folder} evaluated by {len(named)} probes", flush=True)
    return rows


def read_table(path: str | os.PathLike) -> list[Row]:
    """Reads what `compare` wrote, in this version or an earlier one.

    Args:
        path: The table.

    Returns:
        Its rows, with a value for each of `COLUMNS`: text, a number, or `None`.

    Raises:
        ValueError: If it is no such table, or damaged.
    """
    header, lines = files.read_csv(path)
    missing = [name for name in (*KEY, "probe", "accuracy") if name not in header]
    if missing:
        raise ValueError(
            f"The table must be one of judged runs; {path} lacks the columns "
            f"{', '.join(missing)}. Give another path."
        )
    cells = [dict(zip(header, line, strict=True)) for line in lines]
    # Tables of earlier versions lack the last columns.
    return [
        {name: _value(name, row.get(name, "")) for name in COLUMNS} for row in cells
    ]


def _value(column: str, cell: str) -> Any:
    if column in _WORDS:
        return cell
    return float(cell) if cell else None


def _of_run(row: Row, key: Row) -> bool:
    return all(row[name] == key[name] for name in KEY) and (
        # Tables of earlier versions do not say what the other settings were.
        row[OTHERS] in ("", key[OTHERS])
    )


def _measures(found: probes.Judgement, raw: probes.Judgement | None) -> Row:
    return {
        "accuracy": found.accuracy,
        "information": found.information,
        "standard_error": found.standard_error,
        "raw_accuracy": None if raw is None else raw.accuracy,
        "raw_information": None if raw is None else raw.information,
    }


def write_table(
    path: str | os.PathLike, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Writes a CSV atomically: a reader sees the old or the new table.

    Args:
        path: The file; its folder is created.
        columns: The columns, in order.
        rows: Values by column; `None` is an empty cell, and floats are written with six
            digits.
    """
    values = ([row[column] for column in columns] for row in rows)
    cells = ([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in values)
    files.write_csv(checks.path("path", path, "runs/table.csv"), columns, *cells)


def summary(rows: Sequence[Row]) -> str:
    """Means over seeds as a Markdown table, one line for each probe and kind of run.

    Args:
        rows: Rows of `compare`.

    Returns:
        Lines with accuracy and information on encodings, and the gain over raw views.
        Settings that all rows share are left out.
    """
    kinds = [
        column
        for column in IDENTITY
        if column != "seed" and len({row.get(column) for row in rows}) > 1
    ]
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault((row["probe"], *(row[k] for k in kinds)), []).append(row)
    header = ["probe", *kinds, "accuracy", "over raw", "nats", "over raw", "runs"]
    lines = [header, ["---"] * len(header)]
    order = {name: number for number, name in enumerate(_NAMES)}
    for key, group in sorted(groups.items(), key=lambda item: order[item[0][0]]):
        lines.append(
            [
                *map(str, key),
                _mean(group, "accuracy", "{:.3f}"),
                _gain(group, "accuracy"),
                _mean(group, "information", "{:.3f}"),
                _gain(group, "information"),
                str(len(group)),
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mean(rows: Sequence[Row], column: str, form: str) -> str:
    return form.format(np.mean([row[column] for row in rows]))


def _gain(rows: Sequence[Row], column: str) -> str:
    if rows[0][f"raw_{column}"] is None:
        return ""
    gains = [{"gain": row[column] - row[f"raw_{column}"]} for row in rows]
    return _mean(gains, "gain", "{:+.3f}")
