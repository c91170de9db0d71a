"""Where rows live: a directory of Parquet files, here or in a bucket, one a chunk, each of them whole or absent.

Every other name in the directory begins with "_", so the usual readers see finished rows only.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import tomli_w
from pyarrow.fs import PyFileSystem

from sweepjax.store.chunkfile import (
    Damaged,
    Snapshots,
    arrow,
    checksum_ok,
    damaged,
    encode,
    footer,
    foreign,
    metadata,
    put,
)
from sweepjax.store.footers import FORMAT, label, origin, software
from sweepjax.store.paths import AT_ONCE, Overtaken, each, listed, named, names, place, reading, remote, tag

if TYPE_CHECKING:
    import pandas as pd

    from sweepjax.types import Chunk, Columns

RECORD = "_sweep.toml"
BESIDE = {".csv", ".html", ".pdf", ".png", ".svg"}  # tables, pages and pictures may lie beside the rows they show
CHUNK_NAME = re.compile(r"[0-9a-f]{12}-\d{9,}\.parquet")


class Conflict(Exception):  # noqa: N818  named for what happened
    """The directory holds another sweep, or something that is no sweep."""


class Summary(NamedTuple):
    """What a directory holds and is meant to hold; leftovers are temporaries of writes under way or cut off."""

    rows: int
    planned: int
    files: int
    bytes: int
    leftovers: tuple[Path, ...]


@dataclass(frozen=True)
class Store:
    """The rows of one sweep in one directory; `provenance` is what the footers tell of the machine."""

    path: Path
    sweep: Any
    chunk_rows: int
    provenance: Mapping[str, str] = field(default_factory=dict)

    def create(self) -> Self:
        """Start the directory, or resume it: then its own chunk size holds, and the larger number of realizations.

        What is not ours is refused before anything is written: a file in the way (ValueError), foreign
        Parquet (Damaged), other files or another sweep (Conflict).
        """
        seen = tag(self.path / RECORD)
        if not seen:
            check_free(self.path)
            if not remote(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
            return self._recorded(seen)
        stored = Store.open(self.path, self.sweep.from_toml)
        if stored.sweep.id != self.sweep.id:
            differences = "; ".join(self.sweep.differences(stored.sweep))
            raise Conflict(f"{self.path} holds another sweep ({differences}); choose another directory")
        chunk_files(self.path)
        resumed = replace(self, chunk_rows=stored.chunk_rows)
        if self.sweep.realizations > stored.sweep.realizations:
            return resumed._recorded(seen)
        return replace(resumed, sweep=stored.sweep)

    @classmethod
    def open(cls, path: str | Path, parse: Callable[[str], Any]) -> Self:
        """Return the store a directory already is; `parse` makes a sweep of TOML text."""
        path = place(path)
        record = path / RECORD
        if not record.exists():
            raise ValueError(f"{path} holds no sweep ({RECORD} is missing); give a directory that `sweepjax run` made")
        text, chunk_rows, kept = _parted(record)
        sweep = parse(text)
        if kept != (FORMAT, sweep.id):
            cause = "it was edited since, or another version of sweepjax wrote it"
            raise Conflict(
                f"{record} does not describe the rows beside it: {cause}; undo that, or choose another directory"
            )
        return cls(path, sweep, chunk_rows)

    def __contains__(self, chunk: "Chunk") -> bool:
        file = self.file(chunk)
        return file.exists() and footer(file).num_rows >= chunk.rows

    def missing(self, chunks: Iterable["Chunk"]) -> Iterator["Chunk"]:
        """Yield the chunks that are not stored."""
        chunks = iter(chunks)
        while several := list(islice(chunks, AT_ONCE)):
            answers = zip(several, each(self.__contains__, several, self.path), strict=True)
            yield from (chunk for chunk, stored in answers if not stored)

    def file(self, chunk: "Chunk") -> Path:
        """Return where the rows of a chunk are kept; an extended chunk keeps its name."""
        return self.path / f"{label(chunk)}.parquet"

    def write(self, chunk: "Chunk", columns: "Columns") -> None:
        """Keep the rows of a chunk, durably and all at once; a longer file stays as it is.

        Columns are arrays [r ...]; masked elements become NULL, trailing axes fixed-size lists.
        """
        table = pa.table({name: arrow(column) for name, column in columns.items()})
        if table.num_rows != chunk.rows:
            raise ValueError(f"chunk {label(chunk)} has {chunk.rows} rows, but its columns have {table.num_rows}")
        seen = tag(self.file(chunk))
        if seen and chunk in self:
            return
        try:
            put(self.file(chunk), encode(table, {**self.provenance, **software(), **origin(chunk)}), seen)
        except Overtaken:
            self.write(chunk, columns)

    def summary(self) -> Summary:
        """Count what is stored, from the footers alone."""
        files = chunk_files(self.path)
        held = list(each(lambda file: (footer(file).num_rows, file.stat().st_size), files, self.path))
        rows, size = (sum(counts) for counts in zip(*held, strict=True)) if held else (0, 0)
        return Summary(rows, self.sweep.rows_total, len(files), size, tuple(leftovers(self.path)))

    def dataset(self) -> ds.FileSystemDataset:
        """Return the finished rows as a table on disk."""
        return scan([self.path])

    def _recorded(self, seen: str) -> Self:
        own = {"chunk": self.chunk_rows, "store": {"format": FORMAT, "id": self.sweep.id}}
        try:
            put(self.path / RECORD, tomli_w.dumps(tomllib.loads(self.sweep.to_toml()) | own).encode(), seen)
        except Overtaken:
            return self.create()
        return self


def read(path: str | Path) -> "pd.DataFrame":
    """Return the finished rows of a directory, or a Parquet file, as pandas itself would read them."""
    data = scan([path])
    with blaming(data):
        return data.to_table().to_pandas()


@contextmanager
def blaming(data: ds.FileSystemDataset) -> Iterator[None]:
    """Turn an error of reading rows into one that names the broken file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        system = getattr(getattr(data.filesystem, "handler", None), "fs", None)
        broken = [file for name in data.files if not checksum_ok(file := named(name, system))]
        raise damaged(broken[0], error) if broken else error from None


def scan(paths: Iterable[str | Path]) -> ds.FileSystemDataset:
    """Open directories and Parquet files of one schema as one table on disk; its rows are not read yet."""
    groups = [_readable(path) for path in dict.fromkeys(place(path).resolve() for path in paths)]
    first, *others = [files[0] for files in groups]
    for other in others:
        if not reading(pq.read_schema, other).equals(reading(pq.read_schema, first)):
            raise ValueError(f"{first} and {other} have different columns; read them one at a time")
    files, system = names([file for group in groups for file in group])
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    form = ds.ParquetFileFormat(default_fragment_scan_options=options)
    return ds.dataset(files, format=form, filesystem=system and PyFileSystem(Snapshots(system)))


def chunk_files(path: Path) -> list[Path]:
    """List the finished chunks of a directory, by name; Parquet of any other name is foreign (Damaged)."""
    files = parquet_files(path)
    for file in files:
        if not CHUNK_NAME.fullmatch(file.name):
            raise foreign(file)
    return files


def parquet_files(path: Path) -> list[Path]:
    """List whatever a reader of the directory takes for rows, by name."""
    return [file for file in _visible(path) if file.suffix == ".parquet"]


def leftovers(path: Path) -> list[Path]:
    """List the temporaries of writes under way or cut off."""
    return [file for file in listed(path) if file.name[0] == "_" and file.suffix == ".tmp"]


def _readable(path: Path) -> list[Path]:
    if path.is_file():
        metadata(path)
        return [path]
    if not path.is_dir():
        raise ValueError(f"there is no {path}; give a directory that `sweepjax run` made, or a Parquet file")
    files = chunk_files(path)
    if not files:
        raise ValueError(f"{path} holds no finished rows; run its sweep first")
    _ = list(each(footer, files, path))
    return files


def _parted(record: Path) -> tuple[str, int, tuple[int, str]]:
    """Return the sweep's TOML, the chunk size, and the format and identity of the rows."""
    try:
        content = tomllib.loads(record.read_text(encoding="utf-8"))
        chunk_rows, own = content.pop("chunk"), content.pop("store")
        return tomli_w.dumps(content), chunk_rows, (own["format"], own["id"])
    except (ValueError, KeyError) as error:
        raise Damaged(f"{record} is damaged ({error}); restore it from a copy, or use another directory") from None


def check_free(path: Path) -> None:
    """Refuse a place where none can be started: a file is in the way (ValueError), or in it (Conflict, Damaged)."""
    if not remote(path):
        nearest = next(place for place in (path, *path.parents) if place.exists())
        if not nearest.is_dir():
            raise ValueError(f"{nearest} is a file; give a directory, new or of the same sweep")
    taken = [file for file in _visible(path) if file.suffix not in BESIDE] if path.is_dir() else []
    parquet = [file.name for file in taken if file.suffix == ".parquet"]
    if parquet:
        raise Damaged(f"{path} holds Parquet files ({parquet[0]}, ...) but no {RECORD}; choose another directory")
    if taken:
        raise Conflict(f"{path} holds other files ({taken[0].name}, ...); choose an empty or a new directory")


def _visible(path: Path) -> list[Path]:
    return [file for file in listed(path) if file.name[0] not in "._"]
