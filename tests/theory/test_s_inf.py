import time

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import expit, lambertw, ndtr

from sweepjax.theory import loss_inf, negative_mean, positive_fraction, positive_mean, s_inf
from sweepjax.theory._proximal import solve

EXPONENTIAL = [
    (0.05, 0.24229327, 0.054182381, 0.97399321, 0.411525, 0.679577, -0.845356),
    (0.1, 0.37561226, 0.11885846, 0.94565907, 0.375835, 0.605736, -0.844168),
    (0.2, 0.66601442, 0.29984075, 0.87956724, 0.326283, 0.470114, -0.815435),
    (0.3, 1.1096075, 0.62483941, 0.79450079, 0.286677, 0.336201, -0.762318),
    (0.3875, 1.8850475, 1.2655764, 0.69232395, 0.250990, 0.215346, -0.692728),
    (0.4, 2.0696343, 1.4276104, 0.67418944, 0.245164, 0.197413, -0.680209),
    (0.45, 3.3768482, 2.6420221, 0.58531648, 0.216992, 0.121575, -0.618548),
    (0.48, 5.8825104, 5.1387124, 0.50634442, 0.191180, 0.067913, -0.562924),
    (0.49, 8.6488095, 7.990602, 0.46721159, 0.177770, 0.045130, -0.534738),
    (0.49625, 14.561996, 14.184034, 0.43130841, 0.165017, 0.026096, -0.508298),
    (0.499, 28.761023, 29.176699, 0.40447066, 0.155183, 0.012907, -0.488058),
]
LOGISTIC = [
    (0.05, 0.48311092, 0.22167584, 0.66749903, 0.409269, 0.683235, -0.842284),
    (0.1, 0.74230333, 0.49504181, 0.64044274, 0.369397, 0.615950, -0.836404),
    (0.2, 1.2724924, 1.2765508, 0.58114763, 0.307976, 0.497466, -0.797893),
    (0.3, 2.011025, 2.668613, 0.5121216, 0.253507, 0.381143, -0.736824),
    (0.3875, 3.2165636, 5.3230774, 0.437727, 0.203992, 0.269482, -0.662626),
    (0.4, 3.4979524, 5.9818609, 0.42527005, 0.196261, 0.251756, -0.649641),
    (0.45, 5.4903648, 10.869888, 0.36657445, 0.161110, 0.171034, -0.586529),
    (0.48, 9.429424, 21.095198, 0.31662051, 0.131659, 0.105101, -0.529935),
    (0.49, 14.032692, 33.482774, 0.29211862, 0.116429, 0.073375, -0.500787),
    (0.49625, 24.913462, 63.786014, 0.26926628, 0.100246, 0.044096, -0.472251),
    (0.499, 58.345065, 161.85042, 0.2509296, 0.082719, 0.021356, -0.447778),
]
ROWS = [("exponential", row) for row in EXPONENTIAL] + [("logistic", row) for row in LOGISTIC]
LOSSES = ["exponential", "logistic"]


def normal_mean(function):
    return quad(lambda z: function(z) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), -10, 10, epsabs=1e-12, limit=200)[0]


@pytest.mark.parametrize("lam", [0.001, 0.1, 0.4, 0.48])
def test_the_exponential_solution_satisfies_the_equations_as_first_written(lam):
    r, g = solve(lam)

    def push(z):
        return lambertw(g * r * np.exp(r * z)).real

    assert normal_mean(lambda z: push(z) ** 2) == pytest.approx(lam * r**2, rel=1e-9)
    assert normal_mean(lambda z: 1 / (1 + push(z))) == pytest.approx(1 - lam, rel=1e-10)


@pytest.mark.parametrize("lam", [0.1, 0.45])
def test_the_logistic_solution_satisfies_the_equations_as_first_written(lam):
    r, g = solve(lam, "logistic")

    def slope(z):
        return expit(brentq(lambda u: u + g * r * expit(u) - r * z, -10 * r - g * r, 10 * r, xtol=1e-14))

    assert normal_mean(lambda z: (g * r * slope(z)) ** 2) == pytest.approx(lam * r**2, rel=1e-8)
    assert normal_mean(lambda z: 1 / (1 + g * r * slope(z) * (1 - slope(z)))) == pytest.approx(1 - lam, rel=1e-8)


@pytest.mark.parametrize("lam", [0.001, 0.2, 0.45, 0.4999])
def test_the_mean_projection_is_minus_the_ratio_g_times_the_least_exponential_loss(lam):
    share = positive_fraction(lam)
    total = (1 - share) * negative_mean(lam) + share * positive_mean(lam)
    assert total == pytest.approx(-solve(lam).g * loss_inf(lam), rel=1e-11)


@pytest.mark.parametrize(("loss", "slope"), [("exponential", 1), ("logistic", 2)])
def test_few_features_give_linear_response(loss, slope):
    lam = 1e-8
    assert s_inf(lam, loss=loss) == pytest.approx(slope * np.sqrt(lam), rel=1e-6)


def test_wider_data_have_a_proportionally_shorter_minimiser():
    assert s_inf(0.3, sigma=5) == pytest.approx(s_inf(0.3) / 5)
    assert positive_mean(0.3, sigma=5) == pytest.approx(5 * positive_mean(0.3))
    assert negative_mean(0.3, sigma=5) == pytest.approx(5 * negative_mean(0.3))


@pytest.mark.parametrize("loss", LOSSES)
def test_there_is_no_finite_minimiser_from_the_transition_on(loss):
    values = s_inf([0.3, 0.5, 0.6], loss=loss)
    assert np.array_equal(np.isnan(values), [False, True, True])


@pytest.mark.parametrize("loss", LOSSES)
def test_the_length_grows_all_the_way_to_the_transition(loss):
    lam = np.concatenate([np.linspace(0.001, 0.499, 30), 0.5 - np.logspace(-3.1, -12, 10)])
    assert np.all(np.diff(s_inf(lam, loss=loss)) > 0)


@pytest.mark.parametrize(("loss", "row"), ROWS)
def test_reference_rows_are_reproduced(loss, row):
    lam, r, gamma, least, fraction, above, below = row
    assert s_inf(lam, loss=loss) == pytest.approx(r, rel=5e-8)
    assert np.prod(solve(lam, loss)) == pytest.approx(gamma, rel=5e-8)
    assert loss_inf(lam, loss=loss) == pytest.approx(least, abs=6e-9)
    assert positive_fraction(lam, loss=loss) == pytest.approx(fraction, abs=6e-7)
    assert positive_mean(lam, loss=loss) == pytest.approx(above, abs=6e-7)
    assert negative_mean(lam, loss=loss) == pytest.approx(below, abs=6e-7)


def test_the_exponential_divergence_is_a_square_root_with_its_known_amplitude():
    lam = 0.5 - 1e-6
    length = s_inf(lam)
    assert length**2 * (1 - 2 * lam) == pytest.approx(1.712406, abs=1e-6)
    assert (np.log(2) ** 2 + np.pi**2 / 8 - length**2 * (1 - 2 * lam)) * length == pytest.approx(1.614, abs=4e-3)


def test_the_fraction_of_wrong_samples_tends_to_a_positive_constant():
    expected = ndtr(-np.exp((np.log(2) - np.euler_gamma) / 2))
    assert positive_fraction(0.5 - 1e-12) == pytest.approx(expected, abs=1e-6)


def test_the_logistic_divergence_follows_its_own_law():
    def density(z):
        return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    distance = 1e-8
    g = brentq(lambda g: (1 + g * g) * ndtr(-g) - g * density(g) - distance, 0, 20)
    weight = quad(lambda z: z * np.log(z / (g - z)) * density(z), 0, g, epsabs=1e-13)[0]
    assert s_inf(0.5 - distance, loss="logistic") == pytest.approx(weight / (distance - ndtr(-g)), rel=1e-4)


@pytest.mark.parametrize(("distance", "value"), [(1e-5, 3987.6), (1e-6, 39223.8)])
def test_the_logistic_length_is_known_close_to_the_transition(distance, value):
    assert s_inf(0.5 - distance, loss="logistic") == pytest.approx(value, rel=1e-5)


def test_a_curve_takes_well_under_a_second():
    solve.cache_clear()
    started = time.perf_counter()
    s_inf(np.linspace(0.2, 0.499, 21))
    assert time.perf_counter() - started < 1


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="choose one of: exponential, logistic"):
        s_inf(0.4, loss="hinge")
    with pytest.raises(ValueError, match="lam is -4"):
        s_inf(-4)
