"""Gradient flow of a quadratic loss with an L1 penalty, under which parameters come to 0 and stay there."""

from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from sweepjax.primitives import orthants
from sweepjax.types import Columns, Problem, Stage, plugin

BLOCK = 4  # steps of one visit


@plugin
class ProximalFlow:
    """dθ/dt ∈ -∇(smooth loss) - λ₁ ∂‖θ‖₁, step by step from one change of sign to the next."""

    clock: ClassVar[Literal["time", "step", "none"]] = "time"
    needs: ClassVar[str] = "penalized"
    follows_gradient: ClassVar[bool] = True
    effort: ClassVar[tuple[str, ...]] = ("steps",)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self._walk, self._turn

    def init(self, problem: Problem) -> orthants.Path:
        (theta,) = jax.tree.leaves(problem.start)
        return orthants.start(problem.model.penalized(problem.data), theta.ravel())

    def waits(self, state: orthants.Path, until: Float[Array, ""]) -> Int[Array, ""]:
        return jnp.where(state.turning, 1, jnp.where((state.now < until) & ~state.resting, 0, 2)).astype(jnp.int32)

    def params(self, problem: Problem, state: orthants.Path, time: Float[Array, ""]) -> Any:
        (theta,), structure = jax.tree.flatten(problem.start)
        return jax.tree.unflatten(structure, [orthants.position(state, time).reshape(theta.shape)])

    def info(self, problem: Problem, state: orthants.Path) -> Columns:
        return {"steps": state.steps}

    def _walk(self, problem: Problem, state: orthants.Path, until: Float[Array, ""]) -> orthants.Path:
        loss, last = problem.model.penalized(problem.data), state.steps + BLOCK
        return lax.while_loop(
            lambda path: (path.steps < last) & (self.waits(path, until) == 0),
            lambda path: orthants.advance(loss, path),
            state,
        )

    def _turn(self, problem: Problem, state: orthants.Path, until: Float[Array, ""]) -> orthants.Path:
        return orthants.turn(problem.model.penalized(problem.data), state)
