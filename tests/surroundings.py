"""Streams and variables that whoever starts a command may leave it with."""

import contextlib
import errno
import io
import os
import sys
from unittest.mock import patch

OPEN, CLOSED, UNREAD, FULL = "utf-8", "closed", "unread", "full"
STREAMS = (OPEN, CLOSED, UNREAD, FULL, "latin-1", "ascii")
SILENT = (CLOSED, UNREAD, FULL)  # nobody sees what is written
ERRORS = {UNREAD: BrokenPipeError(errno.EPIPE, "Broken pipe"), FULL: OSError(errno.ENOSPC, "No space left on device")}
ENVIRONMENTS = (
    {},
    {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "MPLCONFIGDIR": "/proc/none"},
    {"COLUMNS": "0", "LINES": "0", "TERM": "dumb", "NO_COLOR": "1"},
    {"COLUMNS": "1", "TERM": "nonsense", "FORCE_COLOR": "1"},
    {"HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none", "TMPDIR": "/nowhere"},
    {"HOME": "", "XDG_CACHE_HOME": "", "LC_ALL": "C", "LC_NUMERIC": "de_DE.UTF-8", "LANG": "nonsense"},
)


class Sink(io.BytesIO):
    """What a stream leads to; it takes nothing if nobody reads it, or if it is full."""

    def __init__(self, kind):
        super().__init__()
        self.error = ERRORS.get(kind)

    def write(self, content):
        if self.error:
            raise self.error
        return super().write(content)


def stream(kind, errors):
    """A stream as a process has it; none if it is closed."""
    encoding = OPEN if kind in SILENT else kind
    return None if kind == CLOSED else io.TextIOWrapper(Sink(kind), encoding=encoding, errors=errors)


def lines(written):
    """What was written to a stream, in lines; the next try of what it did not take would end the test."""
    if written is None:
        return []
    written.buffer.error = None
    written.flush()
    # Typer takes ASCII for a mistake of the environment and writes UTF-8.
    codec = "utf-8" if written.encoding == "ascii" else written.encoding
    return written.buffer.getvalue().decode(codec).splitlines()


@contextlib.contextmanager
def surrounded(out, err, variables):
    """Start what is inside with these streams and variables; yield the streams."""
    streams = stream(out, "strict"), stream(err, "backslashreplace")
    with (
        patch.dict(os.environ, variables),
        patch.object(sys, "stdout", streams[0]),
        patch.object(sys, "stderr", streams[1]),
    ):
        yield streams
        for each, given in zip((sys.stdout, sys.stderr), streams, strict=True):
            if given is None:
                each.close()
