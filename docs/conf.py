"""How Sphinx makes a site of the documents: `make docs`.

The source folder is the repository, so that the README, CONTRIBUTING, the changelog and the page on
settings are part of the site where they stand, and links work here as on a plain git host.
"""

import re

project = "xamsflow"
html_title = "xamsflow"
html_theme = "furo"
html_extra_path = ["site"]  # index.html, which leads to the first page
html_copy_source = False
html_show_copyright = False

root_doc = "docs/README"
include_patterns = ["*.md", "config/README.md", "docs/**.md"]
# Folders without a document, which need not be walked.
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


def add_navigation(app, docname, source):  # noqa: ARG001 - as Sphinx calls it
    """Make the pages that an index links to its children; a section is a part of the navigation."""
    if docname not in INDEXES:
        return
    for section in source[0].split("\n## "):
        heading = section.partition("\n")[0]
        options = [":hidden:", "" if heading.startswith("# ") else f":caption: {heading}"]
        pages = re.findall(r"\]\(([^)#]+)\.md\)", section)
        source[0] += "\n".join(["\n\n```{toctree}", *options, "", *pages, "```"])


def setup(app):
    """Connect the function above, as Sphinx wants it."""
    app.connect("source-read", add_navigation)
