"""What float64 arithmetic proves about a point set: rounding bounds and the two theorems.

u = 2^-53 is the unit roundoff and g(k) = k u / (1 - k u) bounds the relative error of k chained
operations in any order of summation (Higham, Accuracy and Stability of Numerical Algorithms, ch. 3).
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

UNIT_ROUNDOFF = 2.0**-53


def chained(k: int) -> float:
    """Return g(k), the relative rounding error of k chained float64 operations."""
    return k * UNIT_ROUNDOFF / (1 - k * UNIT_ROUNDOFF)


def largest_norm(x: Float[Array, "n d"]) -> Float[Array, ""]:
    """Return max_i ‖x_i‖, rounded up."""
    return jnp.sqrt(jnp.max(jnp.sum(jnp.square(x), axis=1))) * (1 + chained(x.shape[1] + 2))


def separates(x: Float[Array, "n d"], w: Float[Array, " d"]) -> Bool[Array, ""]:
    """Prove min_i x_i·w > 0: the smallest computed product exceeds its rounding error."""
    _float64(x, w)
    error = chained(x.shape[1] + 4) * largest_norm(x) * jnp.linalg.norm(w)
    return jnp.min(x @ w) > error


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


def convexity_needed(x: Float[Array, "n d"], p: Float[Array, " n"], trace: Float[Array, ""]) -> Float[Array, ""]:
    """Return the τ for which a Cholesky factor of H - τI proves the origin to lie inside the hull.

    With weights p of sum 1, r = Σ p_i x_i, H = Σ p_i x_i x_iᵀ and y = H⁻¹r: if every x_i·y < 1, the weights
    p_i (1 - x_i·y) > 0 combine the points to 0, and H > 0 leaves no direction without points on
    both sides. It suffices that ‖r‖ max‖x_i‖ < λ_min(H). When the factorisation of the computed
    H - τI succeeds, λ_min(H) ≥ τ - ε tr H with ε the rounding error of forming and factorising H.
    """
    _float64(x, p)
    n, d = x.shape
    radius = largest_norm(x)
    factorise = chained(d + 2) / (1 - chained(d + 2))
    rounding = (factorise + chained(n + 2) + 2 * UNIT_ROUNDOFF) * trace
    pull = jnp.linalg.norm(p @ x) + chained(2 * n + 8) * radius
    return (1 + 1e-9) * (radius * pull + rounding)


def _float64(*arrays: Array) -> None:
    """A certificate in another precision proves nothing; fail while tracing."""
    if any(array.dtype != jnp.float64 for array in arrays):
        raise TypeError("certificates are taken in float64; trace them with the 64-bit switch on")
