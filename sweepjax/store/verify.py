"""Whether a directory holds what it says: every byte of it, every label, and every row of the plan once."""

import errno
import shlex
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sweepjax.columns import labels
from sweepjax.store import paths
from sweepjax.store.chunkfile import arrow, intact
from sweepjax.store.directory import CHUNK_NAME, RECORD, leftovers, parquet_files
from sweepjax.store.footers import FORMAT, is_origin
from sweepjax.store.store import Store
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk, Family

WAITS = (0.0, 0.1, 1.0)  # seconds before each look at a file that seems to be gone


class Unsound(Exception):  # noqa: N818  named for what was found
    """A file does not hold the rows its name stands for; the text goes on from the file's name."""

    def __init__(self, what: str, *, replaceable: bool = True) -> None:
        super().__init__(what)
        self.replaceable = replaceable


class Copy(NamedTuple):
    """A file that holds what its name says, as it was read."""

    chunk: Chunk
    table: pa.Table
    content: bytes


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
    faults = []
    for family, file in planned_files(store.sweep, parquet_files(store.path)):
        try:
            copy = read_copy(file, family)
        except Unsound as error:
            faults.append(Fault(file, str(error), error.replaceable and family is not None))
            continue
        if copy:
            held[file], schemas[file] = copy.chunk, copy.table.schema.remove_metadata()
    faults += _odd(schemas)
    held = _without(held, faults)
    faults += _misplaced(held, store.chunk_rows)
    sound = _without(held, faults)
    present = sum(_planned_rows(chunk, store.sweep) for chunk in sound.values())
    planned = store.sweep.rows_total
    return Findings(sound, sorted(faults), planned, planned - present, tuple(leftovers(store.path)))


def repair(findings: Findings) -> list[Path]:
    """Remove the files whose rows `run` then computes anew, and return them.

    A file that is none of this sweep's stays, and so does one that has rows no other file has.
    """
    removed = [fault.file for fault in findings.faults if fault.replaceable]
    for file in removed:
        file.unlink(missing_ok=True)
    return removed


def advice(path: Path, missing: int) -> str:
    """Return the sentence that says how to compute what is missing of a directory."""
    record, directory = (shlex.quote(str(each)) for each in (path / RECORD, path))
    return f"{missing} rows are missing; run `sweepjax run {record} -o {directory}` again"


def planned_files(sweep: Sweep, files: list[Path]) -> Iterator[tuple[Family | None, Path]]:
    """Yield each file with the family its name begins with, or None where the plan has no such family."""
    waiting = defaultdict(list)
    for file in files:
        waiting[file.name[:12] if CHUNK_NAME.fullmatch(file.name) else ""].append(file)
    for family in sweep.families() if waiting else ():
        yield from ((family, file) for file in waiting.pop(family.id, []))
    yield from ((None, file) for each in waiting.values() for file in each)


def read_copy(file: Path, family: Family | None) -> Copy | None:
    """Return what a file holds, once every byte and label is found to be right; None if the file is gone.

    Raises:
        Unsound: something is not right.
    """
    content = _content(file)
    if content is None:
        return None
    try:
        opened = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        footer = opened.metadata.metadata or {}
        known = b"sweepjax.chunk" in footer
        if known and not intact(content):
            raise Unsound("is damaged: its checksum is not that of its bytes")
        table = opened.read() if known else None
    except (pa.ArrowException, OSError) as error:
        raise Unsound(f"is damaged: {' '.join(str(error).split()).rstrip('.')}") from None
    if table is None:
        raise Unsound("was not written by sweepjax")
    told = {key.decode().removeprefix("sweepjax."): text.decode() for key, text in footer.items()}
    chunk = _chunk(file, family, told)
    _check_rows(chunk, told, table)
    return Copy(chunk, table, content)


def _content(file: Path) -> bytes | None:
    """Read a file that others may be replacing: on a network disk it can seem to be gone for a moment."""
    for wait in WAITS:
        time.sleep(wait)
        try:
            return paths.content(file)
        except OSError as error:
            if not (isinstance(error, FileNotFoundError) or error.errno == errno.ESTALE):
                raise
    return None


def _chunk(file: Path, family: Family | None, told: dict[str, str]) -> Chunk:
    """Return the chunk that a whole file of ours holds."""
    if told["chunk"] != file.stem:
        raise Unsound(f"was written under another name, {told['chunk']}.parquet")
    if family is None:
        raise Unsound("belongs to another sweep")
    if told.get("format") != str(FORMAT):
        cause = f"is of format {told.get('format')}, and this version of sweepjax knows {FORMAT}"
        raise Unsound(cause, replaceable=False)
    start, stop = told.get("start", ""), told.get("stop", "")
    if not (start.isdecimal() and stop.isdecimal() and int(start) < int(stop)):
        raise Unsound("has a footer that does not say which rows it holds")
    return Chunk(family, int(start), int(stop))


def _check_rows(chunk: Chunk, told: dict[str, str], table: pa.Table) -> None:
    """Refuse rows that are not those of the chunk, as far as labels tell."""
    if table.num_rows != chunk.rows:
        raise Unsound(f"has {table.num_rows} rows where its footer says {chunk.rows}")
    if not is_origin(told, chunk):
        raise Unsound("has a footer that describes other tasks than the plan")
    for name, values in labels(chunk).items():
        if name not in table.column_names or not table[name].combine_chunks().equals(arrow(values)):
            raise Unsound(f"has other values of {name} than the plan for rows {chunk.start} to {chunk.stop - 1}")


def fits(chunk: Chunk, chunk_rows: int) -> bool:
    """Whether a chunk is one of those the plan is cut into, or the beginning of one."""
    return chunk.start % chunk_rows == 0 and chunk.rows <= chunk_rows


def _odd(schemas: dict[Path, pa.Schema]) -> list[Fault]:
    """Blame the files whose columns are not those of most files."""
    counts = Counter(schemas.values())
    if len(counts) < 2:
        return []
    usual = counts.most_common(1)[0][0]
    return [Fault(file, _other_columns(own, usual), True) for file, own in schemas.items() if own != usual]


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
    return max(0, min(chunk.stop, len(chunk.family.tasks) * sweep.realizations) - chunk.start)


def _without(held: dict[Path, Chunk], faults: list[Fault]) -> dict[Path, Chunk]:
    blamed = {fault.file for fault in faults}
    return {file: chunk for file, chunk in held.items() if file not in blamed}
