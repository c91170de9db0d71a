"""Gradient flow dθ/dt = -∇L(θ), integrated in log(1 + t) to any time.

In s = log(1 + t) the late flow has slopes of order one, so that a decade costs the same at any time.
"""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sweepjax.solvers._flat import Flow, flow_of
from sweepjax.solvers._flow import integrate
from sweepjax.types import Claim, Columns, Problem, Stage, parameter, plugin


@plugin
class GradientFlow:
    """dθ/dt = -∇L(θ), with an error of about `tolerance` of every part's norm in each step."""

    tolerance: float = parameter(2.5e-5, above=0, at_most=0.1)  # relative error of every part's norm in a step
    clock: ClassVar[Literal["time", "step", "none"]] = "time"
    needs: ClassVar[str] = "training_loss"
    follows_gradient: ClassVar[bool] = True
    claims: ClassVar[tuple[Claim, ...]] = (Claim("converged", True, "Every integration kept its tolerance to the end"),)
    effort: ClassVar[tuple[str, ...]] = ("steps", "evaluations")
    at_once: ClassVar[int] = 4

    @property
    def agreement(self) -> float:
        return max(1e-5, 4 * self.tolerance)

    @property
    def stages(self) -> tuple[Stage, ...]:
        def stage(part: Any) -> Stage:
            return lambda problem, path, until: part(self._equation(flow_of(problem)), path)

        return tuple(map(stage, integrate.STAGES))

    def init(self, problem: Problem) -> integrate.Path:
        flow = flow_of(problem)
        return integrate.start(self._equation(flow), jnp.zeros(()), flow.start)

    def waits(self, state: integrate.Path, until: Float[Array, ""]) -> Int[Array, ""]:
        return integrate.waits(state, jnp.log1p(until))

    def params(self, problem: Problem, state: integrate.Path, time: Float[Array, ""]) -> Any:
        return flow_of(problem).params(time, integrate.interpolated(state, jnp.log1p(time)))

    def info(self, problem: Problem, state: integrate.Path) -> Columns:
        return {"steps": state.steps, "evaluations": state.evaluations, "converged": ~state.failed}

    def _equation(self, flow: Flow) -> integrate.Equation:
        def slope(position: Array, y: Array) -> Array:
            return jnp.exp(position) * flow.velocity(jnp.expm1(position), y)

        def tangent(position: Array, y: Array, v: Array) -> Array:
            return jnp.exp(position) * jax.jvp(lambda y: flow.velocity(jnp.expm1(position), y), (y,), (v,))[1]

        return integrate.Equation(slope, tangent, flow.parts, self.tolerance)
