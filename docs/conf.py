"""The Sphinx configuration of the documentation site, built by `make docs`.

The source folder is the repository itself. The site therefore includes the README, CONTRIBUTING,
the changelog and the settings page without moving them, and links also work on a plain git host.
"""

import re

project = "xamsflow"
html_title = "xamsflow"
html_theme = "furo"
html_extra_path = ["site"]  # index.html, which redirects to the first page
html_copy_source = False
html_show_copyright = False

root_doc = "docs/README"
include_patterns = ["*.md", "config/README.md", "docs/**.md"]
# Folders without documents, to skip in the search.
exclude_patterns = [
    ".*",
    "bench",
    "benchmarks",
    "data",
    "demo",
    "logs",
    "results",
    "site",
    "src",
    "tests",
]

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_member_order = "bysource"

INDEXES = ("docs/README", "docs/decisions/README")


def add_navigation(app, docname, source):  # noqa: ARG001 - Sphinx passes it
    """Add the pages that an index links to the navigation, under the headings of its sections."""
    if docname not in INDEXES:
        return
    for section in source[0].split("\n## "):
        heading = section.partition("\n")[0]
        options = [":hidden:", "" if heading.startswith("# ") else f":caption: {heading}"]
        pages = re.findall(r"\]\(([^)#]+)\.md\)", section)
        source[0] += "\n".join(["\n\n```{toctree}", *options, "", *pages, "```"])


def setup(app):
    """Register `add_navigation` with Sphinx."""
    app.connect("source-read", add_navigation)
