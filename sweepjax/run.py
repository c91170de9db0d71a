"""The only loop that touches both the device and the disk. Read it first.

A sweep is a grid of tasks times many realizations. Each realization is one row, a pure function of
its task and index. Rows are computed and kept a chunk at a time; running again computes what is missing.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from sweepjax.chunking import default_chunk_rows
from sweepjax.engine import Engine, Watch, provenance
from sweepjax.executors.local import local
from sweepjax.grid import Sweep
from sweepjax.store import Store, read
from sweepjax.types import Chunk, Columns

if TYPE_CHECKING:
    import pandas as pd


LOCAL = Engine()


class Part(NamedTuple):
    """One of several disjoint shares of the whole plan, counted from 1."""

    number: int = 1
    of: int = 1


def fill(store: Store, chunks: Iterator[Chunk], *, engine: Engine, execute: Any = local, watch: Watch) -> None:
    """Compute and keep whatever chunks the store lacks. Safe to interrupt, safe to repeat."""
    missing = (chunk for chunk in chunks if chunk not in store)

    def compute(chunk: Chunk) -> Columns:
        return engine.compute(chunk, watch)

    for chunk, columns in execute(compute, missing):
        store.write(chunk, columns)


WHOLE = Part()


def share(sweep: Sweep, chunk_rows: int, part: Part = WHOLE) -> Iterator[Chunk]:
    """Yield the chunks of one part: those whose place in the whole plan is number - 1 modulo the parts."""
    plan = enumerate(sweep.chunks(chunk_rows))
    return (chunk for place, chunk in plan if place % part.of == part.number - 1)


def default_directory(sweep: Sweep) -> Path:
    """Return where a sweep is kept unless told otherwise: the same place for the same sweep."""
    return Path("results") / f"{sweep.model}-{sweep.solver}-{sweep.id}".replace(":", ".")


def open_store(sweep: Sweep, out: str | Path, *, chunk_rows: int = 0, engine: Engine) -> Store:
    """Start or resume the directory of a sweep, once its observables are known to fit."""
    if sweep.observables:
        engine.check(next(sweep.families()))
    return Store(Path(out), sweep, chunk_rows or default_chunk_rows(sweep), provenance(engine)).create()


def run(
    sweep: Sweep | str | None = None, *, out: str | Path | None = None, engine: Engine = LOCAL, **axes: Any
) -> "pd.DataFrame":
    """Run a sweep to the end and return its rows.

    Args:
        sweep: a Sweep, or an axis of λ such as "0.4:0.6".
        out: the directory to keep the rows in, started or resumed; nothing is kept without it.
        engine: device and lanes.
        axes: realizations, and axes of fields as on the command line: `n=400, sigma="1:2"`.

    Raises:
        ValueError: an axis or option is not allowed; the message says what is.
    """
    sweep = sweep.replaced(**axes) if isinstance(sweep, Sweep) else Sweep().replaced(**{"lam": sweep} | axes)
    with TemporaryDirectory() as temporary:
        store = open_store(sweep, out or temporary, engine=engine)
        fill(store, share(sweep, store.chunk_rows), engine=engine, watch=lambda what, rows: None)
        return read(store.path)
