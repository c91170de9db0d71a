"""What losses and accuracies are on a straight line through the parameters of a training.

Source:
    Li, Xu, Taylor, Studer, Goldstein (2018), arXiv 1712.09913, for filters; Notsawo, Zhou, Pezeshki, Rish, Dumas
    (2023), arXiv 2306.13253, for the directions.
"""

from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sweepjax.observables._path import require
from sweepjax.types import Moment, Params, Problem, Trajectory, parameter, plugin

SHOWN = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
AHEAD = ("end", "next")  # directions that are known after the training
LINE = 2**31 - 1  # of the draw of a row's random line; steps, whose batches are drawn likewise, are fewer


class Kept(NamedTuple):
    """The parameters of a recorded time; the times that are never reached have 0 for `there`."""

    params: Params
    there: Float[Array, ""]


@plugin
class LossSlices:
    """Losses and accuracies at θ_t + sδ for s from -`reach` to `reach`, a column [t 4 points].

    δ is θ_end - θ_t, with θ_end of the last recorded time, θ_next - θ_t of the next one, θ_0 - θ_t, or random. With
    `filters` δ is scaled unit by unit, to the norm of the weights that feed a unit, and each bias by itself; without
    them s = 1 is the other point. They are the four of train and test loss, train and test accuracy. The path is kept
    for `end` and `next` alone.
    """

    direction: str = parameter("random", choices=(*AHEAD, "start", "random"))  # from θ_t
    filters: bool = parameter(True)  # whether δ has the norm of the weights, unit by unit
    reach: float = parameter(3.0, above=0)  # of s, on either side
    points: int = parameter(31, at_least=2)  # at which the losses are taken
    parts: ClassVar[tuple[str, ...]] = SHOWN

    def measure(self, problem: Problem, moment: Moment) -> Any:
        there = all(name in moment.columns for name in SHOWN)
        require(there, "losses and accuracies", observable=self, problem=problem)
        if self.direction in AHEAD:
            return Kept(moment.params, jnp.ones(()))
        if self.direction == "start":
            return self._slice(problem, moment.params, _difference(problem.start, moment.params))
        return self._slice(problem, moment.params, _random(problem))

    def finish(self, problem: Problem, trajectory: Trajectory) -> Float[Array, "t 4 s"]:
        if self.direction not in AHEAD:
            return trajectory.kept
        path, there = trajectory.kept
        places, last = jnp.arange(len(there)), jnp.sum(there > 0).astype(jnp.int32) - 1
        aims = jnp.full_like(places, last) if self.direction == "end" else jnp.minimum(places + 1, last)

        def at(places: tuple[Array, Array]) -> Float[Array, "4 s"]:
            here, aim = (jax.tree.map(partial(jnp.take, indices=place, axis=0), path) for place in places)
            return self._slice(problem, here, _difference(aim, here))

        return lax.map(at, (places, aims))

    def absolute(self, relative: float) -> float:
        return 0.02  # samples at the border of two classes

    def _slice(self, problem: Problem, params: Params, away: Params) -> Float[Array, "4 s"]:
        if self.filters:
            axes = getattr(problem.model, "unit_axes", {})
            away = jax.tree_util.tree_map_with_path(
                lambda path, step, leaf: _scaled(step, leaf, _axis(path, axes)), away, params
            )

        def at(s: Array) -> Float[Array, " 4"]:
            moved = jax.tree.map(lambda leaf, step: leaf + (s * step).astype(leaf.dtype), params, away)
            columns = problem.model.metrics(moved, problem.data)
            return jnp.stack([columns[name].astype(jnp.float64) for name in SHOWN])

        return lax.map(at, jnp.linspace(-self.reach, self.reach, self.points)).T


def _difference(one: Params, other: Params) -> Params:
    return jax.tree.map(jnp.subtract, one, other)


def _random(problem: Problem) -> Params:
    """Return normal numbers, the same ones for every time of a row."""
    leaves, tree = jax.tree.flatten(problem.start)
    keys = jax.random.split(jax.random.fold_in(problem.key, LINE), len(leaves))
    drawn = [jax.random.normal(key, leaf.shape, leaf.dtype) for key, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, drawn)


def _axis(path: tuple[Any, ...], axes: dict[str, int]) -> int:
    """Return which of the last two axes numbers the units, 0 or 1."""
    return axes.get(getattr(path[-1], "name", ""), 1) if path else 1


def _scaled(step: Array, leaf: Array, axis: int) -> Array:
    """Return a step that is as long as the weights are, unit by unit; of one number each where there is one axis."""
    over = () if leaf.ndim < 2 else (-1 if axis == 0 else -2,)
    length, aimed = (jnp.sqrt(jnp.sum(each**2, axis=over, keepdims=True)) for each in (step, leaf))
    return jnp.where(length > 0, step * aimed / jnp.where(length > 0, length, 1), 0)
