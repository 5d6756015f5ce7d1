"""Packs a folder into a `.tar.gz`, and unpacks one that need not be trusted."""

import gzip
import os
import pathlib
import shutil
import tarfile
import unicodedata
from collections.abc import Collection

from keras_infomax import files

# Weights hardly compress. Zeros do, a thousandfold: a small archive can fill a disk.
_MOST_EXPANSION, _ALWAYS_ALLOWED = 100, 1 << 28
# tarfile reads headers into memory: about 1 KiB for each member, names included.
_MOST_HEADERS = 1 << 22
_MOST_FOLDERS = 64


def pack(folder: str | os.PathLike, path: str | os.PathLike) -> None:
    """Writes all files of a folder to an archive, with the folder as its root.

    That is where TensorFlow Hub looks for a SavedModel. Times and owners are left
    out: the same files give the same bytes.

    Args:
        folder: The folder.
        path: The archive to write, ending in `.tar.gz`. It may lie in `folder`, and
            is then left out of itself.

    Raises:
        ValueError: If there is no such folder.
    """
    folder, archive_path = pathlib.Path(folder), pathlib.Path(path)
    if not folder.is_dir():
        raise ValueError(f"folder must exist; received {os.fspath(folder)!r}.")
    # With the folders, which TensorFlow Hub does not make by itself.
    paths = sorted(path for path in folder.rglob("*") if path != archive_path)
    with (
        files.replaced_file(archive_path) as temporary,
        open(temporary, "wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        for path in paths:
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            if path.is_dir():
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
                continue
            member.size = path.stat().st_size
            with open(path, "rb") as content:
                archive.addfile(member, content)


def check(path: str | os.PathLike) -> None:
    """Reads an archive to its end, without extracting anything.

    Args:
        path: The archive.

    Raises:
        ValueError: As `unpack`.
    """
    _read(path, to=None)


def unpack(path: str | os.PathLike, folder: str | os.PathLike) -> None:
    """Extracts an archive to a new folder, which appears whole or not at all.

    Args:
        path: The archive: `.tar.gz`, and nothing but files and folders in it.
        folder: The folder to make.

    Raises:
        ValueError: If the archive is damaged, or has a member that could be written
            or point outside of `folder`: an absolute path, one with `..`, a link or a
            device, two members of one name (large and small letters are the same),
            paths of more than 64 parts, headers of more than 4 MiB in all, or would
            take more room than there is, or than any SavedModel takes: above 256 MiB,
            100 times that of the archive. Nothing is extracted then.
    """
    with files.new_folder(folder) as temporary:
        _read(path, to=temporary)


class _Refusal(ValueError):
    """Refusal of an archive that is readable, but not allowed."""


class _Stream(gzip.GzipFile):
    """What a `.gz` holds, of which no more than so many bytes are read."""

    def __init__(self, path: str | os.PathLike, most: int):
        super().__init__(path)
        self._path, self._most = path, most
        self.headers: int | None = 0  # What has been read of them; None when all are.

    def read(self, size: int | None = -1) -> bytes:
        count = max(size or 0, 0)
        self.check(self.tell() + count)
        if self.headers is not None:
            self.headers += count
            if self.headers > _MOST_HEADERS:
                raise _Refusal(
                    f"The headers of the archive {self._path}, its names among them, "
                    f"must be of {_MOST_HEADERS:,} bytes at most; received more. Do "
                    "not trust this archive."
                )
        return super().read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.check(offset)
        return super().seek(offset, whence)

    def check(self, size: int) -> None:
        """Refuses to go on to so many bytes."""
        if size > self._most:
            raise _Refusal(
                f"The archive {self._path} must unpack to {self._most:,} bytes at "
                f"most; received one that claims {size:,} or more. If you trust it, "
                "make room, and unpack it yourself."
            )


def _read(path: str | os.PathLike, to: pathlib.Path | None) -> None:
    try:
        most = max(_MOST_EXPANSION * os.path.getsize(path), _ALWAYS_ALLOWED)
        if to is not None:
            most = min(most, shutil.disk_usage(to).free)
        # tarfile would unpack a second compression by itself, without these limits.
        with (
            _Stream(path, most) as stream,
            tarfile.open(fileobj=stream, mode="r:") as archive,
        ):
            members: dict[str, tarfile.TarInfo] = {}
            size = 0
            for member in archive:
                name = _checked_name(path, member, members)
                # A sparse file is larger than what is stored of it.
                size += member.size
                stream.check(size)
                members[name] = member
            stream.headers = None
            if to is not None:
                archive.extractall(to, members.values(), filter="data")
            # tarfile stops before the checksum at the end of the stream.
            while stream.read(1 << 12):
                pass
    except _Refusal:
        raise
    except Exception as error:  # Damaged headers raise errors of many kinds.
        reason = str(error) or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as a .tar.gz; it may be damaged: {reason}"
        ) from error


def _checked_name(
    path: str | os.PathLike, member: tarfile.TarInfo, others: Collection[str]
) -> str:
    """The name of a member, the same for names that are one on some systems."""
    name = pathlib.PurePosixPath(member.name)
    folded = unicodedata.normalize("NFC", str(name)).casefold()
    # A drive or a backslash means something on Windows alone.
    if name.is_absolute() or pathlib.PureWindowsPath(member.name).anchor:
        reason = "an absolute path"
    elif ".." in name.parts or ".." in pathlib.PureWindowsPath(member.name).parts:
        reason = "a path that leaves the archive"
    elif member.issym() or member.islnk():
        reason = f"a link to {member.linkname[:200]!r}"
    elif not (member.isfile() or member.isdir()):
        reason = "neither a file nor a folder"
    elif len(name.parts) > _MOST_FOLDERS:
        reason = f"a path of {len(name.parts)} parts, more than {_MOST_FOLDERS}"
    elif member.size < 0:
        reason = "a file of negative size"
    elif folded in others:
        reason = "the second one of this name"
    else:
        return folded
    raise _Refusal(
        f"Members of the archive {path} must be files and folders inside of it; "
        f"received {member.name[:200]!r}, {reason}. Do not trust this archive."
    )
