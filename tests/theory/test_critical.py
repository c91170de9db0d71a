import numpy as np
import pytest

from sweepjax.theory import (
    CRITICAL_AMPLITUDE,
    CRITICAL_POSITIVE_FRACTION,
    critical_quantile,
    critical_tail,
    margin_standard_deviation,
    s_inf,
    s_inf_quantile,
    s_inf_standard_deviation,
    separable_probability_gaussian,
)


def test_the_constants_of_the_transition_are_known():
    assert pytest.approx(1.3092569, abs=5e-8) == CRITICAL_AMPLITUDE
    assert pytest.approx(0.144645, abs=5e-7) == CRITICAL_POSITIVE_FRACTION


def test_reference_quantiles_at_the_transition_are_reproduced():
    expected = [1.221, 1.594, 2.319]
    assert critical_quantile([0.25, 0.5, 0.75], n=1) == pytest.approx(expected, abs=6e-4)


def test_quantiles_at_the_transition_grow_with_the_fourth_root_of_the_samples():
    assert critical_quantile(0.5, n=160_000) == pytest.approx(20 * critical_quantile(0.5, n=1))


@pytest.mark.parametrize("lam", [0.3, 0.48, 0.5, 0.52, 0.9])
def test_the_tail_is_the_inverse_of_the_quantile(lam):
    q = np.array([1e-6, 0.1, 0.5, 0.9, 0.999])
    assert critical_tail(critical_quantile(q, n=400, lam=lam), n=400, lam=lam) == pytest.approx(1 - q, rel=1e-9)


def test_the_law_agrees_with_drawing_its_random_bracket():
    # Four standard errors of the median of 200 000 draws, seed 0.
    noise = np.random.default_rng(0).standard_normal(200_000)
    bracket = 1 - 2 * 0.49 - noise / np.sqrt(400)
    separable = np.mean(bracket < 0)
    below = np.mean(CRITICAL_AMPLITUDE / np.sqrt(bracket[bracket > 0]) < critical_quantile(0.5, n=400, lam=0.49))
    assert below == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(100_000))
    assert separable == pytest.approx(separable_probability_gaussian(n=400, d=196), abs=0.005)


def test_far_below_the_window_the_law_narrows_onto_the_square_root():
    lam = 0.5 - 1e-5
    assert critical_quantile([0.01, 0.99], n=10**20, lam=lam) == pytest.approx(s_inf(lam), rel=2e-3)


def test_the_tail_at_the_transition_falls_like_the_inverse_square():
    assert critical_tail(1e4, n=1) * 1e8 == pytest.approx(1.3677, abs=1e-4)


def test_the_scatter_below_the_window_agrees_with_simulation():
    assert s_inf_standard_deviation(0.3, n=1) == pytest.approx(2.96, abs=5e-3)
    assert s_inf_standard_deviation(0.3, n=2000, sigma=2) == pytest.approx(2.9625 / np.sqrt(2000) / 2, rel=1e-4)


def test_scatter_exists_on_one_side_of_the_transition_only():
    assert np.isnan(s_inf_standard_deviation(0.6, n=400))
    assert np.isnan(margin_standard_deviation(0.4, n=400))


def test_quantiles_of_shifted_aspect_ratios_tend_to_the_critical_ones():
    q = [0.05, 0.5, 0.95]
    assert s_inf_quantile(q, n=1e14) == pytest.approx(critical_quantile(q, n=1e14), rel=1e-3)


def test_quantiles_of_shifted_aspect_ratios_narrow_onto_the_exact_curve():
    assert s_inf_quantile([0.01, 0.99], n=1e12, lam=0.48, sigma=2) == pytest.approx(s_inf(0.48, sigma=2), rel=1e-4)


@pytest.mark.parametrize(("n", "measured"), [(64, [0.891, 1.283, 2.085]), (1024, [1.126, 1.468, 2.275])])
def test_quantiles_of_shifted_aspect_ratios_agree_with_simulation_where_the_critical_ones_do_not_yet(n, measured):
    assert s_inf_quantile([0.25, 0.5, 0.75], n=n) / n**0.25 == pytest.approx(measured, rel=0.05)


def test_a_quantile_outside_the_unit_interval_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        critical_quantile(1.0, n=400)
