"""What measured times depend on besides the code."""

import os
import pathlib
import platform
from importlib import metadata
from typing import Any


def facts(*packages: str) -> dict[str, Any]:
    """Processor, load, system, and versions.

    Args:
        *packages: Names of packages that matter, besides TensorFlow and Keras.
    """
    cpu = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2] for line in lines if "model name" in line]
        cpu = names[0].strip() if names else cpu
    return {
        "cpu": cpu,
        "logical_cpus": os.cpu_count(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("tensorflow", "keras", *packages)},
    }
