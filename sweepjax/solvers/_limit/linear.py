"""Weighted Gram matrices and the Cholesky factors that solvers share."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.primitives.lapack import cholesky, for_solving, solved

Count = Int[Array, ""] | None  # of the columns that are used, where others are padding

STRIPS, NARROWEST = 3, 64  # of a Gram matrix at most, and columns of one: with many, half the work is saved


class Factor(NamedTuple):
    """A Cholesky factor H = UᵀU and the diagonal shift it took, relative to the mean diagonal.

    On a CPU U is the upper half of `upper`, whose other half is not cleared. Elsewhere `upper` is U⁻¹: in triangular
    systems with one right side the unknowns wait for one another, and there that is many times slower than a product.
    """

    upper: Float[Array, "d d"]
    shift: Float[Array, ""]

    def solve(self, r: Float[Array, " d"]) -> Float[Array, " d"]:
        """Return H⁻¹ r."""
        return solved(self.upper, r.astype(self.upper.dtype)).astype(r.dtype)

    @property
    def succeeded(self) -> Bool[Array, ""]:
        """Whether H was positive definite."""
        return jnp.isfinite(self.upper[-1, -1])


def factorise(h: Float[Array, "d d"], first: Float[Array, ""] | float, least: float, used: Count = None) -> Factor:
    """Factorise H + shift·mean(diag H)·I, from the first shift, then upwards from `least` until it succeeds."""
    return ready(triangular(filled(h, used), mean_diagonal(h, used), first, least))


def filled(h: Float[Array, "d d"], used: Count) -> Float[Array, "d d"]:
    """Return H with the mean of its diagonal on that of its padding, the rows and columns beyond those `used`."""
    if used is None:
        return h
    diagonal = jnp.arange(h.shape[0])
    return h.at[diagonal, diagonal].set(jnp.where(diagonal < used, jnp.diagonal(h), mean_diagonal(h, used)))


def mean_diagonal(h: Float[Array, "d d"], used: Count) -> Float[Array, ""]:
    """Return the mean of the diagonal of H, without padding of zeros."""
    return jnp.trace(h) / (h.shape[0] if used is None else used.astype(h.dtype))


def ready(factor: Factor) -> Factor:
    """Return a factor that solves, of one whose `upper` is U on every device."""
    return factor._replace(upper=for_solving(factor.upper))


def triangular(h: Float[Array, "d d"], mean: Float[Array, ""], first: Float[Array, ""] | float, least: float) -> Factor:
    """Do as `factorise`, with the mean of the diagonal given, and leave U in `upper` on every device."""
    diagonal = jnp.arange(h.shape[0])

    def attempt(carry: tuple[Array, Factor]) -> tuple[Array, Factor]:
        shift, _ = carry
        upper = cholesky(h.at[diagonal, diagonal].add(shift * mean))
        return jnp.maximum(30 * shift, jnp.asarray(least, dtype=h.dtype)), Factor(upper, shift)

    first = jnp.asarray(first, dtype=h.dtype)
    start = first, Factor(jnp.full_like(h, jnp.nan), first)
    return lax.while_loop(lambda carry: ~carry[1].succeeded & (carry[0] < 1), attempt, start)[1]


def hessian(x: Float[Array, "n d"], p: Float[Array, " n"]) -> Float[Array, "d d"]:
    """Return the upper half of Σ p_i x_i x_iᵀ, in strips from the diagonal on; what is left of them is zero."""
    d, p = x.shape[1], p.astype(x.dtype)
    strips = min(STRIPS, -(-d // NARROWEST))
    ends = [d * k // strips for k in range(strips + 1)]
    rows = [jnp.pad(_strip(x, p, *pair), ((0, 0), (pair[0], 0))) for pair in itertools.pairwise(ends)]
    return jnp.concatenate(rows)


def _strip(x: Float[Array, "n d"], p: Float[Array, " n"], first: int, last: int) -> Float[Array, "rows columns"]:
    """Rows `first` to `last` from the diagonal on, by the product that each precision is fastest in on a CPU."""
    if x.dtype == jnp.float32:
        left, over = p[:, None] * x[:, first:last], 0
    else:
        left, over = x.T[first:last] * p, 1
    return lax.dot_general(left, x[:, first:], (((over,), (0,)), ((), ())), precision=lax.Precision.HIGHEST)


def widened(factor: Factor) -> Factor:
    """Return a float32 factor as float64."""
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64), factor)


def mean_square(x: Float[Array, "n d"], used: Count) -> Float[Array, ""]:
    """Return the mean square of the numbers in the columns that are used; the others are zero."""
    return jnp.sum(jnp.square(x)) / (x.shape[0] * columns_of(x.shape[1], used, x.dtype))


def columns_of(d: int, used: Count, dtype: Any = jnp.float64) -> Any:
    """Return the number of columns, as a number of Python where all are used."""
    return d if used is None else used.astype(dtype)


class Conjugate(NamedTuple):
    """Where conjugate gradients stand with a linear system: they go on until the residual is what was asked for."""

    v: Float[Array, " d"]
    residual: Float[Array, " d"]
    p: Float[Array, " d"]  # direction of the next step
    rz: Float[Array, ""]  # product of the residual and what the factor makes of it
    goal: Float[Array, ""]  # length of the residual
    steps: Int[Array, ""]

    @property
    def met(self) -> Bool[Array, ""]:
        """Whether the residual is what was asked for."""
        return jnp.linalg.norm(self.residual) <= self.goal

    def goes_on(self, most: int) -> Bool[Array, ""]:
        """Whether another of so many steps at most is to be taken."""
        return (jnp.linalg.norm(self.residual) > self.goal) & (self.steps < most)


def no_system(d: int) -> Conjugate:
    """Return conjugate gradients before they begin."""
    none, zero = jnp.zeros(d, jnp.float64), jnp.zeros((), jnp.float64)
    return Conjugate(none, none, none, zero, zero, jnp.int32(0))


def begun(factor: Factor, right: Float[Array, " d"], tolerance: float) -> Conjugate:
    """Begin to solve a system with this right side, to a relative residual, from zero."""
    z = factor.solve(right)
    goal = tolerance * jnp.linalg.norm(right)
    return Conjugate(jnp.zeros_like(right), right, z, jnp.vdot(right, z), goal, jnp.int32(0))


def advanced(
    multiply: Callable[[Array], Array], factor: Factor, now: Conjugate, *, most: int, block: Any = None
) -> Conjugate:
    """Take steps towards multiply(v) = right, so many at most in all, and in one block of them if that is given."""
    end = most if block is None else jnp.minimum(now.steps + block, most)

    def step(now: Conjugate) -> Conjugate:
        product = multiply(now.p)
        alpha = now.rz / jnp.vdot(now.p, product)
        residual = now.residual - alpha * product
        z = factor.solve(residual)
        rz = jnp.vdot(residual, z)
        return Conjugate(now.v + alpha * now.p, residual, z + rz / now.rz * now.p, rz, now.goal, now.steps + 1)

    return lax.while_loop(lambda now: now.goes_on(most) & (now.steps < end), step, now)


def refined(
    multiply: Callable[[Array], Array], factor: Factor, right: Float[Array, " d"], *, tolerance: float, most: int = 10
) -> Conjugate:
    """Solve multiply(v) = right by conjugate gradients which the factor preconditions, to a relative residual."""
    return advanced(multiply, factor, begun(factor, right, tolerance), most=most)
