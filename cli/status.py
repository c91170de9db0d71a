"""`sweepjax status`: what a directory holds, and what it is meant to hold."""

from pathlib import Path
from typing import Annotated

import typer

from ._report import aligned, size, uncertified


def status(directory: Annotated[Path, typer.Argument(metavar="DIR", help="A directory that `run` made.")]) -> None:
    """Say what a directory holds and what is missing."""
    from sweepjax.store.store import Store  # noqa: PLC0415

    store = Store.open(directory)
    sweep, held = store.sweep, store.summary()
    axes = [("", note) for note in sweep.notes()]
    lines = [
        ("sweep", f"model {sweep.model}, solver {sweep.solver}"),
        *axes,
        ("points", f"{sweep.points}, of {sweep.realizations} realizations each"),
        ("rows", f"{held.rows} of {held.planned}, {100 * held.rows / held.planned:.4g} %"),
        ("uncertified", uncertified(directory) if held.files else 0),
        ("files", f"{held.files} of at most {store.chunk_rows} rows, {size(held.bytes)}"),
        ("leftovers", f"{len(held.leftovers)}" + (", of writes under way or cut off" if held.leftovers else "")),
    ]
    typer.echo(aligned(lines))
