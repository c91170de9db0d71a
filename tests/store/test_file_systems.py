"""File systems that lack what others have: a run goes on without it, and stops where data are lost."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sweepjax_cli import app
from test_store import chunk, columns, started

from sweepjax.store import disk
from sweepjax.store.chunkfile import checksum_ok
from sweepjax.store.rows import read

fsync, opened = os.fsync, os.open


def refusing(monkeypatch, code, *, directories):
    """Have the file system refuse to synchronise directories, or files, with an error."""

    def refused(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == directories:
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refused)


@pytest.mark.parametrize("name", ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EBADF", "EISDIR", "EACCES", "EPERM"])
def test_a_file_system_that_cannot_synchronise_directories_takes_a_whole_run(name, tmp_path, monkeypatch):
    refusing(monkeypatch, getattr(errno, name), directories=True)
    line = ["run", "--n", "20", "--lambda", "0.5", "--solver", "probe:Bits", "--realizations", "24", "--chunk", "8"]
    assert app([*line, "-o", str(tmp_path / "run")]) == 0
    assert len(read(tmp_path / "run")) == 24


@pytest.mark.parametrize("name", ["EINVAL", "ENOTSUP", "ENOSYS"])
def test_a_file_system_that_cannot_synchronise_files_takes_rows(name, tmp_path, monkeypatch):
    refusing(monkeypatch, getattr(errno, name), directories=False)
    started(tmp_path).write(chunk(), columns())
    assert len(read(tmp_path)) == 4


@pytest.mark.parametrize("directories", [True, False])
@pytest.mark.parametrize("name", ["EIO", "ENOSPC", "EDQUOT", "EROFS"])
def test_a_disk_that_fails_to_keep_data_is_an_error(name, directories, tmp_path, monkeypatch):
    store = started(tmp_path)
    refusing(monkeypatch, getattr(errno, name), directories=directories)
    with pytest.raises(OSError, match=os.strerror(getattr(errno, name))):
        store.write(chunk(), columns())


@pytest.mark.parametrize("name", ["EACCES", "EISDIR", "EINVAL"])
def test_a_system_that_opens_no_directory_takes_rows(name, tmp_path, monkeypatch):
    def refused(path, *arguments, **options):
        if Path(path).is_dir():
            raise OSError(getattr(errno, name), "refused")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refused)
    started(tmp_path).write(chunk(), columns())
    assert len(read(tmp_path)) == 4


@pytest.mark.parametrize("name", ["ENOLCK", "EINVAL", "ENOSYS", "EOPNOTSUPP", "EIO"])
def test_a_file_system_without_locks_takes_rows(name, tmp_path, monkeypatch):
    def refused(descriptor, operation):
        raise OSError(getattr(errno, name), "refused")

    monkeypatch.setattr("fcntl.flock", refused)
    started(tmp_path).write(chunk(), columns())
    assert len(read(tmp_path)) == 4


def test_a_rename_that_is_asked_for_twice_is_done_once(tmp_path, monkeypatch):
    replace = Path.replace

    def repeated(path, target):
        replace(path, target)
        return replace(path, target)  # as an NFS server is asked again whose answer was lost

    store = started(tmp_path)
    monkeypatch.setattr(Path, "replace", repeated)
    store.write(chunk(), columns())
    assert checksum_ok(store.file(chunk()))


def test_a_rename_that_was_never_done_is_an_error(tmp_path, monkeypatch):
    def lost(path, target):
        path.unlink()
        raise FileNotFoundError(errno.ENOENT, "lost")

    store = started(tmp_path)
    monkeypatch.setattr(Path, "replace", lost)
    with pytest.raises(FileNotFoundError, match="lost"):
        store.write(chunk(), columns())


def test_a_temporary_that_cannot_be_removed_does_not_hide_why_it_was_left(tmp_path, monkeypatch):
    def refused(path, *arguments, **options):
        raise OSError(errno.EROFS if arguments else errno.ESTALE, "full" if arguments else "stale")

    store = started(tmp_path)
    monkeypatch.setattr(Path, "replace", refused)
    monkeypatch.setattr(Path, "unlink", lambda path, **options: refused(path))
    with pytest.raises(OSError, match="full"):
        store.write(chunk(), columns())


ELSEWHERE = """\
import os, signal, sys
sys.modules["fcntl"] = None
for name in ("sched_getaffinity", "register_at_fork", "fork"):
    delattr(os, name)
for name in ("SIGUSR1", "SIGKILL"):
    delattr(signal, name)
opened = os.open
def refused(path, *arguments, **options):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied")
    return opened(path, *arguments, **options)
os.open = refused
from sweepjax_cli import app
line = ["run", "--n", "20", "--lambda", "0.5", "--realizations", "4", "-o", sys.argv[1]]
sys.exit(app(line) or app(["verify", sys.argv[1]]))
"""


@pytest.mark.slow
def test_a_system_without_locks_signals_and_forks_of_posix_computes_and_verifies(tmp_path):
    line = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "run")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("4 rows in 1 file are sound; faulty files: 0\n")


def test_where_there_are_locks_they_are_taken(tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr("fcntl.flock", lambda descriptor, operation: taken.append(operation))
    started(tmp_path).write(chunk(), columns())
    assert taken == [disk.fcntl.LOCK_EX] * 2
