import numpy as np
import pytest
from scipy.special import ndtr

from sweepjax.theory import (
    extended_svm,
    limiting_accuracy,
    margin,
    margin_median,
    margin_standard_deviation,
    support_fraction,
)

TABLE = [
    (0.505, 0.00624211309945, 0.50249023),
    (0.5125, 0.0155149591759, 0.50618932),
    (0.52, 0.0246820160794, 0.5098457),
    (0.525, 0.0307360098884, 0.51225996),
    (0.5375, 0.0456760064019, 0.51821576),
    (0.55, 0.0603469539764, 0.52406035),
    (0.575, 0.0889259147105, 0.53542961),
    (0.5875, 0.102854321107, 0.5409607),
    (0.6, 0.116554577262, 0.54639348),
    (0.6125, 0.130035409417, 0.55173079),
    (0.625, 0.143305037923, 0.55697536),
    (0.6375, 0.15637121609, 0.56212979),
    (0.65, 0.169241265351, 0.56719656),
    (0.75, 0.265899873458, 0.60484184),
    (0.8, 0.310578447703, 0.62193944),
    (1.0, 0.470655352618, 0.68105656),
    (2.0, 1.03431406137, 0.84950532),
]
LAM, KAPPA, FRACTION = np.array(TABLE).T


def density(z):
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def test_the_margin_inverts_its_equation():
    lam = np.concatenate([np.linspace(0.51, 3, 50), [1e2, 1e4, 1e8]])
    kappa = margin(lam)
    assert (1 + kappa**2) * ndtr(kappa) + kappa * density(kappa) == pytest.approx(lam, rel=1e-14)


def test_there_is_no_margin_below_the_transition_and_none_to_spare_at_it():
    assert np.isnan(margin(0.4))
    assert margin(0.5) == 0


def test_the_margin_opens_linearly():
    excess = np.array([1e-12, 1e-9, 1e-6])
    assert margin(0.5 + excess) == pytest.approx(np.sqrt(2 * np.pi) / 2 * excess, rel=1e-4)


def test_the_margin_is_measured_in_units_of_the_data():
    assert margin(0.7, sigma=5) == pytest.approx(5 * margin(0.7))


def test_many_features_give_the_margin_of_orthogonal_samples():
    assert margin(1e6) ** 2 == pytest.approx(1e6 - 1, rel=1e-12)


def test_reference_margins_are_reproduced():
    assert margin(LAM) == pytest.approx(KAPPA, rel=2e-11)


def test_reference_support_fractions_are_reproduced():
    assert support_fraction(LAM) == pytest.approx(FRACTION, abs=6e-9)


@pytest.mark.parametrize(
    ("lam", "value"), [(0.65, 0.9999999983), (0.75, 0.9999153194), (1, 0.9831940466), (2, 0.8331840704)]
)
def test_reference_accuracies_are_reproduced(lam, value):
    assert limiting_accuracy(margin(lam)) == pytest.approx(value, abs=6e-11)


def test_wider_data_generalize_worse_by_the_square_of_sigma():
    expected = ndtr(1 / (25 * margin(0.6)))
    assert limiting_accuracy(margin(0.6, sigma=5), sigma=5) == pytest.approx(expected, rel=1e-14)


def test_no_margin_means_perfect_accuracy():
    assert limiting_accuracy(0.0) == 1


def test_the_extended_solution_has_margin_one_and_length_of_the_theorem():
    size = np.array([0.01, 0.5, 3.0])
    s_norm, b = extended_svm(size)
    assert -s_norm * size + b == pytest.approx(-1)
    assert s_norm**2 + b**2 == pytest.approx(1 / (1 + size**2))


def test_the_extended_solution_of_a_reference_set_is_reproduced():
    assert tuple(extended_svm(0.7120551045)) == pytest.approx((0.4724913648, -0.6635601118), abs=1e-10)


def test_inseparable_data_leave_the_bias_alone():
    assert tuple(extended_svm(0.0)) == (0, -1)


@pytest.mark.parametrize(
    ("lam", "value"), [(0.5, 0.627), (0.55, 0.639), (0.6, 0.648), (0.7, 0.662), (1, 0.684), (2, 0.702), (1e6, 0.707)]
)
def test_the_scatter_of_the_margin_agrees_with_simulation(lam, value):
    assert margin_standard_deviation(lam, n=100) == pytest.approx(value / 10, abs=6e-5)


def test_the_scatter_at_the_transition_is_that_of_the_critical_ratio():
    assert margin_standard_deviation(0.5, n=1) == pytest.approx(np.sqrt(np.pi / 8), rel=1e-13)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="sigma is -1"):
        margin(0.6, sigma=-1)
    with pytest.raises(ValueError, match="margin is -1"):
        limiting_accuracy(-1)


def test_the_median_margin_is_that_of_half_a_normal_law_at_the_transition_and_the_exact_one_far_above_it():
    assert margin_median(0.5, n=400) == pytest.approx(0.6744897502 * np.sqrt(np.pi / 8 / 400))
    assert margin_median(0.6, n=1e6, sigma=2) == pytest.approx(margin(0.6, sigma=2))
    assert np.isnan(margin_median(0.4, n=400))


def test_the_median_margin_is_positive_and_grows():
    medians = margin_median(np.linspace(0.5, 0.7, 21), n=50)
    assert medians[0] > 0
    assert np.all(np.diff(medians) > 0)
