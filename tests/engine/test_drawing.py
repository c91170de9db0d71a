"""A view that is made again is the same, and its single numbers are not computed again."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

from sweepjax.engine.drawing import small_of, viewed, viewed_again
from sweepjax.types import Problem


class Scaled:
    """Data in units of their largest entry, which is kept, and a number that is given."""

    def view(self, problem):
        unit = jnp.max(jnp.abs(problem.data))
        mean = jnp.mean(problem.data)
        rest = {"fixed": 0.5, "none": jnp.float32(0), "key": problem.key, "again": unit}
        return {"x": problem.data / unit, "unit": unit, "used": problem.used, "mean": mean, **rest}


def problem():
    data = jax.random.normal(jax.random.key(1), (5, 3))
    return Problem(SimpleNamespace(), data, (), jax.random.key(0), used=jnp.int32(2))


def again(small):
    return viewed_again(Scaled(), problem()._replace(model=None), small)


def test_a_view_that_is_made_again_is_the_same():
    first = viewed(Scaled(), problem())
    second = again(small_of(first))
    assert (second.pop("key") == first.pop("key")).all()
    jax.tree.map(np.testing.assert_array_equal, second, first)


def test_its_single_numbers_are_those_that_are_given():
    first = viewed(Scaled(), problem())
    small = small_of(first)
    given = again([2 * each for each in small])
    assert [given[name] for name in ("unit", "mean")] == [2 * first["unit"], 2 * first["mean"]]
    np.testing.assert_allclose(given["x"], first["x"] / 2)


def reductions(view):
    compiled = jax.jit(lambda data: view(problem()._replace(model=None, data=data))).lower(problem().data).compile()
    return compiled.as_text().count(" reduce(")


def test_nothing_is_reduced_again():
    small = small_of(viewed(Scaled(), problem()))
    assert reductions(lambda problem: viewed(Scaled(), problem)) > 0
    assert reductions(lambda problem: viewed_again(Scaled(), problem, small)) == 0


def test_a_solver_without_a_view_has_none_again():
    assert viewed_again(object(), problem(), []) is None
