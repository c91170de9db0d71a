"""What is observed of a dataset, computed for finished rows: datasets are drawn again, and nothing is trained."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sweepjax.engine.engine import Engine, Watch, unwatched
from sweepjax.observed import column_of
from sweepjax.types import Chunk, Columns, Family, Problem, Stage, plugin


@plugin
class Untrained:
    """Nothing is done to the parameters at t = 0."""

    clock: ClassVar[Literal["time", "step", "none"]] = "none"

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return that there are none."""
        return ()

    def init(self, problem: Problem) -> Int[Array, ""]:
        """Return a state that says nothing."""
        return jnp.int32(0)

    def waits(self, state: Int[Array, ""], until: Float[Array, ""]) -> Int[Array, ""]:
        """Return that a row waits for nothing."""
        return jnp.int32(0)

    def params(self, problem: Problem, state: Int[Array, ""], time: Float[Array, ""]) -> Any:
        """Return the parameters at t = 0."""
        return problem.start

    def info(self, problem: Problem, state: Int[Array, ""]) -> Columns:
        """Return nothing."""
        return {}


@dataclass(frozen=True, eq=False)
class Redrawn(Chunk):
    """A chunk whose datasets are drawn again, without the training."""

    of: Chunk


def observed(
    chunks: Iterable[Chunk], texts: Sequence[str], *, engine: Engine, watch: Watch = unwatched
) -> Iterator[tuple[Chunk, Columns]]:
    """Yield chunks with the columns of some observables, each of them of the dataset alone.

    On the lanes and devices of the run its bits are those that it would have had there.
    """
    wanted = [column_of(text) for text in texts]
    for redrawn, columns in engine.stream(_redrawn(chunks, tuple(texts)), watch):
        assert isinstance(redrawn, Redrawn)
        yield redrawn.of, {name: columns[name] for name in wanted}


def _redrawn(chunks: Iterable[Chunk], texts: tuple[str, ...]) -> Iterator[Redrawn]:
    for _, several in groupby(chunks, key=lambda chunk: chunk.family.id):
        family = None
        for chunk in several:
            family = family or _untrained(chunk.family, texts)
            yield Redrawn(family, chunk.start, chunk.stop, chunk)


def _untrained(family: Family, texts: tuple[str, ...]) -> Family:
    return Family(tuple(replace(task, solver=Untrained(), times=(), observables=texts) for task in family.tasks))
