import numpy as np
import pytest

from sweepjax.theory import s_inf_lower_bound, two_point


@pytest.mark.parametrize("lam", [0.1, 0.3, 0.49])
def test_the_bound_is_an_equality_for_two_points_on_a_line(lam):
    x = 1 - 2 * lam
    bound = s_inf_lower_bound(n=2, d=1, delta=x / (1 + x), diameter=1 + x)
    assert bound == pytest.approx(two_point.s_inf(lam))


def test_the_bound_is_an_equality_for_a_doubled_point():
    # Σ x e^{xS} = 0 for x = -1, -1, 1 at S = ½ log 2, and half of the weight lies on x = 1.
    assert s_inf_lower_bound(n=3, d=1, delta=1 / 2, diameter=2) == pytest.approx(0.5 * np.log(2))


def test_the_bound_diverges_as_the_origin_reaches_the_boundary():
    assert np.all(np.diff(s_inf_lower_bound(n=10, d=4, delta=np.logspace(-1, -30, 9), diameter=2.0)) > 0)


def test_larger_data_weaken_the_bound():
    assert s_inf_lower_bound(n=10, d=4, delta=0.1, diameter=4.0) == pytest.approx(
        s_inf_lower_bound(n=10, d=4, delta=0.1, diameter=1.0) / 4
    )


def test_a_bound_that_says_nothing_is_zero():
    assert s_inf_lower_bound(n=10, d=8, delta=0.9, diameter=1.0) == 0


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="n > d"):
        s_inf_lower_bound(n=4, d=4, delta=0.1, diameter=1.0)
    with pytest.raises(ValueError, match="delta is 0"):
        s_inf_lower_bound(n=4, d=2, delta=0, diameter=1.0)
