"""Chunks one after the other, in this process."""

from collections.abc import Callable, Iterable, Iterator

from sweepjax.types import Chunk, Columns


def local(compute: Callable[[Chunk], Columns], chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, Columns]]:
    """Yield each chunk with its columns as soon as they are there."""
    return ((chunk, compute(chunk)) for chunk in chunks)
