"""`sweepjax plot`: rows and theory in one picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import _complete
from ._options import checked_output, replaced, tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")


def plot(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="A .png, .pdf or .svg file.")],
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR...", help="Directories that `run` made; a few figures need none."),
    ] = None,
    figure: Annotated[
        str | None,
        _complete.option(
            "--figure",
            "NAME",
            "See `sweepjax list figures`; by default what suits the rows.",
            _complete.plugins("figures"),
        ),
    ] = None,
) -> None:
    """Draw a figure of rows, with the theory over them."""
    target = checked_output(out, SUFFIXES)
    picture = _picture(figure, directories or [])
    with replaced(target) as partial:
        picture.savefig(partial)
    typer.echo(target)


def _picture(name: str | None, directories: list[Path]) -> "Figure":
    from sweepjax.figures import draw, needs_rows, usual  # noqa: PLC0415
    from sweepjax.plugins import find  # noqa: PLC0415

    figure = find("figures", name) if name else None
    if directories:
        with tables(directories) as data:
            return draw(figure or find("figures", usual(data[0])), data)
    if figure is None or needs_rows(figure):
        raise ValueError(f"{name or 'plot'} draws rows, and no directory was given; add one that `sweepjax run` made")
    return draw(figure, [])
