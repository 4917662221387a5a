"""The site of the documentation: sphinx-build -W docs FOLDER."""

import sys
from pathlib import Path

import seqgap

_here = Path(__file__).parent
sys.path[:0] = [str(_here / "_ext"), str(_here.parent / "examples")]  # doctests import the examples

project = "seqgap"
author = copyright = "The seqgap authors"  # noqa: A001  # Sphinx reads this name
version = release = seqgap.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest", "docstrings", "families", "pages"]
exclude_patterns = ["_build", "performance_notes.md"]  # performance.py copies the notes into performance.md
nitpicky = True
highlight_language = "text"  # of indented blocks in docstrings, which are formulas

myst_heading_anchors = 4
autodoc_typehints = "none"  # shapes and dtypes say more than ArrayLike: docstrings have them
autodoc_member_order = "bysource"

html_theme = "pydata_sphinx_theme"
html_title = "seqgap"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars = {"index": [], "api": [], "verdict": []}  # no list beside them; pictures need the width
html_last_updated_fmt = None  # two builds of the same files are the same
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
