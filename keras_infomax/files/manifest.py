"""Checksums of the files of a folder, which show whether a file is damaged.

They protect against accidents, such as a failed disk or download. They do not protect
against somebody who changes files and checksums on purpose.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Collection

from keras_infomax.files import writing

NAME = "manifest.json"


def write(folder: str | os.PathLike) -> None:
    """Writes `manifest.json`: size and SHA-256 of every other file of the folder.

    Args:
        folder: The folder, complete but for its manifest.
    """
    folder = pathlib.Path(folder)
    entries = {
        file.relative_to(folder).as_posix(): _entry(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != folder / NAME
    }
    text = json.dumps({"version": 1, "files": entries}, indent=2) + "\n"
    (folder / NAME).write_text(text, "utf-8")


def check(
    folder: str | os.PathLike, *parts: str, required: Collection[str] = ()
) -> None:
    """Compares files with the manifest of their folder, if it has one.

    Args:
        folder: The folder.
        *parts: Files and sub-folders to check. By default everything that the
            manifest lists.
        required: Files that the folder must have, and its manifest must list. If
            there are any, it must have a manifest, too.

    Raises:
        ValueError: If a file is missing or differs, or the manifest is damaged.
    """
    folder = pathlib.Path(folder)
    if not (folder / NAME).is_file():
        if required:
            raise ValueError(
                f"{folder} is damaged: {NAME} is missing, by which the other files are "
                "checked."
            )
        return
    entries = _read(folder / NAME)
    faults = [f"{NAME} lacks {n}" for n in sorted(set(required) - entries.keys())]
    for name, entry in entries.items():
        if parts and name.partition("/")[0] not in parts:
            continue
        if not (folder / name).is_file():
            faults.append(f"{name} is missing")
        elif _entry(folder / name) != entry:
            faults.append(f"{name} differs")
    if faults:
        raise ValueError(
            f"{folder} is damaged, or was changed after it was written: "
            f"{', '.join(faults)}. Copy or write it anew."
        )


def _entry(file: pathlib.Path) -> dict[str, int | str]:
    with open(file, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}


def _read(path: pathlib.Path) -> dict[str, dict]:
    found = writing.read_json(path)
    try:
        entries = dict(found["files"])
        names = [pathlib.PurePosixPath(name) for name in entries]
        if any(name.is_absolute() or ".." in name.parts for name in names):
            raise ValueError("it names a file outside of its folder.")
        return entries
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read; it may be damaged: {error}"
        ) from error
