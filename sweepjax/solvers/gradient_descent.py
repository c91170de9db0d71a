"""Full-batch gradient descent, step by step or, once it is smooth enough, along the flow it follows.

Steps of length η follow dθ/dt = -∇L - (η/2) ∇²L ∇L, t = η·step, to second order in η. The corrected mode
walks exactly up to step 128, 256, 512, … and at each of these compares with the flow started at the one
before. When they agree to the tolerance it goes on along the flow, whose error only falls from there.

Source:
    Hairer, Lubich (1997), Numer. Math. 76, 441, for the flow that a method with steps follows.
"""

from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._flat import finite, flat_gradient, flat_start, hessian_product, part_sizes
from sweepjax.solvers._flow import integrate
from sweepjax.types import Claim, Columns, Problem, parameter, plugin

FIRST_CHECK = 128
SHARE = 0.03  # of the tolerance, for one step of the integrator


class Walk(NamedTuple):
    """Exact steps taken so far and the flattened parameters after them."""

    step: Int[Array, ""]
    y: Float[Array, " p"]


class Corrected(NamedTuple):
    """Exact steps first, then the flow; at the last check, the anchor, the two were `deviation` apart."""

    walk: Walk
    anchor: Walk
    path: integrate.Path
    flowing: Bool[Array, ""]
    deviation: Float[Array, ""]


@plugin
class GradientDescent:
    """θ ← θ - η ∇L(θ); `tolerance` is the relative error at which the corrected mode leaves exact steps."""

    learning_rate: float = parameter(0.01, above=0, symbol="η")
    mode: str = parameter("exact", choices=("exact", "corrected"))
    tolerance: float = parameter(1e-5, above=0, at_most=0.1)
    clock: ClassVar[Literal["time", "step", "none"]] = "step"
    needs: ClassVar[str] = "training_loss"
    follows_gradient: ClassVar[bool] = True
    claims: ClassVar[tuple[Claim, ...]] = (Claim("diverged", False, "No training diverged"),)
    effort: ClassVar[tuple[str, ...]] = ("exact_steps", "deviation")

    @property
    def agreement(self) -> float:
        return 1e-5 if self.mode == "exact" else max(1e-5, 10 * self.tolerance)

    def init(self, problem: Problem) -> Walk | Corrected:
        walk = Walk(jnp.zeros((), dtype=jnp.int64), flat_start(problem)[0])
        if self.mode == "exact":
            return walk
        path = integrate.start(self._flow(problem), jnp.zeros(()), walk.y)
        return Corrected(walk, walk, path, walk.step < 0, jnp.full((), jnp.inf))

    def solve(self, problem: Problem, state: Any, times: Float[Array, " t"], measure: Any) -> tuple[Any, Columns]:
        unravel = flat_start(problem)[1]
        record: Any = self._exact if self.mode == "exact" else self._corrected
        state, path = lax.scan(lambda state, step: record(problem, state, step), state, times.astype(jnp.int64))
        return state, jax.vmap(lambda y: measure(unravel(y)))(path)

    def info(self, problem: Problem, state: Any) -> Columns:
        if self.mode == "exact":
            return {"diverged": ~finite(state.y)}
        last = jnp.where(state.flowing, state.path.now.y, state.walk.y)
        return {
            "diverged": ~finite(last) | state.path.failed,
            "exact_steps": state.walk.step,
            "deviation": (state.deviation, state.flowing),
        }

    def _exact(self, problem: Problem, walk: Walk, step: Int[Array, ""]) -> tuple[Walk, Array]:
        walk = self._walked(problem, walk, step)
        return walk, walk.y

    def _walked(self, problem: Problem, walk: Walk, step: Int[Array, ""]) -> Walk:
        gradient = flat_gradient(problem)
        y = lax.fori_loop(walk.step, step, lambda _, y: y - self.learning_rate * gradient(y), walk.y)
        return Walk(jnp.maximum(walk.step, step), y)

    def _corrected(self, problem: Problem, state: Corrected, step: Int[Array, ""]) -> tuple[Corrected, Array]:
        target = self._position(step)

        def unfinished(state: Corrected) -> Array:
            behind = (state.path.now.position < target) & ~state.path.failed
            return jnp.where(state.flowing, behind, state.walk.step < step)

        state = lax.while_loop(unfinished, lambda state: self._towards(problem, state, step), state)
        beyond = state.flowing & (step > state.walk.step)
        return state, jnp.where(beyond, integrate.interpolated(state.path, target), state.walk.y)

    def _towards(self, problem: Problem, state: Corrected, step: Int[Array, ""]) -> Corrected:
        """Flow to `step`, or walk to it or to the next check, whichever comes first, and check there."""
        check = jnp.maximum(2 * state.anchor.step, FIRST_CHECK)
        last = jnp.where(state.flowing, state.walk.step, jnp.minimum(step, check))
        walk = self._walked(problem, state.walk, last)
        checking = ~state.flowing & (walk.step == check)
        goal = self._position(jnp.where(state.flowing, step, jnp.where(checking, check, 0)))
        path = integrate.advance(self._flow(problem), state.path, goal)
        state = state._replace(walk=walk, path=path)
        return lax.cond(checking, lambda: self._checked(problem, state), lambda: state)

    def _checked(self, problem: Problem, state: Corrected) -> Corrected:
        """Compare the walk with the flow from the anchor; follow the flow from here if they agree."""
        flow, here = self._flow(problem), self._position(state.walk.step)
        foretold = integrate.interpolated(state.path, here)
        deviation = integrate.relative(flow, foretold - state.walk.y, (state.walk.y, foretold)) * flow.tolerance
        path = integrate.start(flow, here, state.walk.y)
        return Corrected(state.walk, state.walk, path, deviation < self.tolerance, deviation)

    def _position(self, step: Int[Array, ""]) -> Float[Array, ""]:
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
