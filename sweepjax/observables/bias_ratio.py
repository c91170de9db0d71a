"""How far the bias has outgrown the direction."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.observables._path import part
from sweepjax.types import Moment, Problem, plugin


@plugin
class BiasRatio:
    """Ratio |b|/‖S‖ of bias and direction; nan at S = b = 0.

    The population accuracy is Φ(|b|/σ‖S‖) for b < 0 and one label. The ratio tends to 1/M on separable
    draws of margin M, with corrections of order 1/log t, and grows like log t on all others.
    """

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, ""]:
        b = part(problem, moment, "b", observable=self)
        return jnp.abs(b) / jnp.linalg.norm(part(problem, moment, "s", observable=self))
