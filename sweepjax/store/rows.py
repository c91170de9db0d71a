"""Finished rows, of directories and of single files, as a table; nothing here waits for JAX."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import PyFileSystem

from sweepjax.store.beside import Joined, fields_of, of_files
from sweepjax.store.chunkfile import Snapshots, checksum_ok, damaged, footer, metadata
from sweepjax.store.directory import chunk_files
from sweepjax.store.earlier import saying
from sweepjax.store.paths import answers, file_named, locate, names, reading

if TYPE_CHECKING:
    import pandas as pd


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
        broken = [file for name in data.files if not checksum_ok(file := file_named(name, system))]
        raise damaged(broken[0], error) if broken else error from None


def scan(paths: Iterable[str | Path]) -> ds.FileSystemDataset:
    """Open directories and Parquet files of one schema as one table on disk; its rows are not read yet."""
    groups = [_readable(path) for path in dict.fromkeys(locate(path).resolve() for path in paths)]
    first, *others = [files[0] for files in groups]
    for other in others:
        if not reading(pq.read_schema, other).equals(reading(pq.read_schema, first)):
            raise ValueError(f"{first} and {other} have different columns; read them one at a time")
    schema = saying(reading(pq.read_schema, first), metadata(first).metadata or {})
    every = [file for group in groups for file in group]
    files, system = names(every)
    columns = of_files(every)
    if columns:
        fields = fields_of(columns)
        handler = Joined(system, columns, fields)
        schema = pa.schema([*schema, *fields], metadata=schema.metadata)
    else:
        handler = Snapshots(system) if system else None
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    form = ds.ParquetFileFormat(default_fragment_scan_options=options)
    return ds.dataset(files, schema, format=form, filesystem=handler and PyFileSystem(handler))


def _readable(path: Path) -> list[Path]:
    if path.is_file():
        metadata(path)
        return [path]
    if not path.is_dir():
        raise ValueError(f"there is no {path}; give a directory that `sweepjax run` made, or a Parquet file")
    files = chunk_files(path)
    if not files:
        raise ValueError(f"{path} holds no finished rows; run its sweep first")
    _ = list(answers(footer, files, path))
    return files
