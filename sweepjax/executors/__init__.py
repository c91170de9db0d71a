"""What becomes of a chunk: its columns, or an account of why there are none."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, NamedTuple, Protocol

from sweepjax.plugins import defined
from sweepjax.types import Chunk, Columns

ATTEMPTS = 3

Watch = Callable[[str, int], None]  # as of the engine


class Done(NamedTuple):
    """The columns of a chunk, and what the footer is to tell of the machine that computed them."""

    columns: Columns
    provenance: Mapping[str, str]


class Failed(NamedTuple):
    """Why a chunk has no columns, and after how many attempts it was given up."""

    traceback: str
    attempts: int = ATTEMPTS


Outcome = Done | Failed
Settled = Generator[tuple[Chunk, Outcome], None, None]


class Compute(Protocol):
    """What an executor is given to do."""

    def __call__(self, chunk: Chunk, watch: Watch) -> Outcome:
        """Compute one chunk; only what is no fault of the chunk is raised."""
        ...

    def stream(self, chunks: Iterable[Chunk], watch: Watch) -> Generator[tuple[Chunk, Done], None, None]:
        """Compute chunks that share the lanes of this process; raise what goes wrong with any."""
        ...

    def prepare(self, chunk: Chunk) -> None:
        """Begin to compile what a chunk needs."""
        ...


class Executor(Protocol):
    """Where chunks are computed."""

    def __call__(self, compute: Compute, chunks: Iterable[Chunk], watch: Watch) -> Settled:
        """Yield each chunk with what became of it, at once; one that fails is tried three times in all."""
        ...


class Source:
    """Chunks one by one, and what ended them too early: an iterator that has failed looks as if it were at its end."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self.chunks = chunks
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[Chunk]:
        try:
            yield from self.chunks
        except Exception as error:
            self.error = error
            raise


def settled(execute: Executor, compute: Compute, chunks: Iterable[Chunk], watch: Watch) -> Settled:
    """Yield what an executor makes of chunks.

    Raises:
        ValueError: it is from outside, and yields something else.
    """
    made: Any = execute(compute, chunks, watch)
    cls, wanted = type(execute), "yield (chunk, outcome), the outcome as compute(chunk, watch) returns it"
    if not isinstance(made, Generator):
        raise ValueError(f"{defined(cls)}: {cls.__name__}.__call__ returns a {type(made).__name__}; {wanted}")
    with closing(made):
        for each in made:
            if not (isinstance(each, tuple) and len(each) == 2 and isinstance(each[1], (Done, Failed))):
                raise ValueError(f"{defined(cls)}: {cls.__name__}.__call__ yields a {type(each).__name__}; {wanted}")
            yield each
