"""Repositories of the Hugging Face Hub: addresses, downloads and uploads.

The package `huggingface_hub` is imported when the first of them is asked for.
"""

import dataclasses
import functools
import importlib
import os
import pathlib
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any

SCHEME = "hf://"

_NAME = r"[A-Za-z0-9][\w.-]*"
_ADDRESS = re.compile(
    rf"hf://(?P<repository>{_NAME}/{_NAME})(?:@(?P<revision>{_NAME}))?(?:/(?P<file>.+))?",
    re.ASCII,
)


@dataclasses.dataclass(frozen=True)
class Address:
    """What an address names.

    Args:
        repository: User or organization, and name, as in `"user/name"`.
        file: A file of the repository; `None` for all of it.
        revision: Branch, tag or commit; `None` for the newest of the main branch.
    """

    repository: str
    file: str | None = None
    revision: str | None = None

    def __str__(self):
        revision = "" if self.revision is None else f"@{self.revision}"
        file = "" if self.file is None else f"/{self.file}"
        return f"{SCHEME}{self.repository}{revision}{file}"


def parse(argument: str, text: Any, file: bool = True) -> Address:
    """Takes an address apart.

    Args:
        argument: What to call it in messages.
        text: The address, such as `"hf://user/name"` or `"hf://user/name/file"`.
        file: Whether it may name a file.

    Raises:
        ValueError: If it is none.

    Example:
    >>> parse("encoder", "hf://user/name@v1/encoder.keras")
    Address(repository='user/name', file='encoder.keras', revision='v1')
    """
    found = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    if found is not None:
        name = found["file"]
        parts = () if name is None else pathlib.PurePosixPath(name).parts
        if ".." not in parts and (name is None or file and parts[0] != "/"):
            return Address(found["repository"], name, found["revision"])
    forms = "hf://user/name or hf://user/name@revision"
    raise ValueError(
        f"{argument} must be the address of a repository, {forms}"
        f"{', and /file behind it if it is one file' if file else ''}; received "
        f"{str(text)[:80]!r}. Write, for example, {argument}='hf://user/name'."
    )


def library() -> ModuleType:
    """The package `huggingface_hub`.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ImportError(
            f"An address {SCHEME}... needs huggingface_hub ({error}). Install it with "
            '`pip install "keras_infomax[hub]"`.'
        ) from error


def download(
    address: Address, patterns: Sequence[str] | None = None, fresh: bool = False
) -> pathlib.Path:
    """Downloads a repository, or finds it in the cache of `huggingface_hub`.

    Args:
        address: The repository, of a file that file alone.
        patterns: Of which files; all by default.
        fresh: Whether to ask the Hub again; otherwise an address stands for one
            revision in one process, whatever is pushed meanwhile.

    Returns:
        Its folder, or its file, in the cache. Nothing may be changed there.

    Raises:
        OSError: If there is no such repository, revision or file, or no network.
        ImportError: If `huggingface_hub` is not installed.
    """
    if not fresh:
        return _remembered(address, patterns)
    hub = library()
    wanted = list(patterns) if patterns is not None else None
    if address.file is not None:
        wanted = [address.file]
    try:
        folder = pathlib.Path(
            hub.snapshot_download(
                repo_id=address.repository,
                revision=address.revision,
                allow_patterns=wanted,
            )
        )
    except Exception as error:  # Of the Hub, of the network, of the disk.
        raise OSError(
            f"{address} cannot be read: {_first_line(error)} Check the name and the "
            "network; a private repository needs `hf auth login`."
        ) from error
    path = folder if address.file is None else folder / address.file
    if not path.exists():
        raise OSError(f"{address} cannot be read: the repository has no such file.")
    return path


@functools.cache
def _remembered(address: Address, patterns: Sequence[str] | None) -> pathlib.Path:
    return download(address, patterns, fresh=True)


def forget() -> None:
    """Has the next downloads ask the Hub again."""
    _remembered.cache_clear()


def upload(
    folder: str | os.PathLike,
    address: Address,
    message: str,
    private: bool | None,
    stale: Sequence[str] = (),
) -> str:
    """Writes the files of a folder to a repository, in one commit.

    Args:
        folder: The folder.
        address: The repository, made if it does not exist; of a revision that branch.
        message: What the commit is called.
        private: Whether a new repository is private; `None` for the user's default.
        stale: Patterns of files that are deleted where the folder lacks them.

    Returns:
        Where a browser finds it.

    Raises:
        OSError: If it cannot be written to.
        ImportError: If `huggingface_hub` is not installed.
    """
    api = library().HfApi(library_name="keras_infomax")
    is_there = False
    try:
        found = api.create_repo(
            repo_id=address.repository, private=private, exist_ok=True
        )
        is_there = True
        if address.revision is not None:
            api.create_branch(
                repo_id=address.repository, branch=address.revision, exist_ok=True
            )
        api.upload_folder(
            repo_id=address.repository,
            folder_path=os.fspath(folder),
            commit_message=message,
            revision=address.revision,
            delete_patterns=list(stale) or None,
        )
    except Exception as error:  # Of the Hub, of the network, of the token.
        remains = (
            "The repository is there and holds what it held before, or nothing if it "
            "is new; the folder is as it was. Repeat the push."
            if is_there
            else "Nothing was written. Log in with `hf auth login`, and repeat it."
        )
        raise OSError(
            f"{address} cannot be written to: {_first_line(error)} {remains}"
        ) from error
    return str(found)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."
