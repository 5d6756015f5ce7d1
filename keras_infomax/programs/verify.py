"""Checks an export: its files against their checksums, its formats against each other.

    keras-infomax verify runs/digits_encoder

Every format in the folder is loaded in a process that lacks this package, and encodes
the inputs stored with the export. Printed are the largest differences from the
encodings stored with them; exit code 1 says that something is damaged, does not load
or differs.
"""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

from absl import flags

POSITIONAL = ("FOLDER",)
READS = {"FOLDER": "manifest.json"}
FLAGS = flags.FlagValues()
_TOLERANCE = flags.DEFINE_float(
    "tolerance",
    1e-4,
    "Largest difference allowed, in units of the largest encoding or of 1.",
    lower_bound=0,
    flag_values=FLAGS,
)


def verify(folder: str | os.PathLike) -> list[dict[str, Any]]:
    """Compares checksums, then loads every format in a fresh process.

    Args:
        folder: Folder of an export.

    Returns:
        The dictionaries of `standalone.compare`.

    Raises:
        ValueError: If `folder` holds no export, a damaged one, or an archive with a
            member that could reach outside.
    """
    from keras_infomax import checks
    from keras_infomax.files import manifest
    from keras_infomax.programs import standalone
    from keras_infomax.saved_model import archives, formats
    from keras_infomax.training import processes

    folder = pathlib.Path(checks.path("folder", folder, "exports/encoder"))
    for name in (manifest.NAME, "reference.npz"):
        if not (folder / name).is_file():
            raise ValueError(
                "FOLDER must be that of an export of keras_infomax; "
                f"{str(folder)!r} has no {name}. Export the encoder (again)."
            )
    manifest.check(folder)
    if (folder / formats.FILES["archive"]).is_file():
        archives.check(folder / formats.FILES["archive"])
    process = subprocess.run(
        # -P keeps the folder of the script, and so this checkout, off the path.
        [
            *(sys.executable, "-P", processes.__file__),
            *(standalone.__file__, folder.resolve()),
        ],
        env={"TF_CPP_MIN_LOG_LEVEL": "2", **processes.environment_of_child()},
        capture_output=True,
        text=True,
    )
    if process.returncode:
        raise ValueError(
            f"{str(folder)!r} could not be checked:\n{process.stderr.strip()}"
        )
    return json.loads(process.stdout.splitlines()[-1])


def table(results: list[dict[str, Any]], tolerance: float) -> tuple[str, bool]:
    """The results as lines for the screen, and whether all of them are good.

    Args:
        results: What `verify` returns.
        tolerance: Largest difference allowed, in units of the largest encoding or
            of 1, whichever is larger.
    """
    lines, good = [f"{'format':<12}{'entry':<17}largest difference"], bool(results)
    for result in results:
        if "error" in result:
            outcome, fits = f"failed: {result['error']}", False
        else:
            fits = result["difference"] <= tolerance * max(1, result["scale"])
            outcome = f"{result['difference']:.1e}{'' if fits else '  too large'}"
        lines.append(f"{result['format']:<12}{result['entry']:<17}{outcome}")
        good = good and fits
    return "\n".join(lines), good


def main(folder: str) -> None:
    """Verifies."""
    lines, good = table(verify(folder), _TOLERANCE.value)
    print(lines)
    if not good:
        raise ValueError(f"{folder!r} is not fit for use; see the table.")
