"""The site: `make docs` builds it from the pages and the stored notebooks, and executes nothing."""

import sys
from pathlib import Path

import snnlab.runs._jsonschema_import  # noqa: F401  before myst_nb and nbformat
from snnlab import __version__
from snnlab._utils.garbage import collect_less_often

sys.path.insert(0, str(Path(__file__).parent))
collect_less_often()  # collections take a fifth of the time

project = "snnlab"
author = "the snnlab authors"
copyright = "the snnlab authors. Text and figures: CC BY 4.0, code: MIT"
version = release = __version__

# The root of the repository is the source, so that a link between two of its files works in both.
root_doc = "docs/index"
include_patterns = ["docs/**.md", "notebooks/**.ipynb", "CONTRIBUTING.md", "CHANGELOG.md"]
exclude_patterns = [".*", "build", "data", "params", "runs", "snnlab", "tests", "**/.*"]
html_extra_path = ["index.html"]  # from the top of the site to its first page

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "site_parts",
]

nb_execution_mode = "off"
suppress_warnings = ["mystnb.unknown_mime_type"]  # of claims; their text is shown
nb_code_prompt_show = nb_code_prompt_hide = "Code"
nb_ipywidgets_js = {}  # they would be fetched from the network; every panel has a static figure
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_heading_slug_func = "site_parts.jupyter_anchor"
myst_update_mathjax = False
html_math_renderer = "mathml"

autosummary_generate = False  # tables only: a page has the text of all names
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
default_role = "code"
python_maximum_signature_line_length = 90
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
pygments_dark_style = "a11y-high-contrast-dark"
# a name that a link leads to stays readable on it
html_theme_options = {"dark_css_variables": {"color-highlight-on-target": "#101c2c"}}
html_title = "snnlab"
html_copy_source = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
