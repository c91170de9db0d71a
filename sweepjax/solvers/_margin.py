"""The hard margin of rows y_i: max over ‖w‖ = 1 of min_i y_i·w, with a proved gap.

Mehrotra's predictor-corrector on min ½‖w‖² subject to y_i·w ≥ 1 runs with float32 factors and
float64 conjugate gradients until the active constraints show. Guessing them from there and
correcting the guess (a primal-dual active set) then gives the margin to rounding in one to three
factorisations. Whatever that leaves open, the interior point closes in float64.

Source:
    Mehrotra, SIAM J. Optim. 2, 575 (1992); Hintermüller, Ito, Kunisch, SIAM J. Optim. 13, 865 (2002).
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._certificates import margin_bounds
from sweepjax.solvers._linear import Factor, factorise, hessian

IDENTIFIED = 1e-2  # relative gap at which the active set is guessed
CLOSED = 1e-7  # relative gap that ends the search
VANISHING = 1e-9  # upper bound on the margin, in units of the mean ‖y_i‖, taken for zero
INTERIOR, ACTIVE = 40, 8  # iterations at most


class Interior(NamedTuple):
    """An interior point: direction w, slacks s > 0 and multipliers a > 0."""

    w: Float[Array, " d"]
    s: Float[Array, " n"]
    a: Float[Array, " n"]
    gap: Float[Array, ""]
    hopeless: Bool[Array, ""]
    iterations: Int[Array, ""]


class Margin(NamedTuple):
    """The best direction found, with proved bounds on the margin."""

    w: Float[Array, " d"]
    lower: Float[Array, ""]
    upper: Float[Array, ""]
    support: Int[Array, ""]
    iterations: Int[Array, ""]

    @property
    def gap(self) -> Float[Array, ""]:
        """(upper - lower)/upper."""
        return (self.upper - self.lower) / self.upper


def hard_margin(y: Float[Array, "n d"], wanted: Bool[Array, ""]) -> Margin:
    """Find the margin; where it is not `wanted`, or does not exist, no loop starts or goes on."""
    exact = y.astype(jnp.float64)
    rough = y.astype(jnp.float32)
    point = _iterate(exact, rough, _start(exact, wanted), IDENTIFIED)
    margin = _active_set(exact, point)
    open_gap = (margin.gap > CLOSED) & (point.gap < 1)
    point = _iterate(exact, exact, point._replace(hopeless=point.hopeless | ~open_gap), CLOSED)
    return _better(margin, _bounded(exact, point.w, point.a, point.iterations + margin.iterations))


def _start(y: Float[Array, "n d"], wanted: Bool[Array, ""]) -> Interior:
    """Start along the mean, so far out that the typical |y_i·w| is ten margins."""
    w = jnp.mean(y, axis=0)
    m = y @ w
    scale = 10 / jnp.std(m)
    w, m = scale * w, scale * m
    a = jnp.full_like(m, jnp.vdot(w, w) / m.size)
    return Interior(w, jnp.maximum(m - 1, 0) + 1, a, jnp.full_like(scale, jnp.inf), ~wanted, jnp.int32(0))


def _iterate(y: Float[Array, "n d"], factored: Float[Array, "n d"], point: Interior, gap: float) -> Interior:
    """Step until the relative gap falls below `gap`."""
    return lax.while_loop(
        lambda point: (point.gap > gap) & ~point.hopeless & (point.iterations < INTERIOR),
        lambda point: _assess(y, _step(y, factored, point)),
        point,
    )


def _assess(y: Float[Array, "n d"], point: Interior) -> Interior:
    upper = jnp.linalg.norm(point.a @ y) / jnp.sum(point.a)
    lower = jnp.min(y @ point.w) / jnp.linalg.norm(point.w)
    typical = jnp.sqrt(jnp.mean(jnp.square(y)) * y.shape[1])
    vanishes = (upper < VANISHING * typical) | ~jnp.isfinite(upper)
    return point._replace(gap=(upper - lower) / upper, hopeless=vanishes, iterations=point.iterations + 1)


def _step(y: Float[Array, "n d"], factored: Float[Array, "n d"], point: Interior) -> Interior:
    """One predictor-corrector step; the normal matrix I + Σ (a_i/s_i) y_i y_iᵀ is factorised once."""
    w, s, a = point.w, point.s, point.a
    weights = a / s
    dual_residual, primal_residual = w - a @ y, y @ w - 1 - s
    scale = jnp.max(weights)
    normal = hessian(factored, weights / scale)
    normal = normal + jnp.eye(y.shape[1], dtype=normal.dtype) / scale.astype(normal.dtype)
    factor = factorise(normal, 0.0, 1e-7)

    def multiply(v: Float[Array, " d"]) -> Float[Array, " d"]:
        return (v + (weights * (y @ v)) @ y) / scale

    def direction(target: Float[Array, " n"]) -> tuple[Array, Array, Array]:
        right = -dual_residual + ((target - a * primal_residual) / s) @ y
        dw = _refined(multiply, factor, right / scale, steps=2 if factored.dtype == jnp.float32 else 0)
        ds = y @ dw + primal_residual
        return dw, ds, (target - a * ds) / s

    _, ds, da = direction(-a * s)
    reached = jnp.vdot(s + _longest(s, ds) * ds, a + _longest(a, da) * da) / s.size
    mu = jnp.vdot(a, s) / s.size
    dw, ds, da = direction(-a * s - da * ds + mu * (reached / mu) ** 3)
    primal, dual = 0.995 * _longest(s, ds), 0.995 * _longest(a, da)
    return point._replace(w=w + primal * dw, s=s + primal * ds, a=a + dual * da)


def _longest(value: Float[Array, " n"], change: Float[Array, " n"]) -> Float[Array, ""]:
    """The longest step up to 1/0.995 that keeps value + step·change ≥ 0."""
    return jnp.minimum(1 / 0.995, jnp.min(jnp.where(change < 0, -value / change, jnp.inf)))


def _refined(multiply, factor: Factor, right: Float[Array, " d"], *, steps: int) -> Float[Array, " d"]:
    """Solve by the factor, then by that many conjugate gradient steps it preconditions."""
    v = factor.solve(right)
    if not steps:
        return v
    residual = right - multiply(v)
    z = factor.solve(residual)
    p = z
    for _ in range(steps):
        product = multiply(p)
        rz = jnp.vdot(residual, z)
        alpha = rz / jnp.maximum(jnp.vdot(p, product), jnp.finfo(v.dtype).tiny)
        v, residual = v + alpha * p, residual - alpha * product
        z = factor.solve(residual)
        p = z + jnp.vdot(residual, z) / jnp.maximum(rz, jnp.finfo(v.dtype).tiny) * p
    return v


def _active_set(y: Float[Array, "n d"], point: Interior) -> Margin:
    """Solve y_i·w = 1 on the guessed active set, and correct the guess until the gap closes."""
    active = point.a / jnp.max(point.a) > point.s / jnp.max(point.s)

    def correct(carry: tuple[Array, Margin]) -> tuple[Array, Margin]:
        active, best = carry
        w, a = _equality(y, active)
        active = (active & (a > 0)) | (~active & (y @ w < 1))
        return active, _better(best, _bounded(y, w, jnp.maximum(a, 0), best.iterations + 1))

    start = _bounded(y, point.w, point.a, jnp.int32(0))
    return lax.while_loop(
        lambda carry: (carry[1].gap > CLOSED) & (carry[1].iterations < ACTIVE) & (point.gap < IDENTIFIED),
        correct,
        (active, start),
    )[1]


def _equality(y: Float[Array, "n d"], active: Bool[Array, " n"]) -> tuple[Float[Array, " d"], Float[Array, " n"]]:
    """Return the shortest w with y_i·w = 1 on the active rows (the first d of them), and its multipliers."""
    n, d = y.shape
    rows = jnp.nonzero(active, size=min(n, d), fill_value=n)[0]
    used = rows < n
    chosen = jnp.where(used[:, None], y[rows % n], 0)
    gram = lax.dot(chosen, chosen.T) + jnp.diag(jnp.where(used, 0, 1).astype(y.dtype))
    a = factorise(gram, 0.0, 1e-13).solve(used.astype(y.dtype))
    return a @ chosen, jnp.zeros(n + 1, dtype=y.dtype).at[rows].add(a * used)[:n]


def _bounded(y: Float[Array, "n d"], w: Float[Array, " d"], a: Float[Array, " n"], iterations: Array) -> Margin:
    lower, upper = margin_bounds(y, w, a)
    support = a * jnp.vdot(w, w) > jnp.maximum(y @ w - 1, 0) * jnp.sum(a)
    return Margin(w, lower, upper, jnp.sum(support, dtype=jnp.int32), iterations)


def _better(one: Margin, other: Margin) -> Margin:
    """The one with the smaller gap; nan never wins."""
    wins = ~(one.gap <= other.gap)
    chosen = Margin(*(jnp.where(wins, new, old) for old, new in zip(one, other, strict=True)))
    return chosen._replace(iterations=other.iterations)
