"""The curvature of the training loss at the ends of its spectrum, of networks whose Hessian is too large to be formed.

Source:
    Lanczos (1950), J. Res. Nat. Bur. Stand. 45, 255; Pearlmutter (1994), Neural Comput. 6, 147.
"""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from sweepjax.primitives.lapack import eigenvalues
from sweepjax.types import Moment, Problem, parameter, plugin


@plugin
class HessianLanczos:
    """Largest and smallest eigenvalue of the Hessian of the training loss, and their ratio, a column [t 3].

    They are of `steps` products with the Hessian, in float64, each orthogonal to all before: exact where there are no
    more parameters than that, and else within the spectrum, the ends of which are found first.
    """

    steps: int = parameter(64, at_least=2)  # products with the Hessian
    parts: ClassVar[tuple[str, ...]] = ("largest", "smallest", "condition")

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, "3"]:
        y, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf.astype(jnp.float64), moment.params))
        slope = jax.grad(lambda y: problem.model.training_loss(unravel(y), problem.data))
        ends = _ends(*self._tridiagonal(lambda v: jax.jvp(slope, (y,), (v,))[1], y))
        return jnp.stack([ends[1], ends[0], ends[1] / ends[0]])

    def absolute(self, relative: float) -> float:
        return 10 * relative

    def _tridiagonal(self, product: Any, y: Float[Array, " p"]) -> tuple[Array, Array]:
        """Return the diagonal of the Hessian in the space of its powers, and what is beside it."""
        count = min(self.steps, y.size)
        first = jnp.cos(jnp.sqrt(2.0) * jnp.pi * jnp.arange(y.size, dtype=jnp.float64) ** 2)  # as good as random

        def step(k: Array, found: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            basis, diagonal, beside = found
            # A space that is exhausted goes on with 0, and with a quotient that lies within the spectrum.
            w, there = product(basis[k]), jnp.any(basis[k] != 0)
            diagonal = diagonal.at[k].set(jnp.where(there, basis[k] @ w, diagonal[0]))
            for _ in range(2):
                w = w - basis.T @ (basis @ w)
            length = jnp.linalg.norm(w)
            more = there & (length > jnp.finfo(y.dtype).eps * jnp.max(jnp.abs(diagonal)))
            following = jnp.where(more, w / jnp.where(more, length, 1), 0)
            return basis.at[k + 1].set(following), diagonal, beside.at[k].set(jnp.where(more, length, 0))

        basis = jnp.zeros((count + 1, y.size), y.dtype).at[0].set(first / jnp.linalg.norm(first))
        nothing = jnp.zeros(count, y.dtype)
        _, diagonal, beside = lax.fori_loop(0, count, step, (basis, nothing, nothing))
        return diagonal, beside[:-1]


def _ends(diagonal: Float[Array, " k"], beside: Float[Array, " j"]) -> Float[Array, "2"]:
    matrix = jnp.diag(diagonal) + jnp.diag(beside, 1) + jnp.diag(beside, -1)
    return eigenvalues(matrix)[jnp.array([0, -1])]
