"""How the samples project on the direction of S, at every recorded time."""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from sweepjax.observables._path import part, require
from sweepjax.types import Moment, Problem, plugin

PER_UNIT, REACH = 10, 6
BINS = 2 * REACH * PER_UNIT
EDGES = np.arange(-REACH * PER_UNIT, REACH * PER_UNIT + 1) / PER_UNIT  # in units of the data; 0 is one of them


@plugin
class ProjectionHistogram:
    """Counts of the projections S·x/‖S‖ in 120 bins from -6 to 6 root mean squares of a component of x.

    The unit is the root mean square over all components of the dataset, about σ. Bin k holds
    EDGES[k] ≤ projection < EDGES[k+1]; the first and the last also hold all that lies beyond. The counts add
    up to n, and are all 0 where S is 0 or not finite.
    """

    def measure(self, problem: Problem, moment: Moment) -> Int[Array, " bins"]:
        s = part(problem, moment, "s", observable=self)
        require(hasattr(problem.data, "x"), "samples x", observable=self, problem=problem)
        bins = jnp.floor(PER_UNIT * _projections(problem.data.x, s)) + REACH * PER_UNIT
        bins = jnp.where(jnp.isnan(bins), BINS, jnp.clip(bins, 0, BINS - 1)).astype(jnp.int32)
        return jnp.zeros(BINS, dtype=jnp.int32).at[bins].add(1, mode="drop")

    def absolute(self, relative: float) -> float:
        return 3.0  # samples that cross an edge of a bin


def _projections(x: Float[Array, "n d"], s: Float[Array, " d"]) -> Float[Array, " n"]:
    """Return S·x/‖S‖ of all samples, in units of the dataset and in its precision."""
    unit = jnp.sqrt(jnp.mean(jnp.square(x), dtype=s.dtype))
    direction = s / (unit * jnp.linalg.norm(s))
    return jnp.matmul(direction.astype(x.dtype), x.T, precision=lax.Precision.HIGHEST)
