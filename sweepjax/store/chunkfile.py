"""One Parquet file a chunk: whole or absent, readable by anyone, and every byte of it checked."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FSSpecHandler

from sweepjax.columns import Column, describing
from sweepjax.store import disk, paths

FOREIGN = "V"  # the kind of NumPy types that bfloat16 and its like have, which Arrow does not know
SEAL, NO_DIGEST = b"sweepjax-sha256:", b"0" * 64


class Damaged(Exception):  # noqa: N818  named for what happened
    """The directory holds a Parquet file that is broken or that sweepjax did not write."""


class Snapshots(FSSpecHandler):
    """Gives pyarrow each object as it is at one moment, even if it is replaced while its rows are read."""

    def open_input_file(self, path: str) -> pa.NativeFile:
        """Fetch a whole object at once."""
        return in_memory(self.fs.cat_file(path))


def in_memory(content: bytes) -> pa.BufferReader:
    """Return bytes as a file that pyarrow reads, in memory of its own.

    Its threads let go of a file when they like. Python's own bytes they cannot let go of while the interpreter ends:
    that aborts the process.
    """
    memory = pa.allocate_buffer(len(content))
    with pa.FixedSizeBufferWriter(memory) as writer:
        writer.write(content)
    return pa.BufferReader(memory)


def put(path: Path, content: bytes, seen: str) -> None:
    """Make `content` the file `path`, durably; at every moment the old file or the new one is there.

    Raises:
        Overtaken: the file is no longer as it was `seen`.
    """
    (paths.upload if paths.remote(path) else disk.save)(path, content, seen)


def checksum_ok(path: Path) -> bool:
    """Whether every byte of a chunk file is as it was written.

    The footer holds the SHA-256 of the whole file with 64 zeros instead of the digest.
    """
    return intact(paths.content(path))


def intact(content: bytes) -> bool:
    """Whether these are all the bytes of a chunk file, each as it was written."""
    head, seal, tail = content.rpartition(SEAL)
    return tail[:64] == _digest(head + seal + NO_DIGEST + tail[64:])


def encode(table: pa.Table, entries: dict[str, str]) -> bytes:
    """Return the file of a table, its footer's entries and checksum included."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(table)
        # Not among the schema's metadata, which Parquet holds twice; last, so that the seal is the last in the file.
        writer.add_key_value_metadata({f"sweepjax.{key}": text for key, text in entries.items()})
        writer.add_key_value_metadata({"sweepjax.checksum": (SEAL + NO_DIGEST).decode()})
    content = sink.getvalue().to_pybytes()
    head, seal, tail = content.rpartition(SEAL)
    return head + seal + _digest(content) + tail[64:]


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def arrow(column: Any) -> pa.Array:
    """Return a column [r ...] as Arrow: masked elements are NULL, trailing axes fixed-size lists."""
    values = np.ma.asanyarray(column)
    if values.dtype == np.float16 or values.dtype.kind == FOREIGN:
        values = values.astype(np.float32)
    mask = np.ma.getmaskarray(values)
    if values.ndim == 1:
        return pa.array(values.data, mask=mask)
    inner = arrow(values.reshape(-1, *values.shape[2:]))
    absent = mask.reshape(len(values), -1).all(axis=1)
    return pa.FixedSizeListArray.from_arrays(inner, values.shape[1], mask=pa.array(absent))


def table(columns: Mapping[str, Any]) -> pa.Table:
    """Return columns as Arrow, each with what it is; arrays [r ...] do not say."""
    arrays = {name: arrow(column.values if isinstance(column, Column) else column) for name, column in columns.items()}
    schema = [_field(name, array.type, columns[name]) for name, array in arrays.items()]
    return pa.Table.from_arrays([*arrays.values()], schema=pa.schema(schema))


def _field(name: str, kind: pa.DataType, column: Any) -> pa.Field:
    field = pa.field(name, kind)
    return describing(field, column.kind, column.tolerance) if isinstance(column, Column) else field


def footer(file: Path) -> pq.FileMetaData:
    """Return the footer of a chunk file.

    Raises:
        Damaged: broken, or not written by sweepjax under this name.
    """
    whole = metadata(file)
    if (whole.metadata or {}).get(b"sweepjax.chunk") != file.stem.encode():
        raise foreign(file)
    return whole


def metadata(file: Path) -> pq.FileMetaData:
    """Return the footer of any Parquet file.

    Raises:
        Damaged: it has none.
    """
    try:
        return paths.reading(pq.read_metadata, file)
    except (pa.ArrowException, OSError) as error:
        # A broken footer is a plain OSError without a number; any other is the file system's.
        if isinstance(error, OSError) and (error.errno or type(error) is not OSError):
            raise
        raise damaged(file, error) from None


def damaged(file: Path, error: Exception) -> Damaged:
    """Return the error that says a file is broken."""
    return Damaged(f"{file} is damaged ({error}); move it away and run the sweep again, which computes its rows anew")


def foreign(file: Path) -> Damaged:
    """Return the error that says a file is not one of sweepjax under this name."""
    return Damaged(f"{file} was not written by sweepjax under this name; move it out of the directory")
