"""A file of this machine that is put whole and lasts, as far as its file system can promise it."""

import errno
import os
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sweepjax.store import paths
from sweepjax.store.leftovers import temporary

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None

# NFS, SMB and FUSE answer in one of these ways where they do not know a call, which says nothing of the data. Some
# systems do not open directories at all. Any other answer, such as EIO, means that data are lost.
UNKNOWN = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY)
UNKNOWN_OF_DIRECTORIES = (*UNKNOWN, errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF)


def save(path: Path, content: bytes, seen: str) -> None:
    """Make `content` the file `path`, durably; at every moment the old file or the new one is there.

    Raises:
        Overtaken: the file is no longer as it was `seen`.
    """
    partial = temporary(path)
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
