"""Columns that were observed of finished rows: a file beside each chunk, whose name begins with "_".

Readers of sweepjax see one table; those of other programs see the chunks alone. Rows that a run has added since are
NULL until they are observed, too.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FSSpecHandler

from sweepjax.store.chunkfile import Damaged, encode, footer, in_memory, intact, metadata, put
from sweepjax.store.paths import Overtaken, content, entries, file_named, reading, remote, tag

FOREIGN = "was not written by sweepjax under this name"
NAME = re.compile(r"_(?P<column>.+)-(?P<stem>[0-9a-f]{12}-\d{9,})\.observed")


class Beside(NamedTuple):
    """A file that holds one more column of the first rows of a chunk."""

    file: Path
    column: str
    stem: str  # of the chunk

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return self._footer.num_rows

    @property
    def text(self) -> str:
        """What was observed, with its options."""
        return (self._footer.metadata or {}).get(b"sweepjax.observed", b"").decode()

    @property
    def source(self) -> str:
        """The code of plug-ins from outside that it is of; nothing if there are none."""
        return (self._footer.metadata or {}).get(b"sweepjax.source", b"").decode()

    @property
    def _footer(self) -> pq.FileMetaData:
        try:
            return metadata(self.file)
        except Damaged:
            raise _broken(self.file, "is damaged: it has no footer") from None


def _broken(file: Path, what: str) -> Damaged:
    """Return the error that says what is wrong with a file, and what to do."""
    return Damaged(f"{file} {what}; remove it, and observe it again")


def sound_rows(each: Beside) -> int:
    """Return how many rows a file holds, of which every byte is read.

    Raises:
        Damaged: it is broken, or of another chunk.
    """
    if wrong := unsound(each):
        raise _broken(each.file, wrong)
    return each.rows


def beside(directory: Path) -> list[Beside]:
    """List the observed columns of a directory, by chunk and column."""
    matches = ((file, NAME.fullmatch(file.name)) for file in entries(directory) if file.name[0] == "_")
    found = [Beside(file, match["column"], match["stem"]) for file, match in matches if match]
    return sorted(found, key=lambda each: (each.stem, each.column))


def column_file(directory: Path, column: str, stem: str) -> Path:
    """Return where a column of a chunk is kept."""
    return directory / f"_{column}-{stem}.observed"


def keep(file: Path, column: pa.Table, entries: Mapping[str, str]) -> None:
    """Keep a column of the first rows of a chunk, durably and all at once; one as long stays."""
    from sweepjax.store.footers import software  # noqa: PLC0415  whoever reads rows need not wait for JAX

    _put(file, encode(column, {**entries, **software()}), len(column))


def copy(file: Path, to: Path) -> None:
    """Copy an observed column, unless one as long is there."""
    _put(to, content(file), reading(pq.read_metadata, file).num_rows)


def _put(file: Path, data: bytes, rows: int) -> None:
    seen = tag(file)
    if seen and reading(pq.read_metadata, file).num_rows >= rows:
        return
    try:
        put(file, data, seen)
    except Overtaken:
        _put(file, data, rows)


def lacking(directory: Path, files: Iterable[Path]) -> dict[str, int]:
    """Return how many rows of these chunks each observed column lacks."""
    held: dict[str, dict[str, int]] = defaultdict(dict)
    for each in beside(directory):
        try:
            held[each.column][each.stem] = each.rows
        except Damaged:
            held[each.column][each.stem] = 0
    rows = {file.stem: footer(file).num_rows for file in files} if held else {}
    return {
        column: sum(max(0, count - own.get(stem, 0)) for stem, count in rows.items()) for column, own in held.items()
    }


def name_in(file: Path) -> str:
    """Return the name under which pyarrow opens a file, here or in a bucket."""
    return remote(file).path if remote(file) else str(file)


def of_files(files: Sequence[Path]) -> dict[str, list[Beside]]:
    """Return the columns beside each of some chunk files, by the name under which pyarrow opens it."""
    found: dict[str, list[Beside]] = {}
    for directory in dict.fromkeys(file.parent for file in files):
        groups: dict[str, list[Beside]] = defaultdict(list)
        for each in beside(directory):
            groups[each.stem].append(each)
        for file in files:
            if file.parent == directory and file.stem in groups:
                found[name_in(file)] = groups[file.stem]
    return found


class Joined(FSSpecHandler):
    """Gives pyarrow each chunk with the columns beside it, as one Parquet file that is nowhere but in memory."""

    def __init__(self, fs: object, columns: Mapping[str, list[Beside]], fields: Sequence[pa.Field]) -> None:
        super().__init__(fs)
        self.columns, self.fields = columns, fields

    def get_type_name(self) -> str:
        """Return a name for pyarrow."""
        return "sweepjax"

    def open_input_file(self, path: str) -> pa.NativeFile:
        """Fetch a chunk and its columns."""
        chunk = content(file_named(path, self.fs))
        if not self.fields:
            return in_memory(chunk)
        table = joined(_table(chunk), self.columns.get(path, []), self.fields)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="none")
        return pa.BufferReader(sink.getvalue())


def fields_of(columns: Mapping[str, list[Beside]]) -> list[pa.Field]:
    """Return the fields of some observed columns, each once."""
    found: dict[str, tuple[pa.Field, Beside]] = {}
    for each in (each for several in columns.values() for each in several):
        if each.column in found and each.file.parent == found[each.column][1].file.parent:
            continue
        field = _schema(each.file).field(each.column)
        other, first = found.setdefault(each.column, (field, each))
        if not other.equals(field):
            raise ValueError(f"{first.file} and {each.file} are columns of different types; read them one at a time")
    return [field for field, _ in found.values()]


def joined(table: pa.Table, columns: Iterable[Beside], fields: Sequence[pa.Field]) -> pa.Table:
    """Return the rows of a chunk with the columns beside it; NULL where a row was not observed."""
    own = {each.column: each for each in columns}
    for field in fields:
        values = _values(own[field.name], field, len(table)) if field.name in own else pa.nulls(len(table), field.type)
        table = table.append_column(field, values)
    return table


def _values(each: Beside, field: pa.Field, rows: int) -> pa.ChunkedArray:
    held = whole(each).column(field.name).slice(0, rows)
    missing = pa.nulls(rows - len(held), field.type)
    return pa.chunked_array([*held.chunks, missing], type=field.type)


def whole(each: Beside) -> pa.Table:
    """Return the rows of a file."""
    data = content(each.file)
    try:
        table = _table(data)
    except (pa.ArrowException, OSError) as error:
        raise _broken(each.file, f"is damaged: {error}") from None
    if (table.schema.metadata or {}).get(b"sweepjax.chunk", b"").decode() != each.stem:
        raise _broken(each.file, FOREIGN)
    return table


def _table(data: bytes) -> pa.Table:
    # In this thread: one of pyarrow's own may be waiting for it.
    return pq.ParquetFile(in_memory(data), page_checksum_verification=True).read(use_threads=False)


def _schema(file: Path) -> pa.Schema:
    try:
        return reading(pq.read_schema, file)
    except (pa.ArrowException, OSError) as error:
        raise _broken(file, f"is damaged: {error}") from None


def unsound(each: Beside) -> str:
    """Return what is wrong with a file; nothing if it is right."""
    data = content(each.file)
    try:
        metadata = pq.read_metadata(in_memory(data)).metadata or {}
        if not intact(data):
            return "is damaged: its checksum is not that of its bytes"
    except (pa.ArrowException, OSError) as error:
        return f"is damaged: {' '.join(str(error).split()).rstrip('.')}"
    if metadata.get(b"sweepjax.chunk", b"").decode() != each.stem:
        return FOREIGN
    return ""
