"""The documentation site: its pages join, its blocks run, its names are all there.

What builds the site needs `pip install "keras_infomax[docs]"`, as `make docs` has it.
"""

import configparser
import contextlib
import importlib
import inspect
import io
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

import keras_infomax as kim

DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
site_pages = importlib.import_module("site_pages")
sys.path.remove(str(DOCS))

# These train a little; the others are as quick as what they show.
QUICK = {"data"}
# They are run as scripts of their own, by tests/test_development.py and test_readme.py.
ELSEWHERE = {"development", "methods/README"}
PAGES = sorted(
    path.relative_to(DOCS).with_suffix("").as_posix()
    for path in DOCS.rglob("*.md")
    if not {"_build", "generated"} & set(path.parts)
    and path.relative_to(DOCS).as_posix() not in site_pages.untitled(DOCS)
)
NOTEBOOKS = sorted((DOCS / "examples").glob("*.ipynb"))


def text_of(page):
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


def blocks(page):
    """Blocks of Python, and what a page runs before or after without showing it."""
    return re.findall(
        r"^(?:```python|<!-- run)\n(.*?)^(?:```|-->)",
        text_of(page),
        re.DOTALL | re.MULTILINE,
    )


def needs(page):
    """Packages that a page's blocks need, of extras."""
    code = "\n".join(blocks(page))
    known = ("keras_tuner", "optuna", "onnxruntime", "ai_edge_litert")
    return [name for name in known if re.search(rf"\b{name}\b", code)]


WITH_CODE = [page for page in PAGES if blocks(page) and page not in ELSEWHERE]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=() if page in QUICK else pytest.mark.slow)
        for page in WITH_CODE
    ],
)
@pytest.mark.filterwarnings("default")
def test_blocks_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    for name in needs(page):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    with contextlib.redirect_stdout(io.StringIO()):
        for block in blocks(page):
            exec(compile(block, page, "exec"), names)


def test_every_page_is_in_the_index_once():
    source = [text_of("index")]
    site_pages.completed(DOCS, "index", source)
    parts = re.findall(r"```{toctree}\n.*?```", source[0], re.DOTALL)
    lines = [line for part in parts for line in part.splitlines()]
    listed = [line for line in lines if line and line[0] not in "`:"]
    assert "ALL" not in " ".join(listed)
    assert len(listed) == len(set(listed))
    examples = {f"examples/{path.stem}" for path in NOTEBOOKS}
    generated = {"reference/generated/configs", "reference/generated/commands"}
    assert set(listed) == {*PAGES, *examples, *generated} - {"index"}


def test_every_extra_is_told():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    told = re.findall(r"`\[(\w+)\]`", text_of("start").partition("## Ten")[0])
    assert set(told) == set(settings["options.extras_require"])


def test_a_page_that_joins_is_listed(tmp_path):
    for name in ("index", "choosing", "zebras", "scaling", "methods/simclr"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.md").write_text("# A page\n")
    # A table alone is no page.
    (tmp_path / "methods" / "table.md").write_text("| a | b |\n")
    source = ["ALL guides\nscaling\nALL methods\nALL science\n"]
    site_pages.completed(tmp_path, "index", source)
    assert source[0].split() == ["choosing", "zebras", "scaling", "methods/simclr"]


def public_names():
    """Names of the reference: those of every room, and the rooms themselves."""
    for room in site_pages.rooms():
        module = getattr(kim, room)
        yield from (f"{module.__name__}.{n}" for n in site_pages.names_of(module))


def test_every_room_has_a_page_of_all_its_names():
    rooms = set(site_pages.rooms())
    modules = {name for name in kim.__all__ if inspect.ismodule(getattr(kim, name))}
    assert rooms == modules
    assert {"plots", "tuning", "distribution"} <= rooms
    for room in rooms:
        assert site_pages.names_of(getattr(kim, room)), room
    others = set(kim.__all__) - modules - {"__version__"}
    table = site_pages.top_page()
    for name in others:
        assert f"| `kim.{name}` |" in table
        (target,) = re.findall(rf"`kim\.{name}` \| {{py:obj}}`([\w.]+)`", table)
        assert target in set(public_names()), target


def test_docstrings_become_what_sphinx_reads():
    lines = """Scores |x - y| of `Term`s.

    score = |x|

Text:

```python
a = 1
```

| a | b |
|---|---|
| `1` | 2 |

>>> f(2)
array([[1],
       [2]])
""".splitlines()
    site_pages.docstring(None, "class", "keras_infomax.X", None, None, lines)
    assert "\n".join(lines).split("\n") == [
        r"Scores \|x - y\| of `Term`\ s.",
        "",
        "::",
        "",
        "    score = |x|",
        "",
        "Text:",
        "",
        "",
        ".. code-block:: python",
        "",
        "   a = 1",
        "",
        "",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - a",
        "     - b",
        "   * - `1`",
        "     - 2",
        "",
        "",
        "",
        ".. doctest::",
        "",
        "   >>> f(2)",
        "   array([[1],",
        "          [2]])",
        "",
    ]


def test_the_reference_tells_configs_keys_and_commands(tmp_path):
    site_pages.write_generated(tmp_path)
    folder = tmp_path / "reference" / "generated"
    configs = (folder / "configs.md").read_text(encoding="utf-8")
    for path in (ROOT / "configs").rglob("*.py"):
        name = path.relative_to(ROOT / "configs").with_suffix("").as_posix()
        assert f"## `{name}`" in configs
    assert "keras-infomax train --config=amdim --workdir=runs/amdim\n" in configs
    assert "-m trainers" not in configs
    assert configs.count("keras-infomax mi-benchmark --config=mi/staircase ") == 1
    # What is no command is text.
    told = configs.partition("## `cpc`")[2].partition("## `")[0]
    code = re.findall(r"```sh\n(.*?)```", told, re.DOTALL)
    assert [line.split()[0] for line in "".join(code).splitlines()] == ["keras-infomax"]
    assert "<https://arxiv.org/abs/1807.03748>" in told
    for name, default in (("batch_size", 128), ("critic", "bilinear")):
        assert f"| `{name}` | `{default!r}` |" in configs
    commands = (folder / "commands.md").read_text(encoding="utf-8")
    assert "## `train`" in commands
    assert "--workdir" in commands
    assert {p.stem for p in (folder / "rooms").iterdir()} == set(site_pages.rooms())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site, built as `make docs` does: a warning is an error."""
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    pytest.importorskip("myst_nb")
    output = tmp_path_factory.mktemp("html")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q"]
    found = subprocess.run(
        [*command, "-b", "html", "-d", output / ".trees", DOCS, output],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert found.returncode == 0, found.stderr
    return output


@pytest.mark.slow
def test_the_site_has_every_public_name_and_all_of_its_links(built):
    from sphinx.util.inventory import InventoryFile

    with open(built / "objects.inv", "rb") as file:
        inventory = InventoryFile.load(file, "", os.path.join)
    kinds = ("class", "function", "module", "data", "attribute", "exception")
    found = {
        name
        for kind in kinds
        for name in getattr(inventory, "data", inventory).get(f"py:{kind}", {})
    }
    constants = {
        name
        for name in public_names()
        if not callable(_value(name)) and not inspect.ismodule(_value(name))
    }
    missing = set(public_names()) - found - constants
    assert not missing, sorted(missing)
    # Tables of names have no place of their own: the text of their room has them.
    for name in constants:
        assert name.rpartition(".")[2].isupper(), name
    broken = []
    for page in built.rglob("*.html"):
        source = page.read_text(encoding="utf-8")
        for link in re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', source):
            if "://" not in link and not link.startswith(("mailto:", "data:")):
                if not (page.parent / link).exists():
                    broken.append(f"{page.relative_to(built)}: {link}")
    assert not broken, broken


def _value(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, as_version=4)
    os.environ["PYTHONPATH"] = str(ROOT)
    nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    for cell, kept in zip(
        notebook.cells, nbformat.read(path, as_version=4).cells, strict=True
    ):
        # Where a picture is shown, the committed notebook has it, and what is no
        # measured number is what the code prints.
        assert _kinds(cell) == _kinds(kept)
        assert _results(cell) == _results(kept)


def _kinds(cell):
    outputs = cell.get("outputs", ())
    return {kind for o in outputs for kind in o.get("data", ()) if "image" in kind}


def _results(cell):
    texts = [
        output["data"]["text/plain"]
        for output in cell.get("outputs", ())
        if output["output_type"] == "execute_result"
    ]
    return [text for text in texts if not re.fullmatch(r"[\d.e+-]+", text)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_small_and_have_their_pictures(path):
    text = path.read_text(encoding="utf-8")
    assert '"image/png"' in text
    assert len(text) < 300_000
    assert '"output_type": "error"' not in text
