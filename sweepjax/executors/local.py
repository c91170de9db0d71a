"""Chunks one after the other, in this process."""

from collections.abc import Iterable
from dataclasses import dataclass

from sweepjax.executors import ATTEMPTS, Compute, Done, Outcome, Settled, Watch
from sweepjax.types import Chunk


@dataclass(frozen=True)
class Local:
    """Chunks one after the other, in this process."""

    def __call__(self, compute: Compute, chunks: Iterable[Chunk], watch: Watch) -> Settled:
        """Yield each chunk with what became of it."""
        return ((chunk, _settled(compute, chunk, watch)) for chunk in chunks)


def _settled(compute: Compute, chunk: Chunk, watch: Watch) -> Outcome:
    """Return the first attempt that succeeds, or else the last."""
    for _ in range(ATTEMPTS - 1):
        outcome = compute(chunk, watch)
        if isinstance(outcome, Done):
            return outcome
    return compute(chunk, watch)
