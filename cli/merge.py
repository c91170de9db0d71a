"""`sweepjax merge`: runs of one sweep to one run."""

from pathlib import Path
from typing import Annotated

import typer

from ._errors import say


def merge(
    directories: Annotated[list[Path], typer.Argument(metavar="A B...", help="Directories that `run` made.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="C", help="New, or a run of the same sweep.")],
) -> None:
    """Put the rows of several runs of one sweep into one directory.

    Nothing is written where two runs contradict each other or one of them is damaged.
    """
    from sweepjax.store.merge import merge as merged  # noqa: PLC0415
    from sweepjax.store.verify import advice  # noqa: PLC0415

    store = merged(directories, out)
    held = store.summary()
    missing = f"; {advice(store.path, held.planned - held.rows)}" if held.rows < held.planned else ""
    say(f"{held.rows} of {held.planned} rows in {held.files} files{missing}")
    typer.echo(store.path)
