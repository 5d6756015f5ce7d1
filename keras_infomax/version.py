"""The version, where packaging, exports and result files all read it."""

import pathlib
import subprocess

__version__ = "0.1.0"


def commit() -> str:
    """The commit that the code is at, marked if it has been changed since.

    `"unknown"` where the code is in no repository of its own: a package that is
    installed below a project lies in the repository of the project.
    """
    file = pathlib.Path(__file__)
    git = ["git", "-C", str(file.parent)]
    tracked = [*git, "ls-files", "--error-unmatch", file.name]
    describe = [*git, "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty"]
    try:
        if subprocess.run(tracked, capture_output=True).returncode:
            return "unknown"
        described = subprocess.run(describe, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return described.stdout.strip() or "unknown"
