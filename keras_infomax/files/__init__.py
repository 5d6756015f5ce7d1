"""Atomic writing of files and folders, locks, and checksums.

A reader sees the old content or the new, never a mix. Nothing here knows what the files
hold.
"""

from keras_infomax.files.writing import (
    has_wildcards,
    link,
    locked,
    new_folder,
    read_csv,
    read_json,
    readable,
    replaced_file,
    sole,
    write_csv,
    write_text,
)

__all__ = [
    "has_wildcards",
    "link",
    "locked",
    "new_folder",
    "read_csv",
    "read_json",
    "readable",
    "replaced_file",
    "sole",
    "write_csv",
    "write_text",
]
