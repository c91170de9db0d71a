"""Gradient descent on a quadratic loss, in the basis of its Hessian: every step without taking any."""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sweepjax.primitives.quadratic import Modes, descent_spans, modes, moved
from sweepjax.types import Claim, Columns, Problem, Stage, parameter, plugin


@plugin
class ExactDescent:
    """θ ← θ - η ∇L(θ) to any step at once, by one eigendecomposition a row."""

    learning_rate: float = parameter(0.01, above=0, symbol="η")  # the length of a step; time is η times the steps
    clock: ClassVar[Literal["time", "step", "none"]] = "step"
    needs: ClassVar[str] = "quadratic"
    follows_gradient: ClassVar[bool] = True
    claims: ClassVar[tuple[Claim, ...]] = (Claim("diverged", False, "No training diverged"),)
    at_once: ClassVar[int] = 16

    @property
    def stages(self) -> tuple[Stage, ...]:
        return ()

    def init(self, problem: Problem) -> Modes:
        (theta,) = jax.tree.leaves(problem.start)
        return modes(problem.model.quadratic(problem.data), theta)

    def waits(self, state: Modes, until: Float[Array, ""]) -> Int[Array, ""]:
        return jnp.int32(0)

    def params(self, problem: Problem, state: Modes, time: Float[Array, ""]) -> Any:
        theta = moved(state, descent_spans(state.rates, jnp.asarray(self.learning_rate), time))
        return jax.tree.unflatten(jax.tree.structure(problem.start), [theta])

    def info(self, problem: Problem, state: Modes) -> Columns:
        """Descent diverges where a step is longer than twice what a mode needs, and the mode is there."""
        moves = jnp.any(state.speed.reshape(state.rates.size, -1) != 0, axis=1)
        return {"diverged": jnp.any((self.learning_rate * state.rates > 2) & moves)}
