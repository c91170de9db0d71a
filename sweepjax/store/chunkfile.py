"""One Parquet file a chunk: whole or absent, readable by anyone, and every byte of it checked."""

import errno
import hashlib
import os
import secrets
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FSSpecHandler

from sweepjax.columns import Column, describing
from sweepjax.store import paths

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None

# NFS, SMB and FUSE answer in one of these ways where they do not know a call, which says nothing of the data. Some
# systems do not open directories at all. Any other answer, such as EIO, means that data are lost.
UNKNOWN = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY)
UNKNOWN_OF_DIRECTORIES = (*UNKNOWN, errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF)
FOREIGN = "V"  # the kind of NumPy types that bfloat16 and its like have, which Arrow does not know
SEAL, NO_DIGEST = b"sweepjax-sha256:", b"0" * 64


class Damaged(Exception):  # noqa: N818  named for what happened
    """The directory holds a Parquet file that is broken or not ours."""


class Snapshots(FSSpecHandler):
    """Gives pyarrow each object as it is at one moment, even if it is replaced while its rows are read."""

    def open_input_file(self, path: str) -> pa.NativeFile:
        """Fetch a whole object at once."""
        return pa.BufferReader(self.fs.cat_file(path))


def put(path: Path, content: bytes, seen: str) -> None:
    """Make `content` the file `path`, durably; at every moment the old file or the new one is there.

    Raises:
        Overtaken: the file is no longer as it was `seen`.
    """
    if paths.remote(path):
        paths.put(path, content, seen)
        return
    partial = path.with_name(f"_{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            _sync(file.fileno(), UNKNOWN)
        with _alone(path.parent):
            if paths.tag(path) != seen:
                raise paths.Overtaken
            _rename(partial, path)
    finally:
        with suppress(OSError):  # what went wrong before is the news
            partial.unlink(missing_ok=True)
    _sync_names(path.parent)


def _rename(partial: Path, path: Path) -> None:
    """Put a file in the place of another.

    A server of NFS whose answer is lost is asked a second time, and then knows the old name no more.
    """
    mine = paths.tag(partial)
    try:
        partial.replace(path)
    except FileNotFoundError:
        if not mine or paths.tag(path) != mine:
            raise


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let one process at a time in, where the system has locks."""
    with _descriptor(directory) as descriptor:
        if fcntl and descriptor is not None:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _sync_names(directory: Path) -> None:
    """Have the names in a directory outlast a loss of power, where the system lets one ask for it."""
    with _descriptor(directory) as descriptor:
        if descriptor is not None:
            _sync(descriptor, UNKNOWN_OF_DIRECTORIES)


def _sync(descriptor: int, unknown: Container[int | None]) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in unknown:
            raise


@contextmanager
def _descriptor(directory: Path) -> Iterator[int | None]:
    """Open a directory; None where the system does not let one."""
    descriptor = None
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as error:
        if error.errno not in UNKNOWN_OF_DIRECTORIES:
            raise
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)


def checksum_ok(path: Path) -> bool:
    """Whether every byte of a chunk file is as it was written.

    The footer holds the SHA-256 of the whole file with 64 zeros in the digest's place.
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
    found = metadata(file)
    if (found.metadata or {}).get(b"sweepjax.chunk") != file.stem.encode():
        raise foreign(file)
    return found


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
    """Return the error that says a file is not ours."""
    return Damaged(f"{file} was not written by sweepjax under this name; move it out of the directory")
