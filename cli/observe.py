"""`sweepjax observe`: new columns of finished rows."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import _complete, _how
from ._errors import say
from ._progress import progress
from ._report import counted, duration

if TYPE_CHECKING:
    from sweepjax.engine.engine import Engine
    from sweepjax.store.store import Store


def observe(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A directory that `run` made.")],
    columns: Annotated[
        list[str],
        typer.Argument(metavar="COLUMN...", help="Observables of the dataset.", autocompletion=_complete.observables),
    ],
    batch: Annotated[str, typer.Option(metavar="auto|B", help="Lanes in flight per device.")] = "auto",
    device: Annotated[
        str | None,
        _complete.option("--device", "cpu|gpu|tpu", "Default: the fastest there is.", lambda: [*_how.DEVICES]),
    ] = None,
) -> None:
    """Add columns to finished rows, in files beside them; their datasets are drawn again.

    The same command again goes on where it was killed, and with the rows that a run has added since.
    """
    from sweepjax import observe as library  # noqa: PLC0415
    from sweepjax.store.store import Store  # noqa: PLC0415

    store, engine = Store.open(directory), _how.engine(batch, device)
    texts = library.check(store, [text for column in columns for text in column.split(",")])
    if path := library.along(texts):
        raise ValueError(_cost(store, path, engine))
    chunks = library.missing(store, texts)
    rows = sum(chunk.rows for several in chunks.values() for chunk in several)
    with progress(rows, 0) as shown:
        library.observe(store, chunks, engine=_alone(engine), watch=shown.watch)
    say(
        f"{', '.join(texts)}: {counted(rows, 'row', 'rows')} observed"
        + (f" in {duration(shown.seconds)}" if rows else ", none was missing")
    )
    typer.echo(store.path)


def _alone(engine: "Engine") -> "Engine":
    """Return an engine of one lane on a CPU, as the run had: side by side the last bits may differ."""
    from sweepjax.engine.engine import Engine  # noqa: PLC0415

    cpu = engine.devices[0].platform == "cpu"
    return Engine(engine.device, 1) if cpu and not engine.lanes else engine


def _cost(store: "Store", texts: Sequence[str], engine: "Engine") -> str:
    """Return the sentence that says what it would take to run finished rows again."""
    from sweepjax.plan import plan  # noqa: PLC0415
    from sweepjax.store.directory import RECORD  # noqa: PLC0415

    names = ", ".join(texts)
    if store.sweep.solver_class.clock == "none":
        return (
            f"{names} is of a training, and solver {store.sweep.solver!r} has none; choose an observable of the dataset"
        )
    made = plan(store.sweep, engine=engine, chunk_rows=store.chunk_rows)
    seen = ",".join(dict.fromkeys([*store.sweep.observables, *texts]))
    record, other = store.path / RECORD, f"{str(store.path).rstrip('/')}-observed"
    again = shlex.join(["sweepjax", "run", str(record), "--observe", seen, "-o", other])
    takes = f"about {duration(made.compiling + made.computing)} here for {made.rows} rows"
    return f"{names} needs the path of a training, and rows keep none; running it again takes {takes}: `{again}`"
