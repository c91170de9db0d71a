"""Discrete training by any optax optimizer: one update a step, recorded at whole steps.

Parameters of half precision are trained in float32, where a small step and the square of a small gradient do not
vanish, and the model sees them rounded; all others are trained in their own precision. The solvers built on it differ
in their fields and in the optimizer these make; all else is here.
"""

from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from sweepjax.solvers._flat import alike, finite, rounded
from sweepjax.types import Claim, Columns, Problem, Stage

BLOCK = 64  # steps of one visit: enough to make it cost nothing


class Walk(NamedTuple):
    """The state of a training: how many steps were taken, and what the next one needs."""

    step: Int[Array, ""]
    params: Any
    memory: Any  # the optimizer's own


class Optimiser:
    """A solver whose subclass has the fields `batch_size` (0 for all samples) and those of its optimizer."""

    clock: ClassVar[Literal["time", "step", "none"]] = "step"
    needs: ClassVar[str] = "training_loss"
    claims: ClassVar[tuple[Claim, ...]] = (Claim("diverged", False, "No training diverged"),)
    batch_size: int

    def optimizer(self) -> optax.GradientTransformation:
        """Return the optax optimizer that these hyperparameters stand for."""
        raise NotImplementedError

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (self.walk,)

    def init(self, problem: Problem) -> Walk:
        params = jax.tree.map(_trained, problem.start)
        return Walk(jnp.zeros((), dtype=jnp.int64), params, self.optimizer().init(params))

    def waits(self, state: Walk, until: Float[Array, ""]) -> Int[Array, ""]:
        return jnp.where(state.step < until, 0, 1)

    def walk(self, problem: Problem, state: Walk, until: Float[Array, ""]) -> Walk:
        """Take the next steps, but none beyond `until`."""
        optimizer = self.optimizer()

        def step(_: Array, state: Walk) -> Walk:
            gradient = jax.grad(_loss)(state.params, problem, self._batch(problem, state.step))
            change, memory = optimizer.update(gradient, state.memory, state.params)
            return Walk(state.step + 1, optax.apply_updates(state.params, change), alike(memory, state.memory))

        last = jnp.minimum(state.step + BLOCK, until.astype(jnp.int64))
        return lax.fori_loop(state.step, last, step, state)

    def params(self, problem: Problem, state: Walk, time: Float[Array, ""]) -> Any:
        return rounded(state.params, problem.start)

    def info(self, problem: Problem, state: Walk) -> Columns:
        return {"diverged": ~finite(state.params)}

    def _batch(self, problem: Problem, step: Int[Array, ""]) -> Any:
        """Return the samples of one step, which the model draws; None stands for all of them."""
        if not self.batch_size:
            return None
        return problem.model.batch(jax.random.fold_in(problem.key, step), problem.data, self.batch_size)


def _trained(leaf: Any) -> Array:
    """Return a parameter in the precision it is trained in."""
    return jnp.asarray(leaf, jnp.promote_types(jnp.asarray(leaf).dtype, jnp.float32))


def _loss(params: Any, problem: Problem, batch: Any) -> Float[Array, ""]:
    return problem.model.training_loss(rounded(params, problem.start), problem.data, batch)
