"""The directory of a sweep, filled under everybody's eyes."""

from pathlib import Path
from typing import TYPE_CHECKING

from ._errors import COMPLETE, UNFINISHED, say
from ._how import How
from ._progress import Progress, progress
from ._report import counted, duration, uncertified

if TYPE_CHECKING:
    from sweepjax.executors import Failed
    from sweepjax.run import Part
    from sweepjax.store.store import Store
    from sweepjax.sweep.sweep import Sweep
    from sweepjax.types import Chunk

APART = "`sweepjax verify` refuses rows of both in one place, so give another -o to keep them apart"


def opened(sweep: "Sweep", how: How, directory: Path) -> "Store":
    """Start or resume the directory of a sweep."""
    from sweepjax.executors.local import Local  # noqa: PLC0415
    from sweepjax.run import open_store  # noqa: PLC0415

    chunk = how.chunk or (how.target.chunk_rows(sweep) if how.target else 0)
    store = open_store(sweep, directory, chunk_rows=chunk, engine=how.engine if how.execute == Local() else None)
    for code in store.other_code():
        say(f"{store.path} holds rows of other code ({code}, now {store.source}); {APART}")
    if how.chunk not in (0, store.chunk_rows):
        say(f"{store.path} keeps its chunks of {store.chunk_rows} rows; --chunk is for new directories")
    return store


def filled(store: "Store", sweep: "Sweep", how: How) -> Progress:
    """Compute what the directory of a sweep lacks."""
    from sweepjax.run import account, fill, share  # noqa: PLC0415
    from sweepjax.store.beats import Pulse, failure  # noqa: PLC0415
    from sweepjax.store.footers import stem  # noqa: PLC0415

    total = sum(each.rows for each in share(sweep, store.chunk_rows, how.part))
    missing = sum(each.rows for each in store.missing(share(sweep, store.chunk_rows, how.part)))
    pulse = Pulse(store.path, str(store.provenance.get("device", "")), f"{how.part.number}/{how.part.of}")
    with progress(total, total - missing, pulse) as shown:

        def report(chunk: "Chunk", failed: "Failed") -> None:
            shown.failed += chunk.rows
            pulse.fail(f"chunk {stem(chunk)}: {failure(failed.traceback)}")
            say(account(chunk, failed))

        chunks = share(sweep, store.chunk_rows, how.part)
        watched = {"watch": shown.watch, "report": report}
        fill(store, chunks, engine=how.engine, execute=how.execute, every=how.every, **watched)
    return shown


def finish(store: "Store", how: How, shown: Progress) -> int:
    """Say what was done, and whether every row of this part is there and certified."""
    from sweepjax.store.directory import parquet_files  # noqa: PLC0415

    doubtful = uncertified(store.path, _own(store, how.part)) if parquet_files(store.path) else None
    before = f" ({shown.stored} of them stored before)" if shown.stored else ""
    speed = f" in {duration(shown.seconds)}, {shown.rate:.3g} rows/s" if shown.computed else ""
    proved = "" if doubtful is None else f"; {doubtful} uncertified"
    failed = f"; {counted(shown.failed, 'row is', 'rows are')} missing, since chunks failed" if shown.failed else ""
    say(f"{counted(shown.total - shown.failed, 'row', 'rows')}{before}{speed}{proved}{failed}")
    return UNFINISHED if doubtful or shown.failed else COMPLETE


def _own(store: "Store", part: "Part") -> set[str] | None:
    """Return the names of the files of a part; None of the whole, which is all that there is."""
    from sweepjax.run import WHOLE, share  # noqa: PLC0415

    return None if part == WHOLE else {store.file(each).name for each in share(store.sweep, store.chunk_rows, part)}
