"""Runs of one sweep to a small one that is worth keeping: a choice of columns, in files of many rows."""

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from sweepjax.columns import LABEL, kind_of
from sweepjax.store.beside import Beside, fields_of, joined, name_in, of_files, sound_rows
from sweepjax.store.chunkfile import encode, footer, put
from sweepjax.store.copies import Copy
from sweepjax.store.directory import RECORD, Conflict, check_free, parquet_files
from sweepjax.store.footers import AND, FORMAT, origin
from sweepjax.store.merge import opened, sound_copy, widest
from sweepjax.store.paths import Overtaken, locate, tag
from sweepjax.store.same_rows import differences
from sweepjax.store.store import OWN, Store
from sweepjax.store.verify import planned_files
from sweepjax.types import Chunk, Family

PLACE = ("chunk", "start", "stop", "family", "tasks", "checksum", "lane_steps_taken", "lane_steps_served")


class Piece(NamedTuple):
    """Some rows of a family that follow each other, and what their footer says of how they were computed."""

    file: Path
    start: int
    rows: pa.Table
    told: Mapping[str, str]

    @property
    def stop(self) -> int:
        """The row after the last."""
        return self.start + self.rows.num_rows


def thin(
    sources: Sequence[str | Path], out: str | Path, *, columns: Collection[str], chunk_rows: int = 0
) -> tuple[Store, int]:
    """Keep only some columns of the rows of runs of one sweep, beside the labels.

    Numbers are kept in single precision. Sources may be cut differently, and `out` may hold earlier rows. A row is
    kept once all rows before it in its chunk are there. Returned are the store of `out`, and how many rows are not
    kept since they wait for others.

    Raises:
        ValueError: no rows have such a column.
        Conflict: different sweeps, other columns in `out`, or numbers of one row that are not the same.
        Damaged: a source has a file that is not sound.
    """
    out, paths = locate(out), [locate(path) for path in sources]
    if not (out / RECORD).exists():
        check_free(out)
    stores = opened([*paths, *([out] if (out / RECORD).exists() else [])], alike=False)
    first = widest(stores)
    files = [file for store in stores for file in parquet_files(store.path)]
    families = list(_pieces(first, files, sorted(columns)))
    target = replace(first, path=out, chunk_rows=chunk_rows or first.chunk_rows, columns=tuple(sorted(columns)))
    target, waiting = target.create(), 0
    for family, pieces in families:
        waiting += sum(piece.rows.num_rows for piece in pieces)
        for chunk, parts in _cut(family, pieces, target.chunk_rows):
            waiting -= chunk.rows
            _keep(target, chunk, parts)
    return target, waiting


def _pieces(first: Store, files: list[Path], columns: Sequence[str]) -> Iterator[tuple[Family, list[Piece]]]:
    """Yield the rows of each family, in their order and each once."""
    found: dict[str, tuple[Family, list[Piece]]] = {}
    observed = of_files(files)
    for family, file in planned_files(first.sweep, files):
        copy = sound_copy(file, family)
        if copy:
            own = [each for each in observed.get(name_in(file), []) if each.column in columns]
            piece = _piece(file, copy, own, columns)
            found.setdefault(copy.chunk.family.id, (copy.chunk.family, []))[1].append(piece)
    for family, pieces in found.values():
        yield family, _once(sorted(pieces, key=lambda piece: (piece.start, -piece.stop, str(piece.file))))


def _piece(file: Path, copy: Copy, observed: Sequence[Beside], columns: Sequence[str]) -> Piece:
    for each in observed:
        if sound_rows(each) < copy.chunk.rows:
            again = f"`sweepjax observe {shlex.quote(str(file.parent))} {shlex.quote(each.text)}` goes on with them"
            raise ValueError(f"{each.file} lacks {copy.chunk.rows - each.rows} rows of its chunk; {again}")
    table = joined(copy.table, observed, fields_of({"": list(observed)}))
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        names = f"choose of: {', '.join(table.column_names)}; or observe it first"
        raise ValueError(f"{file} has no column {missing[0]}; {names}")
    fields = [field for field in table.schema if kind_of(field) == LABEL or field.name in columns]
    single = pa.schema([field if kind_of(field) == LABEL else _single(field) for field in fields])
    told = {key.decode(): text.decode() for key, text in (footer(file).metadata or {}).items() if key.startswith(OWN)}
    own = {key.removeprefix(OWN.decode()): text for key, text in told.items()}
    if observed:
        own["observed"] = AND.join(sorted(each.text for each in observed))
    return Piece(file, copy.chunk.start, table.select(single.names).cast(single), own)


def _single(field: pa.Field) -> pa.Field:
    """Return a field of single precision where it is of double."""
    kind = field.type
    if pa.types.is_fixed_size_list(kind):
        return field.with_type(pa.list_(_single(pa.field("item", kind.value_type)).type, kind.list_size))
    return field.with_type(pa.float32()) if pa.types.is_float64(kind) else field


def _once(pieces: list[Piece]) -> list[Piece]:
    """Drop rows that an earlier piece has, once they are seen to be the same."""
    kept: list[Piece] = []
    for piece in pieces:
        last = kept[-1] if kept else None
        if last and piece.start < last.stop:
            shared = min(last.stop, piece.stop) - piece.start
            _compare(piece, last, shared)
            piece = Piece(piece.file, piece.start + shared, piece.rows.slice(shared), piece.told)  # noqa: PLW2901
        if piece.rows.num_rows:
            kept.append(piece)
    return kept


def _compare(piece: Piece, last: Piece, shared: int) -> None:
    mine, others = piece.rows.slice(0, shared), last.rows.slice(piece.start - last.start, shared)
    unlike = piece.told.get("device") != last.told.get("device")
    for found in differences(mine, others, unlike=unlike):
        row = f"row {piece.start + found.row}"
        values = f"{found.one} in {piece.file} and {found.other} in {last.file}"
        raise Conflict(f"{found.column} of {row} is {values}; `sweepjax verify DIR --recheck` tells which is right")


def _cut(family: Family, pieces: list[Piece], size: int) -> Iterator[tuple[Chunk, list[Piece]]]:
    """Yield chunks of at most `size` rows with the pieces they are made of; a chunk ends where a row is missing."""
    groups: dict[int, list[Piece]] = defaultdict(list)
    for piece in pieces:
        for start in range(piece.start // size * size, piece.stop, size):
            low, high = max(piece.start, start), min(piece.stop, start + size)
            held = groups[start]
            if low == (held[-1].stop if held else start):
                held.append(Piece(piece.file, low, piece.rows.slice(low - piece.start, high - low), piece.told))
    for start, held in groups.items():
        if held:
            yield Chunk(family, start, held[-1].stop), held


def _keep(target: Store, chunk: Chunk, parts: list[Piece]) -> None:
    """Write a chunk, unless as long a one is there, or another process puts it meanwhile."""
    file = target.file(chunk)
    seen = tag(file)
    if seen and chunk in target:
        return
    told: dict[str, dict[str, None]] = defaultdict(dict)
    for part in parts:
        for key, text in part.told.items():
            told[key] |= dict.fromkeys(text.split(AND))
    together = {key: AND.join(sorted(texts)) for key, texts in told.items() if key not in PLACE}
    rows = pa.concat_tables([part.rows for part in parts]).combine_chunks()
    entries = {**together, "format": str(FORMAT), "columns": ",".join(target.columns), **origin(chunk)}
    try:
        put(file, encode(rows, dict(sorted(entries.items()))), seen)
    except Overtaken:
        _keep(target, chunk, parts)
