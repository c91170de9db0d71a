"""The bias on exponential inputs: probabilities in three forms, the law of the delay."""

from math import perm

import numpy as np
import pytest
from scipy.special import ndtr

from sweepjax.theory import perceptron_exponential as theory

GAPS = 0.004, 0.04, 0.4
PROBABILITIES = {1: (0.00797, 0.07688, 0.55067), 2: (0.00800, 0.07968, 0.63659), 5: (0.01094, 0.10896, 0.80711)}
MEAN_TIMES = {2: (4.419, 2.331, 0.849), 5: (3.658, 1.722, 0.498)}
MEDIAN_TIMES = {2: (4.414, 2.207, 0.600), 5: (3.649, 1.550, 0.305), 10: (2.990, 1.073, 0.165)}


def draws(n, count=100_000):
    """Return x̄ and the smallest input of label 1, of many draws."""
    inputs = np.random.default_rng(0).exponential(size=(count, 2, n))
    return (inputs[:, 0].mean(1) - inputs[:, 1].mean(1)) / 2, inputs[:, 0].min(1)


@pytest.mark.parametrize("n", PROBABILITIES)
def test_the_probability_to_generalize_is_the_tabulated_one(n):
    np.testing.assert_allclose(theory.generalizing_probability(GAPS, n=n), PROBABILITIES[n], atol=5e-6)


@pytest.mark.parametrize("n", [1, 2, 5, 10])
@pytest.mark.parametrize("gap", GAPS)
def test_finite_sum_bessel_integral_and_hypergeometric_form_agree(n, gap):
    finite = theory.generalizing_probability(gap, n=n)
    assert theory.generalizing_probability_bessel(gap, n=n) == pytest.approx(finite, rel=1e-10)
    assert theory.generalizing_probability_hypergeometric(gap, n=n) == pytest.approx(finite, rel=1e-10)


@pytest.mark.parametrize("n", [100, 200, 1000])
def test_many_inputs_have_the_probabilities_of_a_normal_mean(n):
    finite = theory.generalizing_probability(0.05, n=n)
    assert theory.generalizing_probability_bessel(0.05, n=n) == pytest.approx(finite, rel=1e-9)
    # The difference of two means of n numbers of variance 1 is normal, to a kurtosis of 3/n.
    assert finite == pytest.approx(2 * ndtr(0.1 * np.sqrt(n / 2)) - 1, abs=0.2 / n)
    assert 1 - theory.mean_accuracy(0.01, n=n) == pytest.approx(_mean_error(0.01, n), rel=0.3 / n)


def _mean_error(gap, n):
    """Return the mean of 1 - e^-(|x̄| - gap) over a normal x̄ that is beyond the gap."""
    x = gap + np.linspace(0, 10, 100_001) / np.sqrt(2 * n)
    density = 2 * np.exp(-n * x**2) * np.sqrt(n / np.pi)
    return 0.5 * np.trapezoid(-np.expm1(gap - x) * density, x)


def test_two_inputs_of_either_label_have_an_elementary_probability():
    gap = np.linspace(0, 3, 31)
    elementary = 1 - (1 + 2 * gap) * np.exp(-4 * gap)
    np.testing.assert_allclose(theory.generalizing_probability(gap, n=2), elementary, atol=1e-14)


def test_the_density_of_the_mean_integrates_to_one():
    x = np.linspace(-6, 6, 100_001)
    assert np.trapezoid(theory.mean_density(x, n=3), x) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_density_of_the_delay_integrates_to_one(n):
    assert theory.grokking_time_probability(np.inf, 0.4, n=n) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("n", MEAN_TIMES)
def test_the_mean_delay_is_the_tabulated_one(n):
    means = [theory.mean_grokking_time(gap, n=n) for gap in GAPS]
    # The table is of draws: two per cent.
    np.testing.assert_allclose(means, MEAN_TIMES[n], rtol=0.02)


@pytest.mark.parametrize("n", MEDIAN_TIMES)
def test_half_of_the_delays_are_below_the_tabulated_median(n):
    below = [theory.grokking_time_probability(*each, n=n) for each in zip(MEDIAN_TIMES[n], GAPS, strict=True)]
    np.testing.assert_allclose(below, 0.5, atol=0.01)


@pytest.mark.parametrize("n", [1, 2, 5, 10])
@pytest.mark.parametrize("gap", GAPS)
def test_the_law_of_the_delay_is_that_of_draws(n, gap):
    x, smallest = draws(n)
    within = np.abs(x) < gap
    delays = np.log((gap + smallest - x)[within] / (gap - x)[within])
    for time in (0.1, 0.5, 1.0, 2.0, 4.0):
        measured, exact = np.mean(delays <= time), theory.grokking_time_probability(time, gap, n=n)
        # 700 to 90,000 of 10^5 draws: four standard errors.
        assert abs(measured - exact) < 4 * np.sqrt(exact * (1 - exact) / delays.size)


@pytest.mark.parametrize("gap", GAPS)
def test_the_delay_with_two_inputs_of_either_label_has_an_elementary_density(gap):
    time = np.array([0.1, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0])

    def antiderivative(a, rate, power):
        terms = (perm(power, k) * a ** (power - k) / (-rate) ** k for k in range(power + 1))
        return np.exp(rate * a) / rate * sum(terms)

    def integral(ends, rate, power):
        """∫ a^power e^(rate·a) da between two ends."""
        low, high = (antiderivative(a, rate, power) for a in ends)
        return high - low

    # a = gap - x̄; the gamma variables differ by 2x̄ - a(e^t - 1), which is positive below the kink.
    slope, kink, rate = 1 + np.exp(time), 2 * gap / (1 + np.exp(time)), -4 * np.exp(time)
    below = np.exp(-4 * gap) / 2 * integral((0, kink), 4.0, 1)
    beyond = (0.5 - 4 * gap) * integral((kink, 2 * gap), rate, 1) + 2 * slope * integral((kink, 2 * gap), rate, 2)
    elementary = 4 * np.exp(time) * (below + np.exp(4 * gap) * beyond) / theory.generalizing_probability(gap, n=2)
    np.testing.assert_allclose(theory.grokking_time_density(time, gap, n=2), elementary, rtol=1e-9)


@pytest.mark.parametrize("b", [-0.7, -0.1, 0.0, 0.3, 2.0])
def test_the_error_is_the_share_of_fresh_inputs_on_the_wrong_side(b):
    excess = 0.2 + np.random.default_rng(0).exponential(size=(2, 100_000))
    wrong = np.mean([excess[0] < b, -excess[1] > b])
    assert theory.test_error(b, epsilon=0.2) == pytest.approx(wrong, abs=4 * 0.5 / np.sqrt(200_000))


def test_a_bias_on_either_side_of_the_gap_has_the_same_error():
    np.testing.assert_array_equal(theory.test_error([-0.5, 0.5], epsilon=0.2), 0.5 * (1 - np.exp(-0.3)))
    np.testing.assert_array_equal(theory.test_error([-0.1, 0.1], epsilon=0.2), 0)


def test_penalties_widen_the_gap():
    assert theory.effective_gap(0.2, l1=0.05, l2=0.3) == pytest.approx(0.31)


def test_a_negative_gap_is_refused():
    with pytest.raises(ValueError, match="give numbers from 0"):
        theory.generalizing_probability(-0.1, n=2)
