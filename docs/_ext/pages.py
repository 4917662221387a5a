"""What pages in Markdown need: examples with >>> are doctests, files of the repository are linked to."""

from typing import Any

from docutils import nodes


def _mark_examples(app: Any, document: nodes.document) -> None:
    """Blocks of Python that begin with >>> are run by the builder `doctest`."""
    for block in document.findall(nodes.literal_block):
        if block.get("language") == "pycon":
            block["testnodetype"] = "doctest"
            block["groups"] = ["default"]
            block["options"] = {}
            block["trim_flags"] = True


def setup(app: Any) -> dict[str, bool]:
    """Have Sphinx call it for each page."""
    app.connect("doctree-read", _mark_examples)
    return {"parallel_read_safe": True}
