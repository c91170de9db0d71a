"""A view that is made again is the same, and its single numbers are not computed again."""

from types import SimpleNamespace

import everyday
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweepjax.engine.drawing import drawn, small_of, viewed, viewed_again
from sweepjax.engine.settings import settled
from sweepjax.keys import realization_keys
from sweepjax.plugins import find, names
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


@pytest.mark.slow
@pytest.mark.parametrize("name", names("models"))
def test_a_dataset_of_a_model_is_the_same_bits_however_many_are_drawn_side_by_side(name):
    everyday.run(f"import test_drawing; test_drawing.check_side_by_side({name!r})")


def check_side_by_side(name, width=64, looked_at=16):
    model = find("models", name)()

    def draw(realization, always):
        return drawn(model, realization_keys(model, np.uint32(0), realization).data, always)

    with settled():
        rows = jnp.arange(width, dtype=jnp.uint32)
        many = jax.jit(jax.vmap(draw, in_axes=(0, None)))(rows, True)
        alone = jax.jit(draw)
        for row in range(looked_at):
            one, of_many = jax.tree.leaves(alone(rows[row], True)), jax.tree.leaves(many)
            for leaf, leaves in zip(one, of_many, strict=True):
                np.testing.assert_array_equal(leaf, leaves[row])
