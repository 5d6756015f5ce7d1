"""Reads a folder of images, one sub-folder per class, and prints what was read."""

import collections
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_infomax.datasets import image_files

Part = tuple[np.ndarray, np.ndarray | None]

# Files of operating systems; Synology's previews are images.
_OF_SYSTEMS = {"__macosx", "@eadir", "thumbs.db", "ehthumbs.db", "desktop.ini"}
_LIKE_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}


class _File(NamedTuple):
    """An image file with its split and class."""

    path: pathlib.Path
    split: str
    class_name: str | None


def read(
    root: pathlib.Path,
    image_size: tuple[int, int] | None,
    on_error: str,
    max_pixels: int,
    max_bytes: int,
) -> tuple[list[Part], tuple[str, ...] | None]:
    """Reads the images of a folder, and prints their number and the files left out.

    Args:
        root: The folder. For its layout and the other arguments see `datasets.load`.
        image_size: `(height, width)`, or `None`.
        on_error: `"raise"` or `"skip"`.
        max_pixels: Largest number of pixels of an image.
        max_bytes: Largest number of bytes of all decoded images.

    Returns:
        Parts `(images, labels)`, either `train` and `test` or a single one, and the
        names of the classes. Labels and names are `None` without classes.

    Raises:
        ValueError: If the layout is ambiguous, there are no images, or images are too
            large, of several sizes without `image_size`, or unreadable without
            `on_error="skip"`.
    """
    report = _Report(root, on_error)
    splits = ["train", "test"]
    if all((root / split).is_dir() for split in splits):
        for path in sorted(root.iterdir()):
            if path.name not in splits:
                report.skip("beside train and test", path)
    else:
        splits = ["."]
    listed = [file for split in splits for file in _listed(root, split, report)]
    _check_classes(root, listed)
    report.check()

    headers = _headers(listed, max_pixels, report)
    report.check()
    if not headers:
        raise ValueError(report.no_images("."))
    _check_bytes(root, headers.values(), image_size, max_bytes)
    images, files = _decoded(headers, image_size, max_pixels, report)
    report.check()

    names = sorted({file.class_name for file in files if file.class_name is not None})
    parts: list[Part] = []
    for split in splits:
        rows = [row for row, file in enumerate(files) if file.split == split]
        if not rows:
            raise ValueError(report.no_images(split))
        labels = None
        if files[rows[0]].class_name is not None:
            labels = np.searchsorted(names, [str(files[r].class_name) for r in rows])
        parts.append((images[rows[0] : rows[-1] + 1], labels))
    report.show(files, headers)
    return parts, tuple(map(shown, names)) or None


def shown(name: str | os.PathLike) -> str:
    """A path or its last part as one line of text, whatever characters it has."""
    return "".join(
        letter
        if letter.isprintable()
        else letter.encode("unicode_escape").decode("ascii")
        for letter in os.fspath(name)
    )


class _Report:
    """Files of a folder that are left out, with reasons.

    Args:
        root: The folder.
        on_error: `"raise"` an error for unreadable files, or `"skip"` them.
    """

    def __init__(self, root: pathlib.Path, on_error: str):
        self.root = root
        self.on_error = on_error
        self.skipped: dict[str, list[str]] = collections.defaultdict(list)
        self.failed: dict[str, list[str]] = collections.defaultdict(list)

    def skip(self, reason: str, path: pathlib.Path) -> None:
        """Notes a file that is not an image."""
        self.skipped[reason].append(self._relative(path))

    def fail(self, why: str, path: pathlib.Path) -> None:
        """Notes an image or folder that cannot be read."""
        self.failed[why].append(self._relative(path))

    def check(self) -> None:
        """Raises a `ValueError` for unreadable files, unless they are to be skipped."""
        if self.failed and self.on_error == "raise":
            raise ValueError(
                f"{shown(self.root)}: {self._failures()}. Repair or remove these "
                "files, or leave them out with on_error='skip' "
                "(--config.on_error=skip)."
            )

    def no_images(self, split: str) -> str:
        """The message about a split without images."""
        return (
            f"{shown(self.root / split)} holds no images. Expected files that end in "
            f"{', '.join(image_files.SUFFIXES)}, at any depth; received "
            f"{'; '.join(self._left_out()) or 'nothing'}."
        )

    def show(
        self, files: Sequence[_File], headers: Mapping[_File, image_files.Header]
    ) -> None:
        """Prints a line about the images, and a second line about files left out."""
        line = f"{shown(self.root)}: {len(files):,} images"
        splits = collections.Counter[str | None](file.split for file in files)
        if len(splits) > 1:
            line += f" ({_some(_counted(splits))})"
        classes = collections.Counter[str | None](file.class_name for file in files)
        unlabelled = classes.pop(None, 0)
        if classes:
            plural = "class" if len(classes) == 1 else "classes"
            line += f" of {len(classes)} {plural} ({_some(_counted(classes), limit=9)})"
        if unlabelled:
            line += f", {unlabelled:,} of them" if classes else ""
            line += " without labels"
        left_out = self._left_out()
        if animated := [file.path for file in files if headers[file].animated]:
            paths = [self._relative(path) for path in animated]
            left_out.append(f"all frames but the first: {len(paths)} ({_some(paths)})")
        if left_out:
            line += f"\n  left out: {'; '.join(left_out)}"
        if len(classes) == 1 and len({file.path.parent for file in files}) > 2:
            (name,) = classes
            line += (
                f"\n  folders below {shown(str(name))!r} are not classes; "
                f"'folder:{shown(self.root / files[0].split / str(name))}' makes them"
            )
        print(line, flush=True)

    def _left_out(self) -> list[str]:
        found = [f"{why}: {len(p)} ({_some(p)})" for why, p in self.skipped.items()]
        if self.failed:
            count = sum(map(len, self.failed.values()))
            found.append(f"unreadable: {count} ({self._failures()})")
        return found

    def _failures(self) -> str:
        reasons = [f"{_some(paths)} {why}" for why, paths in self.failed.items()]
        return _some(reasons, "; ")

    def _relative(self, path: pathlib.Path) -> str:
        text = shown(path.relative_to(self.root))
        return text if len(text) < 200 else f"{text[:90]}...{text[-90:]}"


def _some(words: Sequence[str], separator: str = ", ", limit: int = 3) -> str:
    more = [f"and {len(words) - limit:,} more"] if len(words) > limit else []
    return separator.join([*words[:limit], *more])


def _counted(counter: Mapping[Any, int]) -> list[str]:
    return [f"{shown(name or '')} {count:,}" for name, count in counter.items()]


def _listed(root: pathlib.Path, split: str, report: _Report) -> list[_File]:
    """The image files of a split at any depth, in order of their paths."""
    top = root / split
    paths, folders = _walk(top, report)
    files = []
    for path in sorted(paths):
        parents = path.relative_to(top).parts[:-1]
        files.append(_File(path, split, parents[0] if parents else None))
    classes = {file.class_name for file in files}
    for folder in sorted(folders):
        if folder.parent == top and folder.name not in classes:
            report.skip("folders without images", folder)
    return files


def _walk(
    top: pathlib.Path, report: _Report
) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """All images, and all folders, below a folder; links are followed once."""
    seen = set[tuple[int, int]]()
    above = {_identity(parent) for parent in top.resolve().parents}
    images, visited = [], []
    folders, links = [top], list[pathlib.Path]()
    while folders or links:
        # Links come last, so that a link to a folder in this tree adds nothing.
        folder = folders.pop() if folders else links.pop()
        try:
            identity = _identity(folder)
            if folder != top:
                if identity in seen or identity in above:
                    report.skip("links to folders that are read already", folder)
                    continue
                visited.append(folder)
            seen.add(identity)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            report.fail(f"cannot be opened: {error.strerror}", folder)
            continue
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith(".") or entry.name.lower() in _OF_SYSTEMS:
                report.skip("hidden", path)
            elif entry.is_symlink() and os.path.isdir(path):
                links.append(path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif path.suffix.lower() in image_files.SUFFIXES:
                images.append(path)
            else:
                report.skip("of other types", path)
        links.sort(reverse=True)
    return images, visited


def _identity(folder: pathlib.Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _check_classes(root: pathlib.Path, files: Sequence[_File]) -> None:
    """Raises a `ValueError` if the classes are ambiguous."""
    by_split: dict[str, dict[str | None, _File]] = collections.defaultdict(dict)
    for file in files:
        by_split[file.split].setdefault(file.class_name, file)
    for split, examples in by_split.items():
        if None in examples and len(examples) > 1:
            first = next(shown(name) for name in examples if name is not None)
            raise ValueError(
                f"{shown(root / split)} holds both images "
                f"({shown(examples[None].path.name)}, ...) and folders ({first}, ...), "
                "so it is unclear whether the folders are classes. Keep only images or "
                "only folders."
            )
    classes_of = [
        {str(name) for name in examples if name is not None}
        for examples in by_split.values()
    ]
    if len(classes_of) == 2 and all(classes_of) and classes_of[0] != classes_of[1]:
        raise ValueError(
            f"The class folders in {shown(root / 'train')} and {shown(root / 'test')} "
            "must have the same names; only one of them has images of "
            f"{sorted(classes_of[0] ^ classes_of[1])}. Add or remove these folders."
        )
    names = classes_of[0] if len(classes_of) == 1 else set()
    if names and {name.lower() for name in names} <= _LIKE_SPLITS:
        raise ValueError(
            f"The folders in {shown(root)} look like splits, not classes: "
            f"{sorted(names)}. Name two of them 'train' and 'test', or read one "
            f"alone, such as 'folder:{shown(root / min(names))}'."
        )


def _headers(
    files: Iterable[_File], max_pixels: int, report: _Report
) -> dict[_File, image_files.Header]:
    headers = {}
    for file in files:
        try:
            headers[file] = image_files.read_header(file.path, max_pixels)
        except ValueError as error:
            report.fail(f"cannot be read as an image: {error}", file.path)
    return headers


def _check_bytes(
    root: pathlib.Path,
    headers: Iterable[image_files.Header],
    image_size: tuple[int, int] | None,
    max_bytes: int,
) -> None:
    sizes = [image_size or header.size for header in headers]
    pixels = sum(height * width for height, width in sizes)
    channels = max(header.channels for header in headers)
    image_files.check_bytes(shown(root), len(sizes), pixels * channels, max_bytes)


def _decoded(
    headers: Mapping[_File, image_files.Header],
    image_size: tuple[int, int] | None,
    max_pixels: int,
    report: _Report,
) -> tuple[np.ndarray, list[_File]]:
    """The images as one array, and their files."""
    channels = max(header.channels for header in headers.values())
    files: list[_File] = []
    images = np.empty((0, 0, 0, channels), "uint8")
    for file in headers:
        try:
            pixels = image_files.read_pixels(file.path, max_pixels)
        except ValueError as error:
            report.fail(f"cannot be read as an image: {error}", file.path)
            continue
        if image_size:
            pixels = image_files.resized(pixels, image_size)
        if not files:
            images = np.empty((len(headers), *pixels.shape[:2], channels), "uint8")
        elif pixels.shape[:2] != images.shape[1:3]:
            height, width = np.min([header.size for header in headers.values()], axis=0)
            raise ValueError(
                f"All images must have one size: {shown(files[0].path)} has (height, "
                f"width) {images.shape[1:3]}, {shown(file.path)} has "
                f"{pixels.shape[:2]}. Resize them, for instance to the smallest sides "
                f"with image_size=({height}, {width}) "
                f'(--config.image_size="({height}, {width})").'
            )
        # One channel is broadcast to three.
        images[len(files)] = pixels
        files.append(file)
    return images[: len(files)], files
