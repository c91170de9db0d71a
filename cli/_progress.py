"""How far a run is, on stderr: a bar on a terminal, a line every few seconds elsewhere."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Protocol

from ._errors import POLITE, say
from ._report import duration

EVERY = 5.0  # seconds between two lines
DOING = ("starting", "compiling", "computing", "waiting for workers")  # what the engine says that it does


TELLING = 0.01  # rows under way that are worth a word
SUMMED = ("taken", "served")  # of the lanes, what is told is how many more


class Progress:
    """Counts rows; those that were stored before are done but not in the rate."""

    def __init__(self, total: int, stored: int, display: "Display", pulse: Any = None) -> None:
        self.total, self.stored, self.computed, self.failed = total, stored, 0, 0
        self.told: dict[str, int] = {}  # of lanes and chunks
        self.start, self.display, self.doing = time.monotonic(), display, "starting"
        self.stopped, self.pulse = False, pulse

    def watch(self, what: str, rows: int) -> None:
        """Take note of what the engine does; stop here if that was asked for."""
        if self.stopped:
            raise KeyboardInterrupt
        if what in DOING:
            self.doing = what
        elif what == "rows":
            self.doing, self.computed = "computing", min(self.computed + rows, self.total - self.stored)
        else:
            self.told[what] = rows + (self.told.get(what, 0) if what in SUMMED else 0)
        self.display.update(self)
        if self.pulse:
            counts = {name: self.told.get(name, 0) for name in ("chunks", "taken", "served")}
            self.pulse.tell(doing=self.doing, computed=self.computed, along=self.along, seconds=self.seconds, **counts)

    def stop(self, number: int, frame: Any) -> None:
        """Interrupt, now and at the next look: an exception in a signal handler may get lost in a callback."""
        # A cluster asks more than once, and the second time would find us cleaning up.
        if self.stopped and number in POLITE:
            return
        self.stopped = True
        raise KeyboardInterrupt

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.start

    @property
    def along(self) -> float:
        """How far the rows under way are, in rows."""
        return min(self.told.get("along", 0) / 1000, self.total - self.stored - self.computed)

    @property
    def rate(self) -> float:
        """Rows computed per second, compiling included; those under way count by how far they are."""
        return (self.computed + self.along) / max(self.seconds, 1e-9)

    def texts(self) -> tuple[str, ...]:
        """Return what is shown: rows done, rate, time left."""
        done = self.stored + self.computed
        left = duration((self.total - done - self.along) / self.rate) if self.rate else "?"
        under = f" (and {self.along:.3g} of those under way)" if self.along >= TELLING else ""
        return self.doing, f"{done}/{self.total} rows{under}", f"{self.rate:.3g} rows/s", f"ETA {left}"


class Display(Protocol):
    """Something that shows a progress."""

    def update(self, progress: Progress) -> None:
        """Show how far it is."""
        ...


class Lines:
    """A line now and then, whichever device it is that says something."""

    def __init__(self) -> None:
        self.next, self.lock = time.monotonic(), Lock()

    def update(self, progress: Progress) -> None:
        """Write a line if the last one is old."""
        with self.lock:
            if time.monotonic() < self.next:
                return
            self.next = time.monotonic() + EVERY
        say(", ".join(progress.texts()))


class Bar:
    """A bar that rich keeps alive."""

    def __init__(self, bar: Any, task: Any) -> None:
        self.bar, self.task = bar, task

    def update(self, progress: Progress) -> None:
        """Move the bar."""
        doing, rows, rate, left = progress.texts()
        self.bar.update(
            self.task, completed=progress.stored + progress.computed, doing=doing, rows=rows, rate=rate, left=left
        )


@contextmanager
def progress(total: int, stored: int, pulse: Any = None) -> Iterator[Progress]:
    """Show the progress of a run, and tell its pulse; Ctrl-C and a polite `kill` both interrupt it."""
    with _display(total, stored) as display:
        shown = Progress(total, stored, display, pulse)
        # A shell that starts a job in the background of a script has it ignore SIGINT, and so it should.
        heeded = [each for each in (signal.SIGINT, *POLITE) if signal.getsignal(each) != signal.SIG_IGN]
        before = {number: signal.signal(number, shown.stop) for number in heeded}
        try:
            yield shown
        finally:
            if pulse:
                pulse.end()
            for number, handler in before.items():
                if not (shown.stopped and number in POLITE):
                    signal.signal(number, handler)


@contextmanager
def _display(total: int, stored: int) -> Iterator[Display]:
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    words = [TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in ("doing", "rows", "rate", "left")]
    columns = (words[0], BarColumn(), *words[1:], TimeElapsedColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        fields: dict[str, Any] = {"doing": "starting", "rows": f"{stored}/{total} rows", "rate": "", "left": ""}
        yield Bar(bar, bar.add_task("", total=total, completed=stored, **fields))
