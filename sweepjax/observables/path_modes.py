"""How few directions the path of a training takes: its principal components.

Source:
    Notsawo, Zhou, Pezeshki, Rish, Dumas (2023), arXiv 2306.13253.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from sweepjax.primitives.lapack import eigenvalues
from sweepjax.types import Moment, Problem, Trajectory, plugin


@plugin
class PathModes:
    """Share of the first mode, and of the first two, in the path so far: about its last point, and about its mean.

    The column is [t 4]. The rows of the matrix are θ_k - θ_now of the recorded times k up to now, or θ_k less their
    mean; shares are of its squared singular values, and nan while there is one point. The whole path is kept, and the
    time is of order t⁴ in the number of times.
    """

    parts: ClassVar[tuple[str, ...]] = ("last_1", "last_2", "mean_1", "mean_2")

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, " p"]:
        return ravel_pytree(moment.params)[0]

    def finish(self, problem: Problem, trajectory: Trajectory) -> Float[Array, "t 4"]:
        kept = trajectory.kept.astype(jnp.float64)
        there = jnp.all(jnp.isfinite(kept), axis=1)
        path = jnp.where(there[:, None], kept - kept[0], 0)
        products, places = path @ path.T, jnp.arange(len(path))

        def shares(now: Array) -> Float[Array, "4"]:
            used = (places <= now).astype(jnp.float64)
            about_last = jnp.zeros_like(used).at[now].set(1)
            return jnp.concatenate([_shares(products, used, about) for about in (about_last, used / jnp.sum(used))])

        return jnp.where(there[:, None], jax.lax.map(shares, places), jnp.nan)

    def absolute(self, relative: float) -> float:
        return 10 * relative


def _shares(products: Float[Array, "t t"], used: Float[Array, " t"], about: Float[Array, " t"]) -> Float[Array, "2"]:
    """Return the shares of the modes of some points about a weighted mean of points, from the products of all."""
    to_mean = products @ about
    moved = products - to_mean[:, None] - to_mean + about @ to_mean
    squares = jnp.maximum(eigenvalues(moved * used[:, None] * used), 0)
    return jnp.cumsum(jnp.append(squares[::-1], 0))[:2] / jnp.sum(squares)
