"""`sweepjax report`: some runs on one page of HTML."""

from pathlib import Path
from typing import Annotated

import typer

from ._errors import COMPLETE, DAMAGED, say
from ._options import checked_output, replaced


def report(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Directories that `run` made.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="A .html file.")] = Path("report.html"),
) -> int:
    """Put runs on one page: what was run, checks, figures and tables against theory, and how to repeat them.

    The page needs no network. Faulty files are named in it and left out; then the exit code is 5.
    """
    from sweepjax.report.page import report as made  # noqa: PLC0415

    target = checked_output(out, (".html",))
    page = made(directories)
    with replaced(target) as partial:
        partial.write_text(page.html, encoding="utf-8")
    typer.echo(target)
    if page.faulty:
        say(f"{page.faulty} faulty files are left out; `sweepjax verify` names them, and --repair removes them")
    return DAMAGED if page.faulty else COMPLETE
