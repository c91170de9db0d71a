"""λ = d/n is an axis and a column where the integers n and d of a model mean that."""

import pytest

import sweepjax as sj
from sweepjax.columns import labels
from sweepjax.solvers.adam import Adam
from sweepjax.sweep.fields import sweepable
from sweepjax.types import Chunk, Family, Task


@sj.plugin
class Samples:
    n: int = 8
    d: int = 4


@sj.plugin
class Depth:
    n: int = 8
    d: int = 4
    aspect = False


@pytest.mark.parametrize(("model", "has"), [(Samples, True), (Depth, False)])
def test_a_model_says_whether_lambda_is_an_axis_and_a_column(model, has):
    assert ("lam" in sweepable(model, Adam)) == has
    assert ("lam" in labels(Chunk(Family((Task(model(), Adam()),)), 0, 1))) == has
