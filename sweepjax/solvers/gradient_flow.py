"""Gradient flow dθ/dt = -∇L(θ), integrated in log(1 + t) to any time.

In s = log(1 + t) the late flow has slopes of order one, so that a decade costs the same at any time.
"""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sweepjax.solvers._flat import flat_gradient, flat_start, hessian_product, part_sizes
from sweepjax.solvers._flow import integrate
from sweepjax.types import Claim, Columns, Problem, parameter, plugin


@plugin
class GradientFlow:
    """dθ/dt = -∇L(θ), with an error of about `tolerance` of every part's norm in each step."""

    tolerance: float = parameter(2.5e-5, above=0, at_most=0.1)
    clock: ClassVar[Literal["time", "step", "none"]] = "time"
    needs: ClassVar[str] = "training_loss"
    follows_gradient: ClassVar[bool] = True
    claims: ClassVar[tuple[Claim, ...]] = (Claim("converged", True, "Every integration kept its tolerance to the end"),)
    effort: ClassVar[tuple[str, ...]] = ("steps", "evaluations")

    @property
    def agreement(self) -> float:
        return max(1e-5, 4 * self.tolerance)

    def init(self, problem: Problem) -> integrate.Path:
        return integrate.start(self._equation(problem), jnp.zeros(()), flat_start(problem)[0])

    def solve(
        self, problem: Problem, state: integrate.Path, times: Float[Array, " t"], measure: Any
    ) -> tuple[integrate.Path, Columns]:
        equation, unravel = self._equation(problem), flat_start(problem)[1]

        def record(path: integrate.Path, time: Array) -> tuple[integrate.Path, Array]:
            target = jnp.log1p(time)
            path = integrate.advance(equation, path, target)
            return path, integrate.interpolated(path, target)

        state, path = lax.scan(record, state, times)
        return state, jax.vmap(lambda y: measure(unravel(y)))(path)

    def info(self, problem: Problem, state: integrate.Path) -> Columns:
        return {"steps": state.steps, "evaluations": state.evaluations, "converged": ~state.failed}

    def _equation(self, problem: Problem) -> integrate.Equation:
        gradient = flat_gradient(problem)
        return integrate.Equation(
            lambda position, y: -jnp.exp(position) * gradient(y),
            lambda position, y, v: -jnp.exp(position) * hessian_product(gradient, y, v),
            part_sizes(problem.start),
            self.tolerance,
        )
