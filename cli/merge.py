"""`sweepjax merge`: runs of one sweep to one run."""

from pathlib import Path
from typing import Annotated

import typer

from ._errors import say
from ._how import chunk_rows
from ._report import counted


def merge(
    directories: Annotated[list[Path], typer.Argument(metavar="A B...", help="Directories that `run` made.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="C", help="New, or a run of the same sweep.")],
    column: Annotated[
        str | None,
        typer.Option("--column", metavar="A,B", help="Keep these columns and the labels only, in single precision."),
    ] = None,
    chunk: Annotated[
        str | None, typer.Option("--chunk", metavar="ROWS", help="With --column: the most rows of a file.")
    ] = None,
) -> None:
    """Put the rows of several runs of one sweep into one directory.

    Nothing is written where two runs contradict each other or one of them is damaged. --column makes a small
    directory that is worth keeping, of runs that may be cut differently.
    """
    from sweepjax.store.merge import merge as merged  # noqa: PLC0415
    from sweepjax.store.thin import thin  # noqa: PLC0415
    from sweepjax.store.verify import advice  # noqa: PLC0415

    if chunk is not None and column is None:
        raise ValueError("--chunk cuts files anew, which needs --column; give both or neither")
    if column is None:
        store, waiting = merged(directories, out), 0
    else:
        store, waiting = thin(directories, out, columns=_names(column), chunk_rows=chunk_rows(chunk))
    held = store.summary()
    missing = f"; {advice(store.path, held.planned - held.rows)}" if held.rows < held.planned else ""
    say(f"{held.rows} of {held.planned} rows in {counted(held.files, 'file', 'files')}{missing}")
    if waiting:
        what = counted(waiting, "row is", "rows are")
        say(f"{what} not kept, since rows before them in their chunk are missing; merge them again with those")
    typer.echo(store.path)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(f"--column {text!r} is not understood; give names of columns, joined by commas")
    return names
