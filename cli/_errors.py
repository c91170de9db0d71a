"""What went wrong, in one sentence on stderr, and the exit code that tells it to a script."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import typer

from sweepjax.plugins import blame
from sweepjax.store.paths import of_a_bucket

COMPLETE, FAULT, USAGE, UNFINISHED, CONFLICT, DAMAGED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SAFE = "finished rows are safe"
INTERRUPTION = f"interrupted; run the same command again, {SAFE}"
# Of `kill`, and of a cluster when time is nearly up; Windows knows the first only.
POLITE = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))


def exit_code(command: Callable[[], Any]) -> int:
    """Run a command and return the exit code; what is nobody's mistake but ours keeps its traceback."""
    heeded = [number for number in (signal.SIGINT, *POLITE) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heeded}
    try:
        code = command() or COMPLETE
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as end:  # of Typer: a completion is done, or nobody reads on
        code = end.code if isinstance(end.code, int) else FAULT
    except Exception as error:
        line = _of_a_plugin(error)
        code = USAGE if line else _code(error)
        if code is None:
            raise
        _abandon_stdout(error)
        say(line or sentence(error))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if code == INTERRUPTED:
        say(INTERRUPTION)
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, but leave at once from an import, which may turn it into an error of its own."""
    # A cluster tells every process, and its script passes it on: the second time would find us on the way out.
    for polite in POLITE:
        signal.signal(polite, signal.SIG_IGN)
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            say(INTERRUPTION)
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def say(text: str) -> None:
    """Say something on stderr."""
    note(f"sweepjax: {text}")


def note(line: str) -> None:
    """Write a line on stderr, if anybody takes it."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def sentence(error: Exception) -> str:
    """Return what went wrong and what to do, in one line."""
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{_os_text(error)}; {SAFE}, so make room and run the same command again"
    if isinstance(error, OSError) and error.errno:
        return f"{_os_text(error)}; {SAFE}, so mend that, or give another path, and run the same command again"
    if of_a_bucket(error):
        return f"{' '.join(str(error).split()).rstrip('.')}; {SAFE}"
    return " ".join(str(error).split()) or type(error).__name__


def _code(error: Exception) -> int | None:
    # Imported late: it brings pyarrow along, which only an error has to wait for.
    from sweepjax.store.chunkfile import Damaged  # noqa: PLC0415
    from sweepjax.store.directory import Conflict  # noqa: PLC0415

    kinds = {
        typer.TyperException: USAGE,
        Conflict: CONFLICT,
        Damaged: DAMAGED,
        ValueError: USAGE,
        OSError: FAULT,
        RuntimeError: FAULT,
        MemoryError: FAULT,
    }
    return next(
        (code for kind, code in kinds.items() if isinstance(error, kind)), FAULT if of_a_bucket(error) else None
    )


def _of_a_plugin(error: Exception) -> str:
    """Return where and why a plug-in of the user's went wrong; nothing if something else did."""
    from sweepjax.store.store import Conflict, Damaged  # noqa: PLC0415

    # These say themselves what is wrong, wherever they were noticed.
    own = isinstance(error, (typer.TyperException, Conflict, Damaged, OSError)) or of_a_bucket(error)
    return "" if own else blame(error)


def _usage(error: Any) -> str:
    """Return a complaint of the parser with the nearest option, and where all of them are listed."""
    context, text = getattr(error, "ctx", None), error.format_message().rstrip(".")
    near = getattr(error, "possibilities", None)
    if near:
        text = f"{error.message}; did you mean {' or '.join(near)}?"
    joint = " " if text.endswith("?") else "; "
    return f"{text}{joint}see `{context.command_path if context else 'sweepjax'} --help`"


def _os_text(error: OSError) -> str:
    return ": ".join(str(part) for part in (error.filename, error.strerror) if part)


def _abandon_stdout(error: Exception) -> None:
    """Keep Python from failing a second time at exit, where it flushes what could not be written."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
