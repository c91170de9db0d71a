import jax
import numpy as np
import pytest

import sweepjax as sj
from sweepjax.models.symmetric import Symmetric
from sweepjax.theory.separability import separable_probability


@pytest.mark.slow
def test_a_mixture_of_two_gaussians_is_separable_with_wendels_probability():
    # It is no linear map of the Gaussian with the same noise, and some of its draws are of the other class.
    options = {"model": "symmetric", "solver": "limit", "n": 40, "seed": 0, "realizations": 1000}
    one, mixed = (sj.run("0.4,0.5", mixture=mixture, **options) for mixture in (0.0, 3.0))
    assert (one["separable"] != mixed["separable"]).any()
    for d, rows in mixed.groupby("d"):
        exact = separable_probability(n=40, d=d)
        assert abs(rows["separable"].mean() - exact) < 4 * (exact * (1 - exact) / len(rows)) ** 0.5


def test_one_feature_has_the_deviation_that_is_asked_for():
    with jax.enable_x64(True):
        one, three = (Symmetric(d=d, sigma=2.0, anisotropy=100.0)._deviations() for d in (1, 3))
    np.testing.assert_array_equal(one, [2.0])
    np.testing.assert_allclose(three, [20.0, 2.0, 0.2])
