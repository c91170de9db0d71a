"""Full-batch gradient descent, step by step or, once it is smooth enough, along the flow it follows.

Steps of length η follow dθ/dt = -∇L - (η/2) ∇²L ∇L, t = η·step, to second order in η. The corrected mode
walks exactly up to step 128, 256, 512, … and at each of these compares with the flow started at the one
before. When they agree to the tolerance it goes on along the flow, whose error only falls from there.

Source:
    Hairer, Lubich (1997), Numer. Math. 76, 441, for the flow that a method with steps follows.
"""

from typing import Any, ClassVar, Literal, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._flat import alike, finite, flat_gradient, flat_start, hessian_product, part_sizes
from sweepjax.solvers._flow import integrate
from sweepjax.types import Claim, Columns, Problem, Stage, parameter, plugin

FIRST_CHECK = 128
BLOCK = 64  # steps of one visit: enough to make it cost nothing
SHARE = 0.03  # of the tolerance, for one step of the integrator


class Steps(NamedTuple):
    """Exact steps taken so far and the flattened parameters after them."""

    step: Int[Array, ""]
    y: Float[Array, " p"]


class Corrected(NamedTuple):
    """Exact steps first, then the flow; at the last check, the anchor, the two were `deviation` apart."""

    walk: Steps
    anchor: Steps
    path: integrate.Path
    flowing: Bool[Array, ""]
    deviation: Float[Array, ""]


@plugin
class GradientDescent:
    """θ ← θ - η ∇L(θ); `tolerance` is the relative error at which the corrected mode leaves exact steps."""

    learning_rate: float = parameter(0.01, above=0, symbol="η")  # the length of a step; time is η times the steps
    mode: str = parameter("exact", choices=("exact", "corrected"))  # or a flow that follows the steps
    tolerance: float = parameter(1e-5, above=0, at_most=0.1)  # relative error of leaving exact steps
    clock: ClassVar[Literal["time", "step", "none"]] = "step"
    needs: ClassVar[str] = "training_loss"
    follows_gradient: ClassVar[bool] = True
    claims: ClassVar[tuple[Claim, ...]] = (Claim("diverged", False, "No training diverged"),)
    effort: ClassVar[tuple[str, ...]] = ("exact_steps", "deviation")

    @property
    def agreement(self) -> float:
        return 1e-5 if self.mode == "exact" else max(1e-5, 10 * self.tolerance)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (
            (self._walk,)
            if self.mode == "exact"
            else (self._walk_to_check, self._check, *map(self._part, integrate.STAGES))
        )

    def init(self, problem: Problem) -> Steps | Corrected:
        walk = Steps(jnp.zeros((), dtype=jnp.int64), flat_start(problem)[0])
        if self.mode == "exact":
            return walk
        path = integrate.start(self._flow(problem), jnp.zeros(()), walk.y)
        return Corrected(walk, walk, path, walk.step < 0, jnp.full((), jnp.inf))

    def waits(self, state: Any, until: Float[Array, ""]) -> Int[Array, ""]:
        if self.mode == "exact":
            return jnp.where(state.step < until, 0, 1)
        check = _next_check(state)
        checks = ~state.flowing & (state.walk.step == check)
        goal = self._position(jnp.where(state.flowing, until, check.astype(until.dtype)))
        part = integrate.waits(state.path, goal)
        here = part == len(integrate.STAGES)
        walks = jnp.where(state.walk.step < until, 0, len(self.stages))
        flows = jnp.where(here & checks, 1, 2 + part)
        return jnp.where(state.flowing | checks, flows, walks).astype(jnp.int32)

    def params(self, problem: Problem, state: Any, time: Float[Array, ""]) -> Any:
        unravel = flat_start(problem)[1]
        if self.mode == "exact":
            return unravel(state.y)
        beyond = state.flowing & (time > state.walk.step)
        return unravel(jnp.where(beyond, integrate.interpolated(state.path, self._position(time)), state.walk.y))

    def info(self, problem: Problem, state: Any) -> Columns:
        if self.mode == "exact":
            return {"diverged": ~finite(state.y)}
        last = jnp.where(state.flowing, state.path.now.y, state.walk.y)
        return {
            "diverged": ~finite(last) | state.path.failed,
            "exact_steps": state.walk.step,
            "deviation": (state.deviation, state.flowing),
        }

    def _walk(self, problem: Problem, walk: Steps, until: Float[Array, ""]) -> Steps:
        """Take the next steps, but none beyond `until`."""
        gradient = flat_gradient(problem)
        last = jnp.minimum(walk.step + BLOCK, until.astype(jnp.int64))

        def step(_: Array, y: Array) -> Array:
            return alike(y - self.learning_rate * gradient(y), y)

        return Steps(last, lax.fori_loop(walk.step, last, step, walk.y))

    def _walk_to_check(self, problem: Problem, state: Corrected, until: Float[Array, ""]) -> Corrected:
        return state._replace(
            walk=self._walk(problem, state.walk, jnp.minimum(until, _next_check(state).astype(until.dtype)))
        )

    def _part(self, part: Any) -> Stage:
        """Return a stage of the flow."""
        return lambda problem, state, until: state._replace(path=part(self._flow(problem), state.path))

    def _check(self, problem: Problem, state: Corrected, until: Float[Array, ""]) -> Corrected:
        """Compare the walk with the flow from the anchor; follow the flow from here if they agree."""
        flow, here = self._flow(problem), self._position(state.walk.step)
        foretold = integrate.interpolated(state.path, here)
        ends, scale = (state.walk.y, foretold), state.path.scale
        deviation = integrate.relative(flow, foretold - state.walk.y, ends, scale) * flow.tolerance
        path = integrate.start(flow, here, state.walk.y, scale)
        return Corrected(state.walk, state.walk, path, deviation < self.tolerance, deviation)

    def _position(self, step: Array) -> Float[Array, ""]:
        return jnp.log1p(self.learning_rate * step)

    def _flow(self, problem: Problem) -> integrate.Equation:
        gradient = flat_gradient(problem)

        def corrected(position: Array, y: Array, v: Array) -> Array:
            return -jnp.exp(position) * (v + 0.5 * self.learning_rate * hessian_product(gradient, y, v))

        return integrate.Equation(
            lambda position, y: corrected(position, y, gradient(y)),
            lambda position, y, v: corrected(position, y, hessian_product(gradient, y, v)),
            part_sizes(problem.start),
            SHARE * self.tolerance,
        )


def _next_check(state: Corrected) -> Int[Array, ""]:
    """Return the step at which the walk is held against the flow next."""
    return jnp.maximum(2 * state.anchor.step, FIRST_CHECK)
