"""Whether a directory holds what it says: every byte of it, every label, and every row of the plan once."""

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from sweepjax.store.beside import Beside, beside, unsound
from sweepjax.store.chunkfile import Damaged
from sweepjax.store.copies import UNPLANNED, Unsound, read_copy
from sweepjax.store.directory import CHUNK_NAME, RECORD, Conflict, parquet_files, states
from sweepjax.store.leftovers import leftovers
from sweepjax.store.paths import remove
from sweepjax.store.rounds import PILOT
from sweepjax.store.same_columns import mixed
from sweepjax.store.states import is_readable
from sweepjax.store.store import Store
from sweepjax.sweep.recorded import Recorded
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk, Family

BROKEN_STATE = "is damaged, and a state of rows under way, which would begin anew"


class Fault(NamedTuple):
    """What is wrong with a file; where it is replaceable, `run` computes anew whatever rows it had."""

    file: Path
    what: str
    replaceable: bool


class Findings(NamedTuple):
    """The files that are sound and what they hold, those that are not, and how many rows of the plan are missing."""

    sound: dict[Path, Chunk]
    faults: list[Fault]
    planned: int
    missing: int
    leftovers: tuple[Path, ...]

    @property
    def rows(self) -> int:
        """The rows of the sound files."""
        return sum(chunk.rows for chunk in self.sound.values())


def verify(store: Store) -> Findings:
    """Read every Parquet file of a directory and hold it against the plan; nothing is changed."""
    held: dict[Path, Chunk] = {}
    schemas: dict[Path, pa.Schema] = {}
    sources: dict[Path, str] = {}
    faults = []
    for family, file in planned_files(store.sweep, parquet_files(store.path)):
        try:
            copy = read_copy(file, family)
        except Unsound as error:
            faults.append(Fault(file, str(error), error.replaceable and family is not None))
            continue
        if copy:
            held[file], schemas[file], sources[file] = copy.chunk, copy.table.schema.remove_metadata(), copy.source
    faults += _observed(beside(store.path))
    faults += [Fault(file, BROKEN_STATE, True) for file in states(store.path) if not is_readable(file)]
    faults += _of_the_pilot(store.path / PILOT) + _odd(schemas) + _mixed(sources, store.source)
    held = _without(held, faults)
    faults += _misplaced(held, store.chunk_rows)
    sound = _without(held, faults)
    present = sum(_planned_rows(chunk, store.sweep) for chunk in sound.values())
    planned = store.sweep.rows_total or present
    return Findings(sound, sorted(faults), planned, planned - present, tuple(leftovers(store.path)))


def repair(findings: Findings) -> list[Path]:
    """Remove the files whose rows `run` then computes anew, and return them.

    A file that is none of this sweep's stays, and so does one that has rows no other file has.
    """
    removed = [fault.file for fault in findings.faults if fault.replaceable]
    for file in removed:
        remove(file)
    return removed


def advice(path: Path, missing: int) -> str:
    """Return the sentence that says how to compute what is missing of a directory."""
    record, directory = (shlex.quote(str(each)) for each in (path / RECORD, path))
    if columns := ",".join(Store.open(path).columns):
        way = f"run them into another directory, and `sweepjax merge` it here with `--column {columns}`"
        return f"{missing} rows are missing; {way}"
    return f"{missing} rows are missing; run `sweepjax run {record} -o {directory}` again"


def planned_files(sweep: Sweep, files: list[Path]) -> Iterator[tuple[Family | None, Path]]:
    """Yield each file with the family its name begins with, or None where the plan has no such family.

    Where the plug-ins are not at hand there is no plan, and the family is the one its footer describes.
    """
    if isinstance(sweep, Recorded):
        yield from ((UNPLANNED if CHUNK_NAME.fullmatch(file.name) else None, file) for file in files)
        return
    waiting = defaultdict(list)
    for file in files:
        waiting[file.name[:12] if CHUNK_NAME.fullmatch(file.name) else ""].append(file)
    for family in sweep.families() if waiting else ():
        yield from ((family, file) for file in waiting.pop(family.id, []))
    yield from ((None, file) for each in waiting.values() for file in each)


def fits(chunk: Chunk, chunk_rows: int) -> bool:
    """Whether a chunk is one of those the plan is cut into, or the beginning of one."""
    return chunk.start % chunk_rows == 0 and chunk.rows <= chunk_rows


def _observed(several: list[Beside]) -> list[Fault]:
    """Blame observed columns that are broken, or that other code has computed than most of their column."""
    broken = {each.file: wrong for each in several if (wrong := unsound(each))}
    others = mixed([each for each in several if each.file not in broken])
    return [Fault(file, what, True) for file, what in (broken | others).items()]


def _of_the_pilot(path: Path) -> list[Fault]:
    """Blame the files of the draws that decided how many each point has; `run` draws them again."""
    record = path / RECORD
    if not record.exists():
        return []
    try:
        return verify(Store.open(path)).faults
    except (Damaged, Conflict) as error:
        return [Fault(record, f"cannot be read ({error})", False)]


def _odd(schemas: dict[Path, pa.Schema]) -> list[Fault]:
    """Blame the files whose columns are not those of most files."""
    counts = Counter(schemas.values())
    if len(counts) < 2:
        return []
    usual = counts.most_common(1)[0][0]
    return [Fault(file, _other_columns(own, usual), True) for file, own in schemas.items() if own != usual]


def _mixed(sources: dict[Path, str], present: str) -> list[Fault]:
    """Blame the files that other code of the same plug-ins has computed than the present one, or than most files."""
    counts = Counter(source for source in sources.values() if source)
    if len(counts) < 2:
        return []
    usual, whose = (present, "the present one") if present in counts else (counts.most_common(1)[0][0], "most files")
    what = f"was computed by other code ({{}}) than {whose} ({usual})"
    return [Fault(file, what.format(own), present in counts) for file, own in sources.items() if own and own != usual]


def _other_columns(own: pa.Schema, usual: pa.Schema) -> str:
    pairs = (
        (name, *(_kind(schema, name) for schema in (own, usual))) for name in dict.fromkeys(own.names + usual.names)
    )
    changed = [f"{name} is {mine} here, {theirs} there" for name, mine, theirs in pairs if mine != theirs]
    return f"has other columns than most files ({'; '.join(changed) or 'in another order'})"


def _kind(schema: pa.Schema, name: str) -> str:
    return str(schema.field(name).type) if name in schema.names else "missing"


def _misplaced(held: dict[Path, Chunk], chunk_rows: int) -> list[Fault]:
    """Blame the files that are not cut as the plan is: their rows are in other files too, or will be."""
    fitting = defaultdict(list)
    odd = []
    for file, chunk in held.items():
        if fits(chunk, chunk_rows):
            fitting[chunk.family.id].append((file, chunk))
        else:
            odd.append((file, chunk))
    return [_overlap(file, chunk, fitting[chunk.family.id], chunk_rows) for file, chunk in odd]


def _overlap(file: Path, chunk: Chunk, others: list[tuple[Path, Chunk]], chunk_rows: int) -> Fault:
    shared = {
        other.name: min(chunk.stop, beside.stop) - max(chunk.start, beside.start)
        for other, beside in others
        if beside.start < chunk.stop and chunk.start < beside.stop
    }
    rows = f"rows {chunk.start} to {chunk.stop - 1}"
    if not shared:
        return Fault(file, f"holds {rows}, which is no chunk of this directory, cut every {chunk_rows} rows", False)
    what = f"repeats {sum(shared.values())} of its {rows}, which are in {', '.join(shared)}"
    return Fault(file, what, sum(shared.values()) == chunk.rows)


def _planned_rows(chunk: Chunk, sweep: Sweep) -> int:
    """Return how many rows of a chunk the plan asks for; a run of more realizations may have left more."""
    return max(0, min(chunk.stop, sweep.rows_of(chunk.family)) - chunk.start)


def _without(held: dict[Path, Chunk], faults: list[Fault]) -> dict[Path, Chunk]:
    blamed = {fault.file for fault in faults}
    return {file: chunk for file, chunk in held.items() if file not in blamed}
