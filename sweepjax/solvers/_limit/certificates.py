"""What float64 arithmetic proves about a point set: rounding bounds and the two theorems.

u = 2^-53 is the unit roundoff and g(k) = k u / (1 - k u) bounds the relative error of k chained
operations in any order of summation (Higham, Accuracy and Stability of Numerical Algorithms, ch. 3).
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

UNIT_ROUNDOFF = 2.0**-53
Norm = Float[Array, ""] | None  # max_i ‖x_i‖, rounded up, if it is known
SMALLEST = 1e-140  # length of a vector whose products are safely above the least float64


def chained(k: int) -> float:
    """Return g(k), the relative rounding error of k chained float64 operations."""
    return k * UNIT_ROUNDOFF / (1 - k * UNIT_ROUNDOFF)


def largest_norm(x: Float[Array, "n d"]) -> Float[Array, ""]:
    """Return max_i ‖x_i‖, rounded up."""
    return largest_of(jnp.sum(jnp.square(x), axis=1), x.shape[1])


def largest_of(squares: Float[Array, " n"], d: int) -> Float[Array, ""]:
    """Return max_i ‖x_i‖, rounded up, of the sums of the squares of d numbers."""
    return jnp.sqrt(jnp.max(squares)) * (1 + chained(d + 2))


def separates(x: Float[Array, "n d"], w: Float[Array, " d"], radius: Norm = None) -> Bool[Array, ""]:
    """Prove min_i x_i·w > 0: the smallest computed product exceeds its rounding error.

    Nothing is proved of numbers so small that squares underflow, of which XLA makes zeros.
    """
    _float64(x, w)
    radius, length = largest_norm(x) if radius is None else radius, jnp.linalg.norm(w)
    error = chained(x.shape[1] + 4) * radius * length
    return jnp.all(x @ w > error) & (radius > SMALLEST) & (length > SMALLEST)


def margin_bounds(
    x: Float[Array, "n d"], radius: Float[Array, ""], w: Float[Array, " d"], a: Float[Array, " n"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Bound the hard margin max_‖w‖=1 min_i x_i·w from below by w and from above by weights a ≥ 0.

    min_i x_i·w/‖w‖ ≤ M ≤ ‖Σ a_i x_i‖ / Σ a_i, both widened by their rounding error; radius is max_i ‖x_i‖.
    """
    _float64(x, w, a)
    n, d = x.shape
    lower = jnp.min(x @ w) / jnp.linalg.norm(w)
    upper = jnp.linalg.norm(a @ x) / jnp.sum(a)
    return lower - chained(2 * d + 8) * radius, upper + chained(2 * n + 8) * radius


def convexity_needed(
    x: Float[Array, "n d"], p: Float[Array, " n"], trace: Float[Array, ""], radius: Norm = None
) -> Float[Array, ""]:
    """Return the least τ for which a Cholesky factor of H - τI makes `surrounds` hold at its own weights p."""
    _float64(x, p)
    return (1 + 1e-9) * pull(x, p, radius) + _rounding(x, trace)


def least_curvature(x: Float[Array, "n d"], trace: Float[Array, ""], tau: Float[Array, ""]) -> Float[Array, ""]:
    """Bound λ_min(H) from below, given that the Cholesky factorisation of the computed H - τI succeeded.

    It is τ - ε tr H with ε the rounding error of forming H = Σ w_i x_i x_iᵀ and of factorising it.
    """
    return tau - _rounding(x, trace)


def surrounds(
    x: Float[Array, "n d"],
    p: Float[Array, " n"],
    weights: Float[Array, " n"],
    curvature: Float[Array, ""],
    radius: Norm = None,
) -> Bool[Array, ""]:
    """Prove that the origin lies inside the hull, given λ_min(H) ≥ curvature for H = Σ w_i x_i x_iᵀ of the weights w.

    With r = Σ p_i x_i and y = H⁻¹r, the coefficients p_i - w_i x_i·y combine the points to 0. If all x_i·y < p_i/w_i
    they are positive where w_i is, and H > 0 leaves no direction without such points on both sides. It suffices
    that ‖r‖ max‖x_i‖ < λ_min(H) min p_i/w_i. The weights need not be p: a factor serves points near its own.
    """
    _float64(x, p, weights)
    ratio = jnp.min(jnp.where(weights > 0, p / weights, jnp.inf))
    return (1 + 1e-9) * pull(x, p, radius) < curvature * ratio


def pull(x: Float[Array, "n d"], p: Float[Array, " n"], radius: Norm = None) -> Float[Array, ""]:
    """Bound ‖Σ p_i x_i‖ max‖x_i‖ from above, for p of sum 1."""
    radius = largest_norm(x) if radius is None else radius
    return radius * (jnp.linalg.norm(p @ x) + chained(2 * len(p) + 8) * radius)


def _rounding(x: Float[Array, "n d"], trace: Float[Array, ""]) -> Float[Array, ""]:
    n, d = x.shape
    factorise = chained(d + 2) / (1 - chained(d + 2))
    return (1 + 1e-9) * (factorise + rounding(n)) * trace


def rounding(n: int) -> float:
    """Bound what the float64 H = Σ w_i x_i x_iᵀ of n rows is off by, relative to its trace."""
    return chained(n + 2) + 2 * UNIT_ROUNDOFF


def _float64(*arrays: Array) -> None:
    """A certificate in another precision proves nothing; fail while tracing."""
    if any(array.dtype != jnp.float64 for array in arrays):
        raise TypeError("certificates are taken in float64; trace them with the 64-bit switch on")
