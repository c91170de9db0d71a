"""Compiled programs: one for all rows of one shape, kept until others were used since."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from sweepjax.engine.devices import cores
from sweepjax.engine.drawing import Row
from sweepjax.engine.kept import kept
from sweepjax.engine.kernel import Kernel
from sweepjax.engine.pool import advance
from sweepjax.engine.settings import settled
from sweepjax.engine.sizes import Shape
from sweepjax.engine.slots import Left, Pool, Queue, empty, queue_of
from sweepjax.engine.underway import whole
from sweepjax.observed import observables_of
from sweepjax.sweep.stop import Stop
from sweepjax.types import Task

COMPILERS = 8  # programs compiled at once at most, each of which takes memory
# Programs that a device keeps. On a CPU each is 300 to 1,500 pieces of mapped memory, of which Linux grants 65,530: a
# process that asks for one more is aborted.
MOST = 24
# A pass of XLA for GPUs that normalised vectors can break (its releases up to JAX 0.10): no program, or none that ends.
WITHOUT = {"xla_disable_hlo_passes": "triton-softmax-rewriter"}


class Program(NamedTuple):
    """What computes the rows of one shape on one device."""

    shape: Shape
    device: Any
    times: np.ndarray
    empty: Any  # () -> Pool
    advance: Any  # (Pool, Queue, times, always) -> Pool, Left
    complete: Any  # (slots of which the datasets were not kept, times, always) -> slots

    def same(self, other: "Program | None") -> bool:
        """Whether rows of the two may share a pool."""
        return other is not None and self.advance is other.advance and np.array_equal(self.times, other.times)

    def start(self) -> Pool:
        """Return a pool without rows."""
        with settled(), jax.default_device(self.device):
            return self.empty()

    def run(self, pool: Pool, queue: Queue) -> tuple[Pool, Left]:
        """Let rows enter and go on."""
        with settled():
            return self.advance(pool, *jax.device_put((queue, self.times, np.asarray(True)), self.device))

    def completed(self, slots: Any) -> Any:
        """Return slots with the datasets of their rows, which are drawn again."""
        with settled():
            return self.complete(slots, *jax.device_put((self.times, np.asarray(True)), self.device))


def program(task: Task, row: Row, shape: Shape, device: Any) -> Future[Program]:
    """Return the promise of a program for rows like this one; what failed before is tried again."""
    key = _key(task, row, shape, device)
    with _choosing:
        found = _programs.pop(key, None)
        if not found or (found.done() and found.exception()):
            found = _compilers().submit(_compiled, task, row, shape, device)
        _programs[key] = found  # behind those that were used before
        for old in [each for each in _programs if each[0] == device][:-MOST]:
            del _programs[old]
    return found


def lowered(task: Task, row: Row, shape: Shape, platform: str) -> Any:
    """Return a program lowered for a platform such as "cuda", which need not be here."""
    with settled():
        pool, queue, times = _arguments(task, row, shape)
        jitted = jax.jit(_advancing(task, shape.lanes))
        return jitted.trace(pool, queue, times, np.asarray(True)).lower(lowering_platforms=(platform,))


_programs: dict[Any, Future[Program]] = {}
_choosing = threading.Lock()


@cache
def _compilers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(COMPILERS, cores()))


def _key(task: Task, row: Row, shape: Shape, device: Any) -> Any:
    leaves, structure = jax.tree.flatten(row)
    kinds = [(np.shape(leaf), np.asarray(leaf).dtype.name) for leaf in leaves]
    return device, shape, task.observables, task.stop, len(task.times), structure, *kinds


def kernel_of(task: Task, lanes: int, row: Row, times: Array, always: Array) -> Kernel:
    """Return the life of rows like this one, of a task or another that observes the same."""
    stop = Stop.parse(task.stop) if task.stop else None
    seen, alone = observables_of(task), lanes == 1
    return Kernel(row.solver, times, seen, stop, always, keeps_view=alone, model=row.model)


def _advancing(task: Task, lanes: int) -> Any:
    """Return a call of the pool, to be compiled."""

    def call(pool: Pool, queue: Queue, times: Array, always: Array) -> tuple[Pool, Left]:
        row = jax.tree.map(lambda leaf: leaf[0], queue.rows)
        return advance(kernel_of(task, lanes, row, times, always), lanes, pool, queue)

    return call


def _completing(task: Task, lanes: int) -> Any:
    """Return what draws the datasets of slots again, as many side by side as when they entered: to the same bits."""

    def call(slots: Any, times: Array, always: Array) -> Any:
        row, count = jax.tree.map(lambda leaf: leaf[0], slots.row), slots.recorded.size
        complete = jax.vmap(partial(whole, kernel_of(task, lanes, row, times, always)))
        if count == lanes:
            return complete(slots)
        places = np.resize(np.arange(count), (-(-count // lanes), lanes))
        found = lax.map(lambda some: complete(jax.tree.map(lambda leaf: leaf[some], slots)), jnp.asarray(places))
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:count], found)

    return call


def _empty(task: Task, shape: Shape, row: Row, times: Array) -> Pool:
    return empty(kernel_of(task, shape.lanes, row, times, jnp.asarray(True)), row, shape.slots)


def _arguments(task: Task, row: Row, shape: Shape) -> tuple[Pool, Queue, np.ndarray]:
    """Return the shapes of what a program takes."""
    times = np.asarray(task.times, dtype=np.float64)
    pool = jax.eval_shape(partial(_empty, task, shape), row, times)
    rows = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (shape.rows, *np.shape(leaf))), row)
    return pool, queue_of(np.arange(shape.rows), rows, 1), times


def _compiled(task: Task, row: Row, shape: Shape, device: Any) -> Program:
    with settled(), jax.default_device(device):
        times = np.asarray(task.times, dtype=np.float64)
        plug_ins = (row.model, row.solver, *observables_of(task).values())
        build = partial(_built, task, row, shape, device)
        advance, blank = kept(_key(task, row, shape, device), plug_ins, device, build)
    complete = jax.jit(_completing(task, shape.lanes), compiler_options=options(device.platform))
    return Program(shape, device, times, blank, advance, complete)


def options(platform: str) -> Any:
    """Return what the compiler of a platform is told."""
    return None if platform == "cpu" else WITHOUT


def _built(task: Task, row: Row, shape: Shape, device: Any) -> tuple[jax.stages.Compiled, jax.stages.Compiled]:
    pool, queue, times = _arguments(task, row, shape)
    placed = jax.device_put((queue, times, np.asarray(True)), device)
    jitted = jax.jit(_advancing(task, shape.lanes), donate_argnums=0)
    compiled = jitted.lower(pool, *placed).compile(compiler_options=options(device.platform))
    blank = jax.jit(lambda: jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), pool)).lower().compile()
    return compiled, blank
