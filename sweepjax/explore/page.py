"""The page: one file of HTML that needs no network, with what was binned as JSON in it."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sweepjax.explore.binned import binned
from sweepjax.store.rows import scan


def explore(directories: Sequence[Path]) -> str:
    """Return the HTML of a page on the rows of some directories, each by itself."""
    data = [binned(scan([path]), str(path)) for path in dict.fromkeys(directories)]
    # No text of the data may end the script that holds it.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    pages = Environment(loader=PackageLoader("sweepjax.explore", ""), autoescape=True, undefined=StrictUndefined)
    parts = {name: Markup(_asset(name)) for name in ("explore.css", "explore.js")}
    return pages.get_template("explore.html").render(
        data=Markup(text), css=parts["explore.css"], script=parts["explore.js"], version=version("sweepjax")
    )


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
