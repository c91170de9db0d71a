"""Chunks in this process, the next one on its way before the last is done."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from sweepjax.executors import ATTEMPTS, Compute, Done, Outcome, Settled, Source, Watch
from sweepjax.types import Chunk

AHEAD = 8  # families whose programs are compiled beside the computing; some share one
MOST_AHEAD = 32  # chunks


@dataclass(frozen=True)
class Local:
    """Chunks in this process, which share the lanes of its devices."""

    def __call__(self, compute: Compute, chunks: Iterable[Chunk], watch: Watch) -> Settled:
        """Yield each chunk with what became of it; after a failure those on their way are tried one by one.

        What goes wrong with the chunks themselves, such as a store that cannot be asked, is raised after that.
        """
        source = Source(chunks)
        waiting, begun = _prepared(compute, source), []
        while True:
            try:
                with closing(compute.stream(_noted(waiting, begun), watch)) as done:
                    for chunk, outcome in done:
                        begun.remove(chunk)
                        yield chunk, outcome
            except OSError:
                raise
            except Exception:
                if not begun:
                    raise
                while begun:
                    chunk = begun.pop(0)
                    yield chunk, _settled(compute, chunk, watch)
                if source.error:
                    raise source.error from None
            else:
                return


def _noted(chunks: Iterator[Chunk], begun: list[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        begun.append(chunk)
        yield chunk


def _prepared(compute: Compute, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Pass chunks on, and have the programs of the next families compiled meanwhile."""
    waiting: deque[Chunk] = deque()
    for chunk in chunks:
        if not waiting or chunk.family is not waiting[-1].family:
            compute.prepare(chunk)
        waiting.append(chunk)
        if len({id(each.family) for each in waiting}) > AHEAD or len(waiting) > MOST_AHEAD:
            yield waiting.popleft()
    yield from waiting


def _settled(compute: Compute, chunk: Chunk, watch: Watch) -> Outcome:
    """Return the first attempt that succeeds, or else the last."""
    for _ in range(ATTEMPTS - 1):
        outcome = compute(chunk, watch)
        if isinstance(outcome, Done):
            return outcome
    return compute(chunk, watch)
