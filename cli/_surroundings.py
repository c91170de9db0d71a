"""What a process is given by whoever starts it, made so that no command has to think of it."""

import codecs
import io
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

ESCAPED = "sweepjax-escaped"


def settle() -> None:
    """Open the streams that are missing, have them take any character, and let figures need no window."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        _open(number, name)
    codecs.register_error(ESCAPED, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # others, as of a notebook, take any character
            stream.reconfigure(errors=ESCAPED)
    # A notebook has its own, which need not be installed here. A home that cannot be written to is no news either.
    os.environ["MPLBACKEND"] = "agg"
    # A cache of compiled programs that cannot be read or written costs time and nothing else.
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _open(number: int, name: str) -> None:
    """Connect a stream that is closed with nothing.

    Otherwise the next file would be opened as this stream, and hold whatever is written to it.
    """
    try:
        os.fstat(number)
    except OSError:
        # The system hands out the lowest number that is free. Processes that this one starts have it, too.
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if getattr(sys, name) is None:
        setattr(sys, name, Path(os.devnull).open("w" if number else "r"))  # noqa: SIM115  as long as the process


def _escaped(error: Any) -> tuple[str | bytes, int]:
    """Write a character that an encoding lacks as an escape, and bytes of a file's name as they are."""
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), error.start + 1
    written, _ = codecs.backslashreplace_errors(error)
    return written, error.end
