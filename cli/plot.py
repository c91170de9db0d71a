"""`sweepjax plot`: rows and theory in one picture."""

from pathlib import Path
from typing import Annotated

import typer

from ._options import checked_output, replaced, rows

SUFFIXES = (".png", ".pdf", ".svg")


def plot(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Directories that `run` made.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="A .png, .pdf or .svg file.")],
    figure: Annotated[
        str | None, typer.Option(metavar="NAME", help="See `sweepjax list figures`; by default what suits the rows.")
    ] = None,
) -> None:
    """Draw a figure of rows, with the theory over them."""
    from sweepjax.figures import usual  # noqa: PLC0415
    from sweepjax.plugins import find  # noqa: PLC0415

    target = checked_output(out, SUFFIXES)
    draw = find("figures", figure) if figure else None
    with rows(directories) as data, replaced(target) as partial:
        (draw or find("figures", usual(data)))(data).savefig(partial)
    typer.echo(target)
