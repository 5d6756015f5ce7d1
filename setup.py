"""What `setup.cfg` cannot say: configs in the package, and a page with whole links."""

import configparser
import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent
# Their folder is a package in the wheel alone; in a checkout they lie at top level.
CONFIGS = "keras_infomax.configs"
_SHOWN = (".png", ".svg")


def packages() -> list[str]:
    """The library's packages, and those of the configs."""
    parts = [CONFIGS]
    for folder in sorted(p for p in (ROOT / "configs").rglob("*") if p.is_dir()):
        if any(folder.glob("*.py")):
            parts.append(
                ".".join([CONFIGS, *folder.relative_to(ROOT / "configs").parts])
            )
    return [*setuptools.find_packages(include=["keras_infomax*"]), *parts]


def page() -> str:
    """README for a page elsewhere: links and pictures as addresses of the source."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = settings["metadata"]["project_urls"].strip().splitlines()
    (source,) = (line.split("=", 1)[1].strip() for line in lines if "Source" in line)

    def whole(match: re.Match) -> str:
        where = "raw" if match[1].endswith(_SHOWN) else "blob"
        return f"]({source}/{where}/main/{match[1]})"

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    # Every second part is a block of code.
    parts = re.split(r"(^```.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    parts[::2] = [re.sub(r"\]\((?!\w+:|#)([^)\s]+)\)", whole, p) for p in parts[::2]]
    return "".join(parts)


if __name__ == "__main__":
    setuptools.setup(
        packages=packages(),
        package_dir={CONFIGS: "configs"},
        long_description=page(),
        long_description_content_type="text/markdown",
    )
