"""`sweepjax explore`: some runs on a page with sliders."""

from pathlib import Path
from typing import Annotated

import typer

from ._options import checked_output, replaced


def explore(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Directories that `run` made.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="A .html file.")] = Path("explore.html"),
) -> None:
    """Put runs on a page with sliders over their axes: distributions, means with theory, maps, curves over time.

    The page is one file and needs no network; each realization has the line that draws it again.
    """
    from sweepjax.explore import explore as made  # noqa: PLC0415

    target = checked_output(out, (".html",))
    text = made(directories)
    with replaced(target) as partial:
        partial.write_text(text, encoding="utf-8")
    typer.echo(target)
