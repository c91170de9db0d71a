"""A chunk file as it was read at one moment, once every byte and label of it is right."""

import errno
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sweepjax.columns import labels
from sweepjax.store import paths
from sweepjax.store.chunkfile import arrow, in_memory, intact
from sweepjax.store.earlier import saying
from sweepjax.store.footers import FORMAT, Described, described, is_origin
from sweepjax.types import Chunk, Family

WAITS = (0.0, 0.1, 1.0)  # seconds before each look at a file that seems to be gone
UNPLANNED = Family(())  # stands for whatever family a footer describes


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
    source: str  # the code of its plug-ins from outside
    device: str  # the kind that computed it


def read_copy(file: Path, family: Family | None) -> Copy | None:
    """Return what a file holds, once every byte and label is found to be right; None if the file is gone.

    Raises:
        Unsound: something is not right.
    """
    content = _content(file)
    if content is None:
        return None
    try:
        opened = pq.ParquetFile(in_memory(content), page_checksum_verification=True)
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
    planned = None if isinstance(chunk.family, Described) else chunk.family
    said = pa.Table.from_arrays(table.columns, schema=saying(table.schema, footer, planned))
    return Copy(chunk, said, content, told.get("source", ""), told.get("device", ""))


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
    return Chunk(_described(told) if family is UNPLANNED else family, int(start), int(stop))


def _described(told: dict[str, str]) -> Described:
    try:
        return described(told)
    except ValueError:
        raise Unsound("has a footer that describes other tasks than its name stands for") from None


def _check_rows(chunk: Chunk, told: dict[str, str], table: pa.Table) -> None:
    """Refuse rows that are not those of the chunk, as far as labels tell."""
    if table.num_rows != chunk.rows:
        raise Unsound(f"has {table.num_rows} rows where its footer says {chunk.rows}")
    if isinstance(chunk.family, Described):
        return
    if not is_origin(told, chunk):
        raise Unsound("has a footer that describes other tasks than the plan")
    for name, values in labels(chunk).items():
        if name not in table.column_names or not table[name].combine_chunks().equals(arrow(values)):
            raise Unsound(f"has other values of {name} than the plan for rows {chunk.start} to {chunk.stop - 1}")
