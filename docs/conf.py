"""The documentation site; `make docs` builds and checks it, without a network.

Pages join by lying in a folder: one right in `docs` is a guide, and `methods`, `paper`,
`probes` and `science` hold science. What Python knows better than a page, the rooms,
the configs and the commands, is written into `reference/generated` before every build.
"""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
# Or TensorFlow's notes are among the warnings.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from site_pages import (  # noqa: E402
    completed,
    docstring,
    signature,
    write_generated,
)

from keras_infomax.version import __version__  # noqa: E402

project = "keras_infomax"
author = "The keras_infomax authors"
copyright = author
release = version = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "keras_infomax"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path: list[str] = []

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]
# Tests run the notebooks; the site shows what they have left.
nb_execution_mode = "off"
# What is no code has no language.
highlight_language = "none"

autodoc_member_order = "alphabetical"
# Or the documentation of Keras would be repeated with every class.
autodoc_inherit_docstrings = False
autodoc_typehints = "none"
add_module_names = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = [
    ("Call arguments", "params_style"),
    ("Reference", "notes_style"),
]
# Backticks are code, as in Markdown.
default_role = "code"
doctest_global_setup = "import numpy as np"

# Their inventories come from the network, which a build must do without: set
# INTERSPHINX=1 to link to these, too.
intersphinx_mapping = (
    {
        "keras": ("https://keras.io/api/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "python": ("https://docs.python.org/3/", None),
        "sklearn": ("https://scikit-learn.org/stable/", None),
        "tensorflow": (
            "https://www.tensorflow.org/api_docs/python",
            "https://github.com/GPflow/tensorflow-intersphinx/raw/master/tf2_py_objects.inv",
        ),
    }
    if os.environ.get("INTERSPHINX")
    else {}
)


def setup(app):
    """Adds what the extensions do not do."""
    write_generated(HERE)
    app.connect("source-read", lambda _, name, source: completed(HERE, name, source))
    # Before napoleon, which takes the rest for reStructuredText.
    app.connect("autodoc-process-docstring", docstring, priority=400)
    app.connect("autodoc-process-signature", signature)
