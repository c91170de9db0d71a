"""Datasets that are wider than they are drawn: one compiled program for several numbers of columns.

A width depends on the shape of a dataset alone, never on which other points a sweep has, so that a row has the same
bits in every sweep.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

MOST = 320_000  # numbers of a dataset that is padded: beyond, rows cost more than it takes to compile their own program
RATIO = 1.2  # of neighbouring widths
LEAST = 0.25  # of n, the smallest width
ALIGNED, NARROW = 8, 64  # what widths are multiples of, from the second number on: rows take a fifth less time


def width(n: int, d: int) -> int:
    """Return the columns of the program for n samples of d features; never are d and its width on two sides of n/2."""
    if n * d > MOST or n < 4:
        return d
    return _below(n, d) if 2 * d <= n else _above(n, d)


def _below(n: int, d: int) -> int:
    """Return the smallest of the widths that go down from n/2 that holds d."""
    edge, least = n // 2, _aligned(math.ceil(LEAST * n), math.ceil)
    while (smaller := max(least, _aligned(edge / RATIO, math.ceil))) >= d and smaller < edge:
        edge = smaller
    return edge


def _above(n: int, d: int) -> int:
    """Return the smallest of the widths that go up from n/2 that holds d."""
    edge = n // 2
    while edge < d:
        edge = max(edge + 1, _aligned(edge * RATIO, math.floor))
    return edge


def _aligned(wanted: float, rounded: Callable[[float], int]) -> int:
    """Return a width rounded down or, of rows that are not narrow, to a multiple."""
    return math.floor(wanted) if wanted < NARROW else rounded(wanted / ALIGNED) * ALIGNED


def normal(key: Key[Array, ""], n: int, width: int, used: Int[Array, ""] | None) -> Float[Array, "n width"]:
    """Draw standard normal numbers [n used] in float32, to the bit those of an array of that shape, then zeros."""
    if used is None:
        return jax.random.normal(key, (n, width), dtype=jnp.float32)
    # A number depends on its place in the flat order alone, not on how many there are.
    flat = jax.random.normal(key, (n * width,), dtype=jnp.float32)
    rows = jax.vmap(lambda i: lax.dynamic_slice(flat, (i * used,), (width,)))(jnp.arange(n, dtype=used.dtype))
    return jnp.where(jnp.arange(width) < used, rows, 0)
