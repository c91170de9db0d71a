"""Where rows live: a directory of Parquet files, here or in a bucket, one a chunk, each of them whole or absent.

Every other name in the directory begins with "_", so the usual readers see finished rows only.
"""

import math
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow.dataset as ds
import tomli_w

from sweepjax.sources import sources_of
from sweepjax.store.chunkfile import Damaged, encode, footer, put, table
from sweepjax.store.directory import (
    RECORD,
    Conflict,
    check_free,
    check_rows_have_a_record,
    chunk_files,
    nearby,
    states,
)
from sweepjax.store.footers import FORMAT, origin, software, stem
from sweepjax.store.leftovers import leftovers
from sweepjax.store.paths import AT_ONCE, Overtaken, answers, locate, remote, tag
from sweepjax.store.rounds import counted, keep_counts
from sweepjax.store.rows import scan
from sweepjax.sweep.adaptive import Adaptive, sweep_of
from sweepjax.sweep.recorded import Recorded, recorded
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk, Columns

OWN = b"sweepjax."


class Kept(NamedTuple):
    """What a record says of the rows beside it; rows of earlier versions do not say how many points they are of."""

    format: int
    id: str
    points: int
    columns: tuple[str, ...] = ()  # a choice that `merge --column` has kept beside the labels; none: all


class Summary(NamedTuple):
    """What a directory holds and is meant to hold; leftovers are temporaries of writes under way or cut off."""

    rows: int
    planned: int
    files: int
    bytes: int
    leftovers: tuple[Path, ...]
    sources: Mapping[str, int]  # how many files are of which code of plug-ins from outside
    lanes: Mapping[str, int]  # how many files were computed by so many lanes side by side
    under_way: int  # chunks whose state is kept
    lane_efficiency: float  # the share of the lanes' steps in which a row went on; 1 of single lanes, nan if unknown


@dataclass(frozen=True)
class Store:
    """The rows of one sweep in one directory; `provenance` is what the footers say of the machine."""

    path: Path
    sweep: Sweep
    chunk_rows: int
    provenance: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()  # kept beside the labels; none: all

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
            return self._record(seen)
        stored = Store.open(self.path)
        if stored.sweep.id != self.sweep.id:
            differences = "; ".join(self.sweep.differences(stored.sweep))
            raise Conflict(f"{self.path} holds another sweep ({differences}); choose another directory")
        if stored.columns != self.columns:
            raise Conflict(f"{self.path} keeps {choice(stored.columns)}; {_way(stored.columns)}")
        chunk_files(self.path)
        resumed = replace(self, chunk_rows=stored.chunk_rows)
        if self.sweep.realizations > stored.sweep.realizations:
            return resumed._record(seen)
        self._keep_counts()
        return replace(resumed, sweep=counted(self.path, stored.sweep))

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Return the store of a directory that holds a sweep already.

        Its plug-ins need not be at hand; then the sweep is `Recorded`.
        """
        path = locate(path)
        record = path / RECORD
        if not record.exists():
            check_rows_have_a_record(path)
            raise ValueError(f"{path} holds no sweep ({RECORD} is missing); {nearby(path)}")
        table, chunk_rows, kept = _contents(record)
        try:
            sweep = counted(path, sweep_of(table))
        except ValueError as error:
            sweep = recorded(table, error, kept=kept.id, count=kept.points)
        if kept[:2] != (FORMAT, sweep.id):
            cause = "it was edited since, or another version of sweepjax wrote it"
            raise Conflict(
                f"{record} does not describe the rows beside it: {cause}; undo that, or choose another directory"
            )
        return cls(path, sweep, chunk_rows, columns=kept.columns)

    @property
    def unplugged(self) -> str:
        """Why the sweep's plug-ins cannot be used here; nothing if they can."""
        return self.sweep.reason if isinstance(self.sweep, Recorded) else ""

    @property
    def source(self) -> str:
        """The present code of the sweep's plug-ins, as `sources_of` says it; nothing where they cannot be used."""
        return "" if self.unplugged else sources_of(next(self.sweep.tasks()))

    def __contains__(self, chunk: Chunk) -> bool:
        file = self.file(chunk)
        return file.exists() and footer(file).num_rows >= chunk.rows

    def missing(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the chunks that are not stored."""
        chunks = iter(chunks)
        while several := list(islice(chunks, AT_ONCE)):
            held = answers(self.__contains__, several, self.path)
            yield from (chunk for chunk, stored in zip(several, held, strict=True) if not stored)

    def file(self, chunk: Chunk) -> Path:
        """Return where the rows of a chunk are kept; an extended chunk keeps its name."""
        return self.path / f"{stem(chunk)}.parquet"

    def write(self, chunk: Chunk, columns: Columns) -> None:
        """Keep the rows of a chunk, durably and all at once; a longer file stays as it is.

        Columns are arrays [r ...]; masked elements become NULL, trailing axes fixed-size lists.
        """
        rows = table(columns)
        if rows.num_rows != chunk.rows:
            raise ValueError(f"chunk {stem(chunk)} has {chunk.rows} rows, but its columns have {rows.num_rows}")
        seen = tag(self.file(chunk))
        if seen and chunk in self:
            return
        try:
            put(self.file(chunk), encode(rows, {**self.provenance, **software(), **origin(chunk)}), seen)
        except Overtaken:
            self.write(chunk, columns)

    def summary(self) -> Summary:
        """Count what is stored, from the footers alone."""
        files = chunk_files(self.path)
        held = list(answers(_held, files, self.path))
        rows, size = (sum(each[k] for each in held) for k in range(2))
        told = [entries for _, _, entries in held]
        taken, served = (sum(int(each.get(f"lane_steps_{name}", 0)) for each in told) for name in ("taken", "served"))
        lanes = Counter(each["lanes"] for each in told if each.get("lanes", "").isdecimal())
        temporaries = tuple(leftovers(self.path))
        efficiency = served / taken if taken else 1.0 if set(lanes) == {"1"} else math.nan
        counts = rows, self.sweep.rows_total, len(files), size
        return Summary(*counts, temporaries, _sources(told), lanes, len(states(self.path)), efficiency)

    def other_code(self) -> list[str]:
        """Return the code, other than the present one, that has computed rows of this directory."""
        if not self.source:
            return []
        told = [entries for _, _, entries in answers(_held, chunk_files(self.path), self.path)]
        return [text for text in _sources(told) if text != self.source]

    def dataset(self) -> ds.FileSystemDataset:
        """Return the finished rows as a table on disk."""
        return scan([self.path])

    def _record(self, seen: str) -> Self:
        kept = Kept(FORMAT, self.sweep.id, self.sweep.points, self.columns)
        told = {name: value for name, value in kept._asdict().items() if name != "columns" or value}
        own = {"chunk": self.chunk_rows, "store": told}
        self._keep_counts()  # first: a process that is killed between the two has told nothing yet
        try:
            put(self.path / RECORD, tomli_w.dumps(tomllib.loads(self.sweep.to_toml()) | own).encode(), seen)
        except Overtaken:
            return self.create()
        return self

    def _keep_counts(self) -> None:
        if isinstance(self.sweep, Adaptive) and self.sweep.counts:
            keep_counts(self.path, self.sweep.counts)


def _contents(record: Path) -> tuple[dict[str, Any], int, Kept]:
    """Return the sweep's table, the chunk size, and what is kept."""
    try:
        content = tomllib.loads(record.read_text(encoding="utf-8"))
        chunk_rows, own = content.pop("chunk"), content.pop("store")
        if not (type(chunk_rows) is int and chunk_rows >= 1):
            raise ValueError(f"chunk = {chunk_rows!r}, which is no whole number from 1")
        return content, chunk_rows, Kept(own["format"], own["id"], own.get("points", 0), tuple(own.get("columns", ())))
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{record} is damaged ({error}); restore it from a copy, or use another directory") from None


def choice(columns: tuple[str, ...]) -> str:
    """Say which columns a directory keeps."""
    return f"the columns {', '.join(columns)} only" if columns else "all columns"


def _way(columns: tuple[str, ...]) -> str:
    """Return what to do about a directory that keeps other columns."""
    if columns:
        return f"run into another directory, and `sweepjax merge` it with `--column {','.join(columns)}`"
    return "choose another directory"


def _held(file: Path) -> tuple[int, int, dict[str, str]]:
    """Return the rows and bytes of a chunk file, and what its footer tells."""
    found = footer(file)
    entries = (found.metadata or {}).items()
    told = {key.decode().removeprefix("sweepjax."): value.decode() for key, value in entries if key.startswith(OWN)}
    return found.num_rows, file.stat().st_size, told


def _sources(told: Iterable[Mapping[str, str]]) -> Counter[str]:
    return Counter(each["source"] for each in told if each.get("source"))
