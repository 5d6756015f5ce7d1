"""Files of what was measured."""

import json
import os
import pathlib
from typing import Any

from keras_infomax import files


def write(path: str | os.PathLike, facts: dict[str, Any]) -> None:
    """Writes facts as JSON, whole or not at all.

    Args:
        path: File to write; its folder is made if it does not exist.
        facts: What was measured, JSON values only.
    """
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, json.dumps(facts, indent=1) + "\n")
