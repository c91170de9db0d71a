from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

import sweepjax as sj

BLOCK = 64  # steps of one visit to the stage


class State(NamedTuple):
    """Where a training is."""

    step: jax.Array
    params: object
    speed: object


@sj.plugin
class Mine:
    """Heavy-ball descent: v ← m v - η ∇L(θ), θ ← θ + v."""

    learning_rate: float = sj.parameter(0.01, above=0, symbol="η")
    friction: float = sj.parameter(0.1, above=0, at_most=1)  # 1 - m
    clock: ClassVar[str] = "step"  # the unit of --until: "time", "step" or "none"
    needs: ClassVar[str] = "training_loss"  # the method of a model without which this solver cannot work

    @property
    def stages(self):
        return (self.walk,)

    def init(self, problem):
        return State(jnp.zeros((), jnp.int64), problem.start, jax.tree.map(jnp.zeros_like, problem.start))

    def waits(self, state, until):
        return jnp.where(state.step < until, 0, 1)  # for stage 0; 1, the number of stages, says that it has arrived

    def walk(self, problem, state, until):
        def step(_, state):
            slope = jax.grad(problem.model.training_loss)(state.params, problem.data)
            speed = jax.tree.map(self._pushed, state.speed, slope)
            return State(state.step + 1, jax.tree.map(jnp.add, state.params, speed), speed)

        return lax.fori_loop(state.step, jnp.minimum(state.step + BLOCK, until.astype(jnp.int64)), step, state)

    def params(self, problem, state, time):
        return state.params

    def info(self, problem, state):
        finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state.params)]
        return {"diverged": ~jnp.all(jnp.stack(finite))}

    def _pushed(self, speed, slope):
        return ((1 - self.friction) * speed - self.learning_rate * slope).astype(speed.dtype)
