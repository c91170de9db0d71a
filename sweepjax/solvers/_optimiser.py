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

from sweepjax.solvers._flat import finite, rounded
from sweepjax.types import Claim, Columns, Problem


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

    def init(self, problem: Problem) -> Walk:
        params = jax.tree.map(_trained, problem.start)
        return Walk(jnp.zeros((), dtype=jnp.int64), params, self.optimizer().init(params))

    def solve(self, problem: Problem, state: Walk, times: Float[Array, " t"], measure: Any) -> tuple[Walk, Columns]:
        optimizer = self.optimizer()

        def step(state: Walk) -> Walk:
            batch = _batch(problem, state.step, self.batch_size)
            gradient = jax.grad(_loss)(state.params, problem, batch)
            change, memory = optimizer.update(gradient, state.memory, state.params)
            # Hyperparameters are float64, and would widen the memory of a training in float32.
            memory = jax.tree.map(lambda new, old: new.astype(old.dtype), memory, state.memory)
            return Walk(state.step + 1, optax.apply_updates(state.params, change), memory)

        def record(state: Walk, last: Int[Array, ""]) -> tuple[Walk, Any]:
            state = lax.while_loop(lambda state: state.step < last, step, state)
            return state, state.params

        state, path = lax.scan(record, state, times.astype(jnp.int64))
        return state, jax.vmap(lambda params: measure(rounded(params, problem.start)))(path)

    def info(self, problem: Problem, state: Walk) -> Columns:
        return {"diverged": ~finite(state.params)}


def _trained(leaf: Any) -> Array:
    """Return a parameter in the precision it is trained in."""
    return jnp.asarray(leaf, jnp.promote_types(jnp.asarray(leaf).dtype, jnp.float32))


def _loss(params: Any, problem: Problem, batch: Array | None) -> Float[Array, ""]:
    return problem.model.training_loss(rounded(params, problem.start), problem.data, batch)


def _batch(problem: Problem, step: Int[Array, ""], size: int) -> Array | None:
    """Return the samples of one step, drawn with replacement; None stands for all of them."""
    if not size:
        return None
    samples = jax.tree.leaves(problem.data)[0].shape[0]
    return jax.random.randint(jax.random.fold_in(problem.key, step), (size,), 0, samples)
