"""Some of the stored rows computed again: by our own engine one at a time, and by SciPy where it can.

A file of this room is named after a model or a solver and knows its rows without JAX and without our solvers.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from sweepjax.engine.engine import Engine, Watch
from sweepjax.engine.observing import observed
from sweepjax.engine.redraw import dataset
from sweepjax.identity import name_of
from sweepjax.store.beside import fields_of, joined, name_in, of_files
from sweepjax.store.chunkfile import in_memory, table
from sweepjax.store.footers import AND
from sweepjax.store.paths import content
from sweepjax.store.same_rows import differences
from sweepjax.store.verify import Findings
from sweepjax.types import Chunk, Columns

ONE_AT_A_TIME = Engine(lanes=1)


class Mismatch(NamedTuple):
    """A stored value that is not found again; `row` counts within the file."""

    file: Path
    row: int
    column: str
    stored: Any
    recomputed: Any


def recheck(
    findings: Findings, rows: int, *, engine: Engine = ONE_AT_A_TIME, watch: Watch = lambda what, rows: None
) -> Iterator[Mismatch]:
    """Compute `rows` of the sound rows again and yield what differs; always the same ones, spread over the files."""
    for file, chunk, row in chosen(findings.sound, rows):
        alone = Chunk(chunk.family, chunk.start + row, chunk.start + row + 1)
        columns = [each for each in of_files([file]).get(name_in(file), []) if each.rows > row]
        whole = pq.ParquetFile(in_memory(content(file))).read()
        stored = joined(whole, columns, fields_of({"": columns})).slice(row, 1)
        told = _told(file)
        texts = [each.text for each in columns] + [text for text in told.get("observed", "").split(AND) if text]
        again = table(engine.compute(alone, watch) | _observed(alone, texts, engine))
        (known,) = again.to_pylist()
        if "columns" in told:
            again = again.select(stored.column_names).cast(stored.schema)
        for found in differences(stored, again, unlike=told.get("device", "") != engine.devices[0].device_kind):
            yield Mismatch(file, row, found.column, found.one, found.other)
        (kept,) = stored.to_pylist()
        for found in _independently(alone, known | kept):  # of columns that were not kept, those computed again
            yield Mismatch(file, row, found.column, found.stored, f"{found.found} by SciPy")


def _told(file: Path) -> dict[str, str]:
    """Return what the footer of a file says, such as the kind of device that computed it."""
    entries = pq.read_metadata(in_memory(content(file))).metadata or {}
    return {key.decode().removeprefix("sweepjax."): text.decode() for key, text in entries.items()}


def _observed(alone: Chunk, texts: list[str], engine: Engine) -> Columns:
    """Return what was observed of a row after its run, computed again."""
    return next(observed([alone], texts, engine=engine))[1] if texts else {}


def chosen(sound: dict[Path, Chunk], rows: int) -> Iterator[tuple[Path, Chunk, int]]:
    """Yield one random row of each of equal shares of all rows, in the order of the files."""
    files = sorted(sound)
    ends = np.cumsum([sound[file].rows for file in files]) if files else np.zeros(1, dtype=int)
    shares = min(rows, int(ends[-1]))
    places = (np.arange(shares) + np.random.default_rng(0).random(shares)) * (ends[-1] / max(shares, 1))
    for place in np.unique(places.astype(int)):
        which = int(np.searchsorted(ends, place, side="right"))
        chunk = sound[files[which]]
        yield files[which], chunk, int(place - ends[which]) + chunk.rows


def _independently(alone: Chunk, row: dict[str, Any]) -> Iterator[Any]:
    task = alone.family.tasks[alone.start % len(alone.family.tasks)]
    for name in (name_of(task.model), name_of(task.solver)):
        if Path(__file__).with_name(f"{name}.py").is_file():
            known = import_module(f"{__name__}.{name}")
            yield from known.contradictions(row, task.model, dataset(row))
