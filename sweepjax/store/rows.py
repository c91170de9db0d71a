"""Finished rows, of directories and of single files, as a table; nothing here waits for JAX."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import PyFileSystem

from sweepjax.store.beside import Joined, fields_of, of_files
from sweepjax.store.chunkfile import Snapshots, checksum_ok, damaged, footer, metadata
from sweepjax.store.directory import RECORD, chunk_files, nearby
from sweepjax.store.earlier import saying
from sweepjax.store.paths import answers, file_named, locate, names, reading
from sweepjax.store.schemas import Form, grouped

if TYPE_CHECKING:
    import pandas as pd


def read(path: str | Path) -> "pd.DataFrame":
    """Return the finished rows of a directory, or a Parquet file, as pandas itself would read them.

    Raises:
        ValueError: there is no such directory or file, or no finished row in it.
        Damaged: a file is broken, or is none of ours.
    """
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
    """Open directories and Parquet files as one table on disk; its rows are not read yet.

    They have the same columns, or lack only what their version of a solver did not measure, which is then NULL.
    """
    groups = [_readable(path) for path in dict.fromkeys(locate(path).resolve() for path in paths)]
    forms = [_form(files[0]) for files in groups]
    (form, first), *others = grouped(forms)
    if others:
        one, other = (groups[places[0]][0] for places in (first, others[0][1]))
        raise ValueError(f"{one} and {other} have different columns; read them one at a time")
    schema = form.schema
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


def alike(paths: Sequence[Path]) -> list[list[Path]]:
    """Return the directories and files that `scan` opens as one table together."""
    found = grouped([_form(_readable(locate(path).resolve())[0]) for path in paths])
    return [[paths[place] for place in places] for _, places in found]


def _form(file: Path) -> Form:
    """Return the form of a file, with what its columns are."""
    told = metadata(file).metadata or {}
    return Form.of(saying(reading(pq.read_schema, file), told), told)


def _readable(path: Path) -> list[Path]:
    if path.is_file():
        metadata(path)
        return [path]
    if not path.is_dir():
        raise ValueError(f"there is no {path}; give a directory that `sweepjax run` made, or a Parquet file")
    files = chunk_files(path)
    if not files:
        way = "run its sweep first" if (path / RECORD).exists() else nearby(path)
        raise ValueError(f"{path} holds no finished rows; {way}")
    _ = list(answers(footer, files, path))
    return files
