"""Temporaries of writes: whose they are, and which nobody will finish."""

import os
import re
import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path

from sweepjax.store.paths import entries, remote, remove

HOST = socket.gethostname()
NAME = re.compile(r"_.+\.(?P<host>[^/]+)-(?P<process>\d+)-[0-9a-f]{8}\.tmp")
FORSAKEN = 3600.0  # seconds after which nobody goes on with a write


def temporary(path: Path) -> Path:
    """Return a new name beside a file, under which this process writes it."""
    return path.with_name(f"_{path.name}.{HOST}-{os.getpid()}-{secrets.token_hex(4)}.tmp")


def leftovers(directory: Path) -> list[Path]:
    """List the temporaries of writes under way or cut off."""
    return [file for file in entries(directory) if file.name[0] == "_" and file.suffix == ".tmp"]


def remove_forsaken(directory: Path) -> list[Path]:
    """Remove the temporaries of writes that were cut off, and return them."""
    if remote(directory):  # an object is there once it is whole
        return []
    found = [file for file in leftovers(directory) if _is_forsaken(file)]
    for file in found:
        with suppress(OSError):
            remove(file)
    return found


def gone(host: str, process: int) -> bool:
    """Whether a process has ended; of other hosts, and where nobody can tell, it is taken to go on."""
    if host != HOST or os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False


def _is_forsaken(file: Path) -> bool:
    own = NAME.fullmatch(file.name)
    if own and gone(own["host"], int(own["process"])):
        return True
    with suppress(OSError):
        return time.time() - file.stat().st_mtime > FORSAKEN
    return False
