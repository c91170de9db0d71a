"""`sweepjax plot`: rows and theory in one picture."""

from pathlib import Path
from typing import Annotated

import typer

from ._options import checked_output, replaced, rows

SUFFIXES = (".png", ".pdf", ".svg")


def plot(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Directories that `run` made.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="A .png, .pdf or .svg file.")],
    figure: Annotated[str, typer.Option(metavar="NAME", help="See `sweepjax list figures`.")] = "s_norm_and_margin",
) -> None:
    """Draw a figure of rows, with the theory over them."""
    from sweepjax.plugins import find  # noqa: PLC0415

    target = checked_output(out, SUFFIXES)
    draw = find("figures", figure)
    with rows(directories) as data, replaced(target) as partial:
        draw(data).savefig(partial)
    typer.echo(target)
