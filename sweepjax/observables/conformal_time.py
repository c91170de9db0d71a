"""The clock on which the direction S no longer sees the bias b.

Source:
    Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489, appendix C.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.observables._path import part
from sweepjax.types import Moment, Problem, Trajectory, plugin


@plugin
class ConformalTime:
    """Conformal time τ = ∫ e^b dt from the first recorded time, for models with a bias b.

    On the gradient flow of the exponential loss S depends on t through τ alone, whatever b is at the
    start; with the logistic loss only once all samples are classified well.

    The integrand g = e^{b+s} in s = log(1+t) and its derivative g' = g (1 + e^s db/dt), exact on a flow, make a
    trapezoid with end corrections: h (g₀+g₁)/2 + h² (g'₀-g'₁)/12 between two records h apart, and an error
    of h⁵ g⁗/720. Twenty records a decade give τ to 1e-7, five to 1e-5, if little happens before the first of
    them; beyond that, an error of b is a relative error of τ. The path of another optimizer has another
    db/dt, and then the rule is exact to order h² only.
    """

    def measure(self, problem: Problem, moment: Moment) -> tuple[Array, Array]:
        b = part(problem, moment, "b", observable=self)
        return b, jax.grad(problem.model.training_loss)(moment.params, problem.data).b

    def finish(self, problem: Problem, trajectory: Trajectory) -> Float[Array, " t"]:
        if "time" not in trajectory.clock:
            raise ValueError(
                "observable 'conformal_time' needs times, which a solver with steps has only with a learning_rate; "
                "leave it out"
            )
        (b, gradient), s = trajectory.kept, jnp.log1p(trajectory.clock["time"])
        g = jnp.exp(b + s)
        slope, h = g * (1 - jnp.exp(s) * gradient), jnp.diff(s)
        pieces = h * (g[:-1] + g[1:]) / 2 + h**2 * (slope[:-1] - slope[1:]) / 12
        return jnp.concatenate([jnp.zeros_like(b[:1]), jnp.cumsum(pieces)])
