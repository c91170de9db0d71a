"""Where rows live: a directory of Parquet files, one a chunk, each of them whole or absent.

Every other name in the directory begins with "_", so the usual readers see finished rows only.
"""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import tomli_w

from sweepjax.chunkfile import Damaged, arrow, checksum_ok, damaged, encode, footer, foreign, metadata, put

if TYPE_CHECKING:
    import pandas as pd

    from sweepjax.types import Chunk, Columns

FORMAT = 1
RECORD = "_sweep.toml"
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
        if not (self.path / RECORD).exists():
            check_free(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            return self._recorded()
        stored = Store.open(self.path, self.sweep.from_toml)
        if stored.sweep.id != self.sweep.id:
            differences = "; ".join(self.sweep.differences(stored.sweep))
            raise Conflict(f"{self.path} holds another sweep ({differences}); choose another directory")
        chunk_files(self.path)
        resumed = replace(self, chunk_rows=stored.chunk_rows)
        if self.sweep.realizations > stored.sweep.realizations:
            return resumed._recorded()
        return replace(resumed, sweep=stored.sweep)

    @classmethod
    def open(cls, path: str | Path, parse: Callable[[str], Any]) -> Self:
        """Return the store a directory already is; `parse` makes a sweep of TOML text."""
        record = Path(path) / RECORD
        if not record.exists():
            raise ValueError(f"{path} holds no sweep ({RECORD} is missing); give a directory that `sweepjax run` made")
        text, chunk_rows, kept = _parted(record)
        sweep = parse(text)
        if kept != (FORMAT, sweep.id):
            cause = "it was edited since, or another version of sweepjax wrote it"
            raise Conflict(
                f"{record} does not describe the rows beside it: {cause}; undo that, or choose another directory"
            )
        return cls(Path(path), sweep, chunk_rows)

    def __contains__(self, chunk: "Chunk") -> bool:
        file = self.file(chunk)
        return file.exists() and footer(file).num_rows >= chunk.rows

    def file(self, chunk: "Chunk") -> Path:
        """Return where the rows of a chunk are kept; an extended chunk keeps its name."""
        return self.path / f"{_label(chunk)}.parquet"

    def write(self, chunk: "Chunk", columns: "Columns") -> None:
        """Keep the rows of a chunk, durably and all at once; a longer file stays as it is.

        Columns are arrays [r ...]; masked elements become NULL, trailing axes fixed-size lists.
        """
        table = pa.table({name: arrow(column) for name, column in columns.items()})
        if table.num_rows != chunk.rows:
            raise ValueError(f"chunk {_label(chunk)} has {chunk.rows} rows, but its columns have {table.num_rows}")
        if chunk not in self:
            put(self.file(chunk), encode(table, {**self.provenance, **_software(), **origin(chunk)}))

    def summary(self) -> Summary:
        """Count what is stored, from the footers alone."""
        files = chunk_files(self.path)
        rows, size = sum(footer(file).num_rows for file in files), sum(file.stat().st_size for file in files)
        return Summary(rows, self.sweep.rows_total, len(files), size, tuple(self.path.glob("_*.tmp")))

    def dataset(self) -> ds.FileSystemDataset:
        """Return the finished rows as a table on disk."""
        return scan([self.path])

    def _recorded(self) -> Self:
        own = {"chunk": self.chunk_rows, "store": {"format": FORMAT, "id": self.sweep.id}}
        put(self.path / RECORD, tomli_w.dumps(tomllib.loads(self.sweep.to_toml()) | own).encode())
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
        broken = [file for file in data.files if not checksum_ok(file)]
        raise damaged(broken[0], error) if broken else error from None


def scan(paths: Iterable[str | Path]) -> ds.FileSystemDataset:
    """Open directories and Parquet files of one schema as one table on disk; its rows are not read yet."""
    groups = [_readable(path) for path in dict.fromkeys(Path(path).resolve() for path in paths)]
    first, *others = [files[0] for files in groups]
    for other in others:
        if not pq.read_schema(other).equals(pq.read_schema(first)):
            raise ValueError(f"{first} and {other} have different columns; read them one at a time")
    files = [str(file) for group in groups for file in group]
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    return ds.dataset(files, format=ds.ParquetFileFormat(default_fragment_scan_options=options))


def chunk_files(path: Path) -> list[Path]:
    """List the finished chunks of a directory, by name; Parquet of any other name is foreign (Damaged)."""
    files = [file for file in _visible(path) if file.suffix == ".parquet"]
    for file in files:
        if not CHUNK_NAME.fullmatch(file.name):
            raise foreign(file)
    return files


def _readable(path: Path) -> list[Path]:
    if path.is_file():
        metadata(path)
        return [path]
    if not path.is_dir():
        raise ValueError(f"there is no {path}; give a directory that `sweepjax run` made, or a Parquet file")
    files = chunk_files(path)
    if not files:
        raise ValueError(f"{path} holds no finished rows; run its sweep first")
    for file in files:
        footer(file)
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
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if not nearest.is_dir():
        raise ValueError(f"{nearest} is a file; give a directory, new or of the same sweep")
    taken = _visible(path) if nearest == path else []
    parquet = [file.name for file in taken if file.suffix == ".parquet"]
    if parquet:
        raise Damaged(f"{path} holds Parquet files ({parquet[0]}, ...) but no {RECORD}; choose another directory")
    if taken:
        raise Conflict(f"{path} holds other files ({taken[0].name}, ...); choose an empty or a new directory")


def _visible(path: Path) -> list[Path]:
    return sorted(file for file in path.iterdir() if file.name[0] not in "._")


def _label(chunk: "Chunk") -> str:
    return f"{chunk.family.id}-{chunk.start:09d}"


def origin(chunk: "Chunk") -> dict[str, str]:
    """Return what the footer tells of where the rows belong."""
    # Imported late: it brings JAX along, and who only reads rows should not wait for that.
    from sweepjax.types import describe  # noqa: PLC0415

    family = json.dumps(_folded([describe(task) for task in chunk.family.tasks]))
    return {"chunk": _label(chunk), "start": str(chunk.start), "stop": str(chunk.stop), "family": family}


def _folded(values: list[Any]) -> Any:
    """Say once what all have in common, and under "each" what differs: a family may have 10^6 tasks."""
    if all(value == values[0] for value in values):
        return values[0]
    if not isinstance(values[0], dict):
        return {"each": values}
    return {key: _folded([value[key] for value in values]) for key in values[0]}


@cache
def _software() -> dict[str, str]:
    return {"format": str(FORMAT), "version": version("sweepjax"), "jax": version("jax"), "git": _git_state()}


def _git_state() -> str:
    root = Path(__file__).parents[1]
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    with suppress(OSError, subprocess.SubprocessError):
        if (root / ".git").exists():
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=10)
            return done.stdout.strip()
    return "unknown"
