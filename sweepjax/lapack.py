"""LAPACK on the lanes of a CPU: one call after the other."""

from collections.abc import Callable

import jax
from jax import lax
from jax.custom_batching import custom_vmap, sequential_vmap
from jaxtyping import Array


def one_by_one(routine: Callable[..., Array]) -> Callable[..., Array]:
    """Return a LAPACK routine that a CPU calls for one lane after the other; elsewhere lanes stay a batch.

    Of a batch jaxlib makes tasks for the threads on which its devices run, and waits: where each device does
    so, no thread is left to take a task, and none ever goes on.

    Args:
        routine: a function of arrays that returns one array.
    """
    serial, alone = sequential_vmap(routine), custom_vmap(routine)

    @alone.def_vmap
    def lanes(size: int, batched: list[bool], *arrays: Array) -> tuple[Array, bool]:
        axes = [0 if each else None for each in batched]
        on_cpu, elsewhere = (jax.vmap(each, axes, axis_size=size) for each in (serial, routine))
        return lax.platform_dependent(*arrays, cpu=on_cpu, default=elsewhere), True

    return alone
