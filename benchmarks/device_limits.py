"""What a device can do at most: memory, products of matrices, factors and their inverses, and what a loop costs it.

A loop whose end is decided on the device makes the host wait for one number a round. The pool of the engine is a loop
over its stages, each a loop itself, so that this number is measured as it is met there.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from benchmarks.roofline import Machine
from sweepjax.engine.sizes import ELEMENTS

ROUNDS, STAGES = 960, (1, 16)


class Limit(NamedTuple):
    """What a device can do: 10^12 bytes or flops a second, or microseconds."""

    what: str
    size: int
    value: float
    unit: str


def loops(repetitions: int) -> Iterator[Limit]:
    """Measure a round of a loop, and what each stage adds to it that is not chosen."""
    few, many = (_loop(stages, repetitions) for stages in STAGES)
    yield Limit("round of a loop of one stage", ROUNDS, few, "µs")
    yield Limit("a stage that is not chosen", ROUNDS, (many - few) / (STAGES[1] - STAGES[0]), "µs")


def _loop(stages: int, repetitions: int) -> float:
    """Return the microseconds of a round in which one of so many loops is entered, once."""

    def step(at: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        k = at[0] + 1
        return k, jnp.where(k < ROUNDS, k % stages, -1), 0.999 * at[2]

    def turn(at: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        for stage in range(stages):
            at = lax.while_loop(lambda at, stage=stage: at[1] == stage, step, at)
        return at

    run = jax.jit(lambda x: lax.while_loop(lambda at: at[1] >= 0, turn, (jnp.int32(0), jnp.int32(0), x)))
    return 1e6 * median(partial(run, jnp.ones(16, jnp.float32)), repetitions) / ROUNDS


def rates(repetitions: int, *, short: bool) -> Iterator[Limit]:
    """Measure bandwidth, products, Cholesky factors and their inverses."""
    length, side, sizes = (2**12, 32, (8, 16)) if short else (2**28, 8192, (200, 480, 1110))
    types = jnp.float32, jnp.float64, jnp.bfloat16
    yield _triad(length, repetitions)
    yield from (_product(side, dtype, repetitions) for dtype in types)
    yield from (each for dtype in types[:2] for d in sizes for each in _factors(d, dtype, repetitions, short=short))


def _triad(length: int, repetitions: int) -> Limit:
    a, b = jnp.ones(length, jnp.float32), jnp.ones(length, jnp.float32)
    seconds = median(partial(jax.jit(lambda a, b: a + jnp.float32(3) * b), a, b), repetitions)
    return Limit("memory, triad", length, 1e-12 * 3 * 4 * length / seconds, "TB/s")


def _product(side: int, dtype: Any, repetitions: int) -> Limit:
    a = jax.random.normal(jax.random.key(0), (side, side), jnp.float32).astype(dtype)
    # Otherwise float32 could fall to TF32.
    precision = None if dtype == jnp.bfloat16 else lax.Precision.HIGHEST
    seconds = median(partial(jax.jit(partial(jnp.matmul, precision=precision)), a, a), repetitions)
    return Limit(f"product, {a.dtype}", side, 1e-12 * 2 * side**3 / seconds, "TF/s")


def _factors(d: int, dtype: Any, repetitions: int, *, short: bool) -> Iterator[Limit]:
    """Measure batched Cholesky, and the inverse of its factors by triangular systems with d right sides."""
    batch = 2 if short else ELEMENTS // (2 * d * d)
    matrices = jnp.broadcast_to(2 * jnp.eye(d, dtype=dtype) + jnp.asarray(1 / d, dtype), (batch, d, d)).copy()
    factorise = jax.jit(partial(lax.linalg.cholesky, symmetrize_input=False))
    flops = 1e-12 * batch * d**3 / 3
    rate = partial(Limit, unit="TF/s")
    yield rate(f"Cholesky, {matrices.dtype}", d, flops / median(partial(factorise, matrices), repetitions))
    invert = jax.jit(partial(lax.linalg.triangular_solve, left_side=True, lower=True))
    unit = jnp.broadcast_to(jnp.eye(d, dtype=dtype), matrices.shape)
    seconds = median(partial(invert, factorise(matrices), unit), repetitions)
    yield rate(f"inverse of a factor, {matrices.dtype}", d, flops / seconds)


def machine(limits: list[Limit]) -> Machine:
    """Return the device as the roofline sees it; Cholesky is as fast as at the nearest size."""
    rates = {limit.what: 1e12 * limit.value for limit in limits}
    products = {name.partition(", ")[2]: rate for name, rate in rates.items() if name.startswith("product")}

    def cholesky(precision: str, size: int) -> float:
        known = [limit for limit in limits if limit.what == f"Cholesky, {precision}"]
        return 1e12 * min(known, key=lambda limit: abs(limit.size - size)).value

    return Machine(rates["memory, triad"], products, cholesky)


def median(work: Callable[[], Any], repetitions: int) -> float:
    """Return the median seconds of a call, after one untimed call that compiles."""
    jax.block_until_ready(work())
    return statistics.median(_seconds(work) for _ in range(repetitions))


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start
