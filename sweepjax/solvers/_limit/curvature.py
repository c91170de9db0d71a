"""How much of a matrix is proved to be positive, whatever computed its factor and in whatever precision.

Theorem. Let H be symmetric, τ a number, and G and U any matrices with ‖G - H‖ ≤ ε. As UᵀU has no negative eigenvalue,
λ_min(H) ≥ τ - ‖G - τI - UᵀU‖ - ε. Nothing is asked of U: the residual, which is computed, says how good it is.

Products of float32 are proofs, too, if their sums are short. Let B be the float32 of diag(q) X, each entry off by two
roundings, H = Σ q_i² x_i x_iᵀ and u = 2⁻²⁴. Then ‖BᵀB - H‖ ≤ 7u ‖B‖² (Frobenius), and summing SHORT rows in float32 and
these sums in float64 is off by g(SHORT) ‖B‖² with g(k) = ku/(1 - ku): 4·10⁻⁶ of the trace together. What underflows is
as nothing beside ‖B‖², as long as that is not tiny.

Source:
    Higham, Accuracy and Stability of Numerical Algorithms, ch. 3 and 10; Rump (2006), BIT 46, 433.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sweepjax.solvers._limit.certificates import UNIT_ROUNDOFF, chained

SHORT = 64  # rows whose products are summed in float32
SINGLE = 2.0**-24
WEIGHING = 7 * SINGLE  # of ‖B‖², which is the trace
TINY = 1e-20  # trace beside which numbers that underflow might count


def short_products(b: Float[Array, "n d"]) -> Float[Array, "d d"]:
    """Return BᵀB of float32 rows as float64; `short_rounding` bounds its error."""
    n, d = b.shape
    groups = jnp.pad(b, ((0, -n % SHORT), (0, 0))).reshape(-1, SHORT, d)

    def add(total: Array, group: Array) -> tuple[Array, None]:
        product = lax.dot_general(group, group, (((0,), (0,)), ((), ())), precision=lax.Precision.HIGHEST)
        return total + product.astype(jnp.float64), None

    return lax.scan(add, jnp.zeros((d, d), jnp.float64), groups)[0]


def short_rounding(b: Float[Array, "n d"]) -> Float[Array, ""]:
    """Bound the spectral norm of what `short_products` is off by."""
    return (1 + 1e-6) * (SHORT * SINGLE / (1 - SHORT * SINGLE) + chained(len(b) + 2)) * square(b)


def square(b: Float[Array, "n d"]) -> Float[Array, ""]:
    """Return ‖B‖² (Frobenius), rounded up; infinite, so that nothing is proved, if it is tiny."""
    found = (1 + chained(b.size + 2)) * jnp.sum(jnp.square(b.astype(jnp.float64)))
    return jnp.where(found > TINY, found, jnp.inf)


def proved(
    g: Float[Array, "d d"], tau: Float[Array, ""], upper: Float[Array, "d d"], rounding: Float[Array, ""]
) -> Float[Array, ""]:
    """Return a lower bound on λ_min(H) by the theorem.

    Args:
        g: a float64 matrix near H, of which the upper half is read.
        tau: the shift.
        upper: any U in the upper half, float32 or float64, meant to be a factor of G - τI.
        rounding: a bound on ‖G - H‖.
    """
    u, d = jnp.triu(upper), len(g)
    if u.dtype == jnp.float32:
        product, error = short_products(u), short_rounding(u)
    else:
        product, error = u.T @ u, chained(d + 2) * square(u)
    residual = jnp.triu(g - tau * jnp.eye(d, dtype=g.dtype) - product)
    once, twice = jnp.sum(jnp.square(jnp.diagonal(residual))), jnp.sum(jnp.square(jnp.triu(residual, 1)))
    subtracted = 4 * UNIT_ROUNDOFF * (2 * jnp.linalg.norm(jnp.triu(g)) + d * jnp.abs(tau) + square(u))
    return tau - (1 + 1e-6) * (jnp.sqrt(once + 2 * twice) + error + subtracted + rounding)
