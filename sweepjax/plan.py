"""What a sweep will take: its size exactly, its time, memory and disk space from a short pilot."""

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sweepjax.engine import contract
from sweepjax.engine.engine import Engine, unwatched
from sweepjax.engine.lanes import Lanes
from sweepjax.engine.sizes import Shape, check_memory, default_chunk_rows
from sweepjax.store.chunkfile import table
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk, Columns, Family

ENOUGH = 1.0  # seconds
FEWEST, TIMES = 16, 4  # steps of the shortest pilot of a training in steps, and how much longer the next one is
SHARE = 0.5  # of the time that no step takes, which a piece is to exceed


class Plan(NamedTuple):
    """The size of a sweep and what it is estimated to take; bytes of memory are those of the largest pilot."""

    points: int
    families: int
    chunks: int
    chunk_rows: int
    rows: int
    lanes: int
    lane_efficiency: float  # of the pilots, whose last rows are followed by none
    devices: int
    batch_rows: int
    batch_bytes: int
    compiling: float  # seconds
    computing: float  # seconds
    stored_bytes: float
    pilots: int
    steps: int  # of each training that the shortest pilot took; 0 where every pilot was a whole training


class Pilot(NamedTuple):
    """What a few rows of one family took."""

    compiling: float  # seconds
    row: float  # seconds
    lane_efficiency: float
    batch_bytes: int
    file_bytes: float  # of an empty file
    row_bytes: float
    steps: int


def plan(sweep: Sweep, *, engine: Engine, chunk_rows: int = 0) -> Plan:
    """Plan a sweep; a few rows of its first, middle and last family are computed and thrown away.

    Between these families the time is taken to be linear, so it is an estimate; of a training in steps that takes long
    only the first are taken, and the rest are taken to be as fast. Programs that an earlier run has left in the
    compilation cache make compiling look cheaper than it is.
    """
    contract.check(sweep)
    check_memory(sweep, engine.devices[0])
    families = list(pilot_families(sweep))
    pilots = [pilot(family, engine) for family in families]
    rows = chunk_rows or default_chunk_rows(sweep)
    chunks, shape = sweep.chunk_count(rows), engine.shape(families[0])
    return Plan(
        points=sweep.points,
        families=sweep.family_count,
        chunks=chunks,
        chunk_rows=rows,
        rows=sweep.rows_total,
        lanes=shape.lanes,
        lane_efficiency=_average([each.lane_efficiency for each in pilots]),
        devices=len(engine.devices),
        batch_rows=len(engine.devices) * shape.rows,
        batch_bytes=max(each.batch_bytes for each in pilots),
        compiling=sweep.family_count * _average([each.compiling for each in pilots]),
        # A device computes a row alone: fewer rows than devices take as long as one on each.
        computing=max(sweep.rows_total, len(engine.devices)) * _average([each.row for each in pilots]),
        stored_bytes=chunks * _average([each.file_bytes for each in pilots])
        + sweep.rows_total * _average([each.row_bytes for each in pilots]),
        pilots=len(pilots),
        steps=min((each.steps for each in pilots if each.steps), default=0),
    )


def pilot_families(sweep: Sweep) -> Iterator[Family]:
    """Yield the first, the middle and the last family, without making those between them."""
    last = sweep.family_count - 1
    return map(sweep.family, sorted({0, last // 2, last}))


def pilot(family: Family, engine: Engine) -> Pilot:
    """Compile the program of a family and compute some rows of it."""
    start = time.perf_counter()
    memory = engine.program(family).advance.memory_analysis()
    compiling = time.perf_counter() - start
    lanes = Lanes(unwatched)
    columns, rows, seconds, steps = _first_steps(family, engine, lanes) or _timed(family, engine, lanes)
    one, every = (file_bytes(columns, count) for count in (1, rows))
    row_bytes = (every - one) / max(rows - 1, 1)
    held = len(engine.devices) * _held(memory)
    return Pilot(compiling, seconds / rows, lanes.efficiency, held, one - row_bytes, row_bytes, steps)


@dataclass(frozen=True)
class _Wide(Engine):
    """An engine as wide as it is for whole trainings, whose program it shares."""

    whole: Shape | None = None

    def shape(self, family: Family) -> Shape:
        return self.whole or super().shape(family)


def _first_steps(family: Family, engine: Engine, lanes: Lanes) -> tuple[Columns, int, float, int] | None:
    """Return columns, rows, the seconds of whole trainings and the steps that were taken; None where these are short.

    Longer and longer pieces are timed until one takes a second more than the last, and half of what drawing takes,
    which is never the same twice: what a step costs is the difference of the two.
    """
    shape, last = engine.shape(family), _steps(family)
    wide, rows = _Wide(engine.device, engine.lanes, shape), len(engine.devices) * shape.lanes
    before, earlier, steps, enough = 0.0, 0, 0, ENOUGH
    while steps < last:
        chunk = Chunk(_until(family, steps, rows), 0, rows)
        start = time.perf_counter()
        columns = wide.compute(chunk, lanes)
        seconds = time.perf_counter() - start
        if steps and seconds > before + enough:
            return columns, rows, seconds + (last - steps) * (seconds - before) / (steps - earlier), steps
        enough = enough if steps else max(ENOUGH, SHARE * seconds)
        before, earlier, steps = seconds, steps, TIMES * steps or FEWEST
    return None


def _steps(family: Family) -> int:
    """Return the steps of a training that takes each of them; 0 of any other, or of one that may end early."""
    task = family.tasks[0]
    walks = task.solver.clock == "step" and task.solver.stages and not task.stop
    return int(task.times[-1]) if walks else 0


def _until(family: Family, steps: int, rows: int) -> Family:
    """Return tasks for so many rows, recorded as often, in so many steps."""
    times = np.asarray(family.tasks[0].times)
    shorter = tuple(map(float, np.floor(times * steps / times[-1])))
    return Family(tuple(dataclasses.replace(task, times=shorter) for task in family.tasks[:rows]))


def _timed(family: Family, engine: Engine, lanes: Lanes) -> tuple[Columns, int, float, int]:
    """Return columns, how many rows they are, and the seconds they took: one batch, or as much as a second allows."""
    shape = engine.shape(family)
    rows, most = (len(engine.devices) * each for each in (shape.lanes, shape.rows))
    while True:
        start = time.perf_counter()
        columns = engine.compute(Chunk(family, 0, rows), lanes)
        seconds = time.perf_counter() - start
        if rows >= most or 2 * seconds > ENOUGH:
            return columns, rows, seconds, 0
        rows = min(2 * rows, most)


def file_bytes(columns: Columns, rows: int) -> int:
    """Return the size of a Parquet file of the first rows, made in memory, without what footers tell."""
    sink = pa.BufferOutputStream()
    pq.write_table(table(columns)[:rows], sink, compression="zstd")
    return sink.getvalue().size


def _held(memory: Any) -> int:
    """Return the bytes a batch holds: its arguments, results and working space."""
    return memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes if memory else 0


def _average(values: list[float]) -> float:
    """Return the mean over equally spaced families of what is linear between the pilots."""
    return float(np.trapezoid(values) / (len(values) - 1)) if len(values) > 1 else values[0]
