"""Exports as repositories of the Hugging Face Hub: pushed there, and pulled from it."""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from keras_infomax import checks, files
from keras_infomax.files import hugging_face, manifest
from keras_infomax.saved_model import archives, exporting, formats, safety
from keras_infomax.saved_model.hub_encoder import SAVED_MODEL_PARTS

# What an export may have, by the first part of the path.
_PARTS = (
    *(*SAVED_MODEL_PARTS, *formats.FILES.values(), manifest.NAME),
    *("README.md", "model_card.json", exporting.REFERENCE),
)
# What may lie beside it in a repository, and is left there.
_LEFT = {"", ".md", ".txt", ".png", ".jpg", ".jpeg", ".svg", ".gif", ".csv", ".json"}
_LEFT |= {".gitattributes", ".gitignore"}
_REQUIRED = ("model_card.json", exporting.REFERENCE)
_TAGS = ["keras_infomax", "mutual-information", "self-supervised-learning"]


def push(
    path: str | os.PathLike,
    address: str,
    private: bool | None = None,
    message: str | None = None,
) -> str:
    """Uploads an export to the Hugging Face Hub, in one commit.

    The repository gets the files of the export; formats that it had of an earlier one
    are removed, and whatever else lies there stays. Its `README.md` is that of the
    export under a card in YAML, with `library_name: keras` and what was measured, as a
    `model-index`: the accuracy of a linear probe, with the same probe on the raw views,
    and the estimates of mutual information in nats.

    Args:
        path: Folder that `export` wrote. It is left as it is.
        address: `hf://user/name`, or `hf://user/name@branch`. A repository and a branch
            that do not exist are made.
        private: Whether a new repository is private; `None` for the user's default.
        message: What the commit is called.

    Returns:
        Where a browser finds the repository.

    Raises:
        ValueError: If there is no such export, it is damaged or holds other files, or
            `address` is none.
        ImportError: If `huggingface_hub` is not installed.
        OSError: If the Hub cannot be written to. The message says what remains.

    Example:
        >>> push("runs/digits_encoder", "hf://user/digits")  # doctest: +SKIP
    """
    folder = pathlib.Path(checks.path("path", path, "exports/encoder"))
    where = hugging_face.parse("address", address, file=False)
    private = None if private is None else checks.boolean("private", private)
    message = checks.text("message", message, "Exported again.", optional=True)
    hub = hugging_face.library()
    _check(folder, str(folder))
    card = files.read_json(folder / "model_card.json")
    with tempfile.TemporaryDirectory(prefix="keras_infomax-") as scratch:
        staged = pathlib.Path(scratch) / "export"
        _copy(folder, staged)
        page = (staged / "README.md").read_text("utf-8")
        (staged / "README.md").write_text(_with_card(hub, page, card, where), "utf-8")
        manifest.write(staged)
        return hugging_face.upload(
            staged,
            where,
            message or "Export an encoder of keras_infomax.",
            private,
            stale=[pattern for part in _PARTS for pattern in (part, f"{part}/*")],
        )


def pull(
    address: str,
    path: str | os.PathLike,
    overwrite: bool = False,
    safe_mode: bool = True,
) -> None:
    """Downloads an export from the Hugging Face Hub to a folder.

    It is what `push` has uploaded, checked before it appears: by its checksums, that it
    holds nothing but an export, no pickled arrays and no archive that could reach
    outside, and that its SavedModel does nothing but compute.

    Args:
        address: `hf://user/name`, or `hf://user/name@revision`: a branch, a tag, or a
            commit.
        path: The folder to write. It appears whole or not at all.
        overwrite: Whether to replace an export that is at `path`.
        safe_mode: Whether a SavedModel that does more than compute is refused. Pass
            false only for an author whose programs you would run.

    Raises:
        ValueError: If the repository holds no export, a damaged or unsafe one, or
            `path` exists and `overwrite` is false.
        ImportError: If `huggingface_hub` is not installed.
        OSError: If it cannot be downloaded.

    Example:
        >>> pull("hf://user/digits", "exports/digits")  # doctest: +SKIP
    """
    where = hugging_face.parse("address", address, file=False)
    target = pathlib.Path(checks.path("path", path, "exports/encoder"))
    overwrite = checks.boolean("overwrite", overwrite)
    safe_mode = checks.boolean("safe_mode", safe_mode)
    if overwrite:
        exporting.check_replaceable(target)
    with files.new_folder(target, overwrite) as folder:
        found = hugging_face.download(where, fresh=True)
        _copy(found, folder, str(where))
        _check(folder, str(where))
        if safe_mode and (folder / "saved_model.pb").is_file():
            with _told_of_pull(), safety.harmless_copy(folder, str(where)):
                pass


@contextlib.contextmanager
def _told_of_pull() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        told = str(error).replace("keras.saving.load_model", "pull (--nosafe_mode)")
        raise ValueError(told) from error


def _is_part(name: pathlib.PurePath) -> bool:
    return name.parts[0] in _PARTS


def _copy(folder: pathlib.Path, to: pathlib.Path, called: str | None = None) -> None:
    """Copies the files of an export, and refuses what has no place beside one."""
    to.mkdir(exist_ok=True)
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.is_dir() or name.parts[0] == ".cache":
            continue
        if not file.is_file():
            raise _strange(called or str(folder), name, "a pipe or a device")
        if _is_part(name):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to / name)
        elif name.suffix.lower() not in _LEFT:
            raise _strange(called or str(folder), name, "which may be a program")


def _strange(called: str, name: pathlib.PurePath, what: str) -> ValueError:
    return ValueError(
        f"{called} must hold nothing but an export of keras_infomax; received "
        f"{name.as_posix()!r}, {what}. Do not trust it, or remove the file."
    )


def _check(folder: pathlib.Path, called: str) -> None:
    """Refuses what is no export, a damaged one, or one that holds more than data."""
    if not (folder / manifest.NAME).is_file():
        raise ValueError(
            f"path must be an export of keras_infomax; {called!r} has no "
            f"{manifest.NAME}. Write one with keras_infomax.saved_model.export."
        )
    try:
        manifest.check(folder, required=_REQUIRED)
    except ValueError as error:
        raise ValueError(str(error).replace(str(folder), called)) from error
    listed = files.read_json(folder / manifest.NAME)["files"]
    for name in map(pathlib.PurePosixPath, listed):
        if not _is_part(name):
            raise _strange(called, name, "which its manifest lists")
    try:
        with np.load(folder / exporting.REFERENCE, allow_pickle=False) as arrays:
            for name in arrays:
                arrays[name]
    except Exception as error:  # Damaged files raise errors of many kinds.
        raise ValueError(
            f"{called}/{exporting.REFERENCE} must hold arrays of numbers; it cannot be "
            f"read without running what is in it: {error} Do not trust it."
        ) from error
    archive = folder / formats.FILES["archive"]
    if archive.is_file():
        archives.check(archive)


def _with_card(
    hub: Any, page: str, card: Mapping[str, Any], where: hugging_face.Address
) -> str:
    """The page of an export under the card of the Hub."""
    shape = card.get("input_shape")
    is_image = isinstance(shape, list) and len(shape) == 3
    name = where.repository.partition("/")[2]
    data = hub.ModelCardData(
        library_name="keras",
        pipeline_tag="image-feature-extraction" if is_image else "feature-extraction",
        tags=_TAGS,
        model_name=name,
        license=card.get("license") or None,
        eval_results=_results(hub, card, is_image) or None,
    )
    # Of an export that was pulled they are those of where it lay.
    page = re.sub(r"\A---\n.*?\n---\n+", "", page, count=1, flags=re.DOTALL)
    page = page.partition(_ON_THE_HUB.partition("\n")[0])[0].rstrip()
    pulled = _ON_THE_HUB.format(address=where)
    text = f"---\n{data.to_yaml()}\n---\n\n{page}\n\n{pulled}"
    # The library refuses a card whose results it could not read.
    hub.ModelCard(text)
    return text


def _results(hub: Any, card: Mapping[str, Any], is_image: bool) -> list[Any]:
    dataset = str(card.get("dataset") or "unknown")
    told = {
        "probe_accuracy": ("accuracy", "accuracy of a linear probe"),
        "raw_baseline": ("accuracy", "accuracy of the same probe on raw views"),
        "val_mi": ("mutual_information", "estimate on held-out pairs, nats"),
        "mi": ("mutual_information", "estimate on training pairs, nats"),
    }
    return [
        hub.EvalResult(
            task_type="image-classification" if is_image else "feature-extraction",
            dataset_type=re.sub(r"[^\w./-]", "_", dataset),
            dataset_name=dataset,
            metric_type=kind,
            metric_name=words,
            metric_value=round(float(card[key]), 6),
        )
        for key, (kind, words) in told.items()
        if isinstance(card.get(key), int | float)
    ]


_ON_THE_HUB = """\
## From the Hub

```python
keras_infomax.saved_model.pull("{address}", path)
```
"""
