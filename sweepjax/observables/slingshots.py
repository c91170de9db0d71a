"""Sudden rises of a training loss that was small: the slingshots of adaptive optimisers.

Source:
    Thilak, Littwin, Zhai, Saremi, Paiss, Susskind (2022), "The Slingshot Mechanism", arXiv 2206.04817.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from sweepjax.observables._path import require
from sweepjax.types import Moment, Problem, Trajectory, parameter, plugin


@plugin
class Slingshots:
    """How often the training loss has risen `rise`-fold over its least of the last `window` steps, that being `small`.

    The least is taken over recorded times, so that every step is to be recorded. A rise within `window` steps of
    another is part of it. Losses below `floor` count as `floor`: there rounding alone multiplies them.
    """

    window: int = parameter(50, at_least=1)  # in steps
    rise: float = parameter(100.0, above=1)  # factor that counts as one
    small: float = parameter(1e-3, above=0)  # what a loss rises from
    floor: float = parameter(1e-8, above=0)  # what a smaller loss counts as

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, ""]:
        require("train_loss" in moment.columns, "a train_loss", observable=self, problem=problem)
        return moment.columns["train_loss"]

    def finish(self, problem: Problem, trajectory: Trajectory) -> Int[Array, " t"]:
        if "step" not in trajectory.clock:
            raise ValueError("observable 'slingshots' needs steps, which this solver does not take; leave it out")
        step, loss = trajectory.clock["step"], jnp.maximum(trajectory.kept.astype(jnp.float64), self.floor)
        least = self._over_window(step, loss, jnp.inf, jnp.minimum)
        high = (loss > self.rise * least) & (least < self.small)
        before = self._over_window(step, high, False, jnp.logical_or)
        return jnp.cumsum(high & ~before)

    def _over_window(self, step: Array, values: Array, empty: float | bool, joined: Callable[..., Array]) -> Array:
        """Join, for each recorded time, the values at those before it that are in its window."""
        place = jnp.arange(len(step))

        def further(back: Array, found: Array) -> Array:
            there = jnp.maximum(place - back, 0)
            near = (place >= back) & (step - step[there] <= self.window)
            return jnp.where(near, joined(found, values[there]), found)

        return lax.fori_loop(1, self.window + 1, further, jnp.full_like(values, empty))
