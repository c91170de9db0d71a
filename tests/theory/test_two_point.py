import numpy as np
import pytest
from oracles import FLOW
from scipy.integrate import solve_ivp
from scipy.special import hyp2f1, lambertw, ndtr, ndtri

from sweepjax.theory import limiting_accuracy, population_loss, two_point


def integrated(t, lam, sigma, start):
    """S and b by brute force, in s = log(1 + t)."""
    x = 1 - 2 * lam

    def flow(s, state):
        scaled, b = state
        speed = 0.5 * np.exp(b + s)
        left, right = np.exp(-scaled), np.exp(x * scaled)
        return [sigma**2 * speed * (left - x * right), -speed * (left + right)]

    begin = [sigma * start[0], start[1]]
    end = solve_ivp(flow, (0, np.log1p(t)), begin, "LSODA", rtol=1e-11, atol=1e-12).y[:, -1]
    return end[0] / sigma, end[1]


def test_the_limit_vanishes_for_no_features_and_diverges_at_the_transition():
    assert two_point.s_inf(0.0) == 0
    assert two_point.s_inf(0.5) == np.inf
    assert np.isnan(two_point.s_inf(0.6))


def test_the_limit_is_where_the_two_forces_balance():
    lam = np.linspace(0.05, 0.49, 9)
    x, s = 1 - 2 * lam, two_point.s_inf(lam)
    assert np.exp(-s) == pytest.approx(x * np.exp(x * s))
    assert 0.5 * (np.exp(-s) + np.exp(x * s)) == pytest.approx(two_point.loss_inf(lam))


@pytest.mark.parametrize(
    ("lam", "value"),
    [
        (0.1, 0.123968639619),
        (0.2, 0.319266014854),
        (0.3, 0.654493379910),
        (0.4, 1.341198260362),
        (0.45, 2.093259175449),
        (0.48, 3.095072908527),
        (0.49, 3.835316671988),
        (0.495, 4.559574441572),
        (0.499, 6.202203691040),
    ],
)
def test_reference_limits_are_reproduced(lam, value):
    assert two_point.s_inf(lam) == pytest.approx(value, abs=1e-12)
    assert two_point.s_inf(lam, sigma=5) == pytest.approx(value / 5, abs=1e-12)


def test_the_margin_is_the_distance_of_the_nearer_point():
    assert two_point.margin([0.6, 1.0], sigma=5) == pytest.approx([1, 5])
    assert np.isnan(two_point.margin(0.4))
    assert not np.signbit(two_point.margin(0.5))


@pytest.mark.parametrize(("lam", "s", "b"), FLOW)
def test_reference_points_of_the_flow_are_reproduced(lam, s, b):
    assert tuple(two_point.s_and_b(1e4, lam)) == pytest.approx((s, b), abs=4e-9 if lam == 0.1 else 3e-10)


@pytest.mark.parametrize("lam", [0.0, 0.1, 0.48, 0.5 - 1e-9, 0.5, 0.5 + 1e-9, 0.52, 0.9, 1.0])
@pytest.mark.parametrize("sigma", [0.7, 5.0])
@pytest.mark.parametrize("start", [(0.0, 0.0), (1.5, -0.3), (-0.4, 0.5)])
def test_the_path_agrees_with_integrating_the_flow(lam, sigma, start):
    expected = integrated(3000.0, lam, sigma, start)
    assert tuple(two_point.s_and_b(3000.0, lam, sigma=sigma, start=start)) == pytest.approx(expected, abs=2e-8)


def test_the_path_without_features_decays_through_a_hyperbolic_tangent():
    s, b = two_point.s_and_b([0.0, 5.0], 0.0, start=(2.0, 0.0))
    assert s == pytest.approx([2, 0.44033418763], abs=2e-11)
    assert b == pytest.approx([0, -2.07647932], abs=1e-8)
    assert b == pytest.approx(np.log(np.sinh(s) / np.sinh(2)))


@pytest.mark.parametrize("learning_rate", [1.0, 0.01])
def test_the_critical_path_is_the_lambert_function(learning_rate):
    t = np.array([0.0, 1e-6, 10, 1e6, 1e60])
    w = lambertw(learning_rate * t / 2).real
    s, b = two_point.s_and_b(t, 0.5, learning_rate=learning_rate)
    assert s == pytest.approx(np.log1p(w), rel=1e-11, abs=1e-15)
    assert b == pytest.approx(-w - np.log1p(w), rel=1e-11, abs=1e-15)


def test_the_path_of_coinciding_points_is_a_logarithm():
    s, b = two_point.s_and_b([10.0, 1e3], 1.0)
    assert s == pytest.approx(0.5 * np.log(1 + 2 * np.array([10.0, 1e3])))
    assert b == pytest.approx(-s)


@pytest.mark.parametrize("lam", [0.1, 0.4, 0.48, 0.6, 0.9])
def test_the_time_is_the_hypergeometric_function(lam):
    x, s = 1 - 2 * lam, 0.1

    def primitive(u):
        return u**2 / 2 * hyp2f1(1 + 1 / x, 2 / (1 + x), 1 + 2 / (1 + x), x * u ** (1 + x))

    expected = 2 * (1 - x) ** (1 / x) * (primitive(np.exp(s)) - primitive(1.0))
    assert two_point.physical_time(s, lam) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("lam", [0.1, 0.48, 0.5, 0.9])
@pytest.mark.parametrize("sigma", [1.0, 5.0])
def test_the_time_inverts_the_path(lam, sigma):
    t = np.array([0.0, 0.1, 1.0, 10.0])
    s = two_point.s_and_b(t, lam, sigma=sigma, learning_rate=0.1).s
    assert two_point.physical_time(s, lam, sigma=sigma, learning_rate=0.1) == pytest.approx(t, rel=1e-8)


@pytest.mark.parametrize("lam", [0.1, 0.48, 0.6])
def test_conformal_time_runs_at_the_rate_of_the_bias(lam):
    t, h = 3.0, 1e-3
    s, b = two_point.s_and_b([t - h, t, t + h], lam, sigma=2)
    tau = two_point.conformal_time(s, lam, sigma=2)
    assert (tau[2] - tau[0]) / (2 * h) == pytest.approx(np.exp(b[1]), rel=1e-6)


def test_the_critical_conformal_time_is_exponential_in_s():
    assert two_point.conformal_time(1.2, 0.5) == pytest.approx(2 * np.expm1(1.2))


@pytest.mark.parametrize("lam", [0.505, 0.6])
def test_an_exponentially_long_s_does_not_overflow(lam):
    s, b = two_point.s_and_b(1e300, lam, sigma=20)
    m = two_point.margin(lam, sigma=20)
    assert (1 + m**2) * s / m == pytest.approx(np.log(1e300), rel=0.05)
    assert np.isfinite(b)


def test_a_length_beyond_the_limit_is_never_reached():
    assert np.isnan(two_point.physical_time(0.7, 0.3))


@pytest.mark.parametrize(
    ("x", "times"),
    [
        (0.5, [0, 0.65752, 1.14118, 1.20239, 1.20424, 1.20465, 1.20479]),
        (0.2, [0, 6.64044, 9.89998, 10.2764, 10.2932, 10.297, 10.2983]),
        (0.1, [0, 22.1296, 40.7865, 44.5898, 44.6491, 44.6591, 44.6623]),
        (0.05, [0, 53.085, 138.171, 177.64, 178.619, 178.638, 178.644]),
        (0.01, [0, 139.155, 767.725, 2515.65, 3414.97, 3418.22, 3418.24]),
        (0.001, [0, 181.85, 1392.07, 11033.9, 83849, 165756, 168743]),
        (0.0001, [0, 187.031, 1488.13, 13520, 194648, 1.83376e6, 7.57431e6]),
    ],
)
def test_reference_accuracy_times_are_reproduced(x, times):
    lam = (1 - x) / 2
    measured = [two_point.accuracy_time(0.95, lam, sigma=sigma) for sigma in [1, 2, 3, 5, 10, 20]]
    assert [*measured, two_point.accuracy_time_limit(0.95, lam)] == pytest.approx(times, rel=6e-6)


@pytest.mark.parametrize(("lam", "sigma"), [(0.4, 3), (0.5, 3), (0.55, 2)])
def test_the_accuracy_at_its_crossing_time_is_the_one_asked_for(lam, sigma):
    t = two_point.accuracy_time(0.9, lam, sigma=sigma, learning_rate=0.1)
    s, b = two_point.s_and_b(t, lam, sigma=sigma, learning_rate=0.1)
    assert ndtr(-b / (sigma * s)) == pytest.approx(0.9, abs=1e-10)


def test_an_accuracy_above_the_separable_limit_is_never_reached():
    limit = limiting_accuracy(two_point.margin(0.6, sigma=3), sigma=3)
    assert two_point.accuracy_time(limit + 0.01, 0.6, sigma=3) == np.inf
    assert two_point.accuracy_time(limit - 0.01, 0.6, sigma=3) < np.inf
    assert two_point.accuracy_time(0.99, 1.0, sigma=3) == np.inf


def test_narrow_data_are_accurate_from_the_start():
    assert two_point.accuracy_time(ndtr(1) - 1e-9, 0.48, sigma=1) == 0
    assert two_point.accuracy_time(0.95, 0.0, sigma=5) == 0


@pytest.mark.parametrize("threshold", [1e-4, 1e-8])
def test_both_losses_cross_the_threshold_at_the_stated_times(threshold):
    lam, rate = 0.49, 0.1
    least, s = two_point.loss_inf(lam), two_point.s_inf(lam)
    for time, excess in [
        (two_point.train_time(threshold, lam, learning_rate=rate), least),
        (two_point.generalization_time(threshold, lam, learning_rate=rate), np.exp(s**2 / 2)),
    ]:
        assert excess / (1 + rate * least * time) == pytest.approx(threshold)


def test_the_grokking_ratio_forgets_the_threshold_and_approaches_slope_one_over_root_two():
    x = np.array([1e-3, 1e-4])
    lam = (1 - x) / 2
    ratio = np.log(two_point.generalization_time(1e-8, lam) / two_point.train_time(1e-8, lam))
    slope = np.diff(np.sqrt(ratio)) / np.diff(-np.log(x))
    assert slope == pytest.approx(np.sqrt(0.5), rel=0.02)
    assert two_point.log_grokking_ratio(lam) == pytest.approx(0.5 * np.log(x) ** 2)


def test_the_reference_slope_of_the_grokking_ratio_is_reproduced():
    x = np.logspace(-3, -1, 41)
    ratio = two_point.generalization_time(1e-6, (1 - x) / 2) / two_point.train_time(1e-6, (1 - x) / 2)
    assert np.polyfit(np.log(1 / x), np.sqrt(np.log(ratio)), 1)[0] == pytest.approx(0.7243, abs=2e-3)


@pytest.mark.parametrize("threshold", [0.5, 1e-4, 1e-12])
def test_the_logistic_population_loss_crosses_the_threshold_at_its_time(threshold):
    lam, rate = np.array([0.3, 0.49]), 0.1
    time = two_point.generalization_time(threshold, lam, learning_rate=rate, loss="logistic")
    b = -np.log1p(rate * two_point.loss_inf(lam) * time)
    assert population_loss(b, two_point.s_inf(lam)) == pytest.approx(threshold)
    assert (time < two_point.generalization_time(threshold, lam, learning_rate=rate)).all()


def test_the_logistic_loss_generalizes_at_the_same_time_for_a_low_threshold():
    ratio = two_point.generalization_time(1e-14, 0.48, loss="logistic") / two_point.generalization_time(1e-14, 0.48)
    assert ratio == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("threshold", "slope"), [(1e-2, 0.490), (1e-4, 0.596), (1e-8, 0.692), (1e-12, 0.719), (1e-16, 0.724)]
)
def test_reference_slopes_of_the_logistic_loss_are_reproduced(threshold, slope):
    x = np.logspace(-3, -1, 21)
    lam = (1 - x) / 2
    ratio = two_point.generalization_time(threshold, lam, loss="logistic") / two_point.train_time(threshold, lam)
    assert np.polyfit(np.log(1 / x), np.sqrt(np.log(ratio)), 1)[0] == pytest.approx(slope, abs=5e-3)


def test_near_the_transition_the_logarithms_of_both_times_take_their_leading_form():
    x, rate, threshold = 1e-8, 0.1, 1e-5
    lam = (1 - x) / 2
    train = two_point.train_time(threshold, lam, learning_rate=rate)
    fresh = two_point.generalization_time(threshold, lam, learning_rate=rate)
    assert np.log(train) == pytest.approx(-np.log(rate * threshold), abs=1e-4)
    assert np.log(fresh) == pytest.approx(0.5 * np.log(x) ** 2 - np.log(rate * threshold / 2), abs=1e-4)


@pytest.mark.parametrize("lam", [0.3, 0.5, 0.8, 1.0])
def test_late_times_follow_table_one_with_its_constants(lam):
    late, path = two_point.late_s_and_b(1e30, lam), two_point.s_and_b(1e30, lam)
    assert late.s == pytest.approx(path.s, abs=1e-4)
    assert late.b == pytest.approx(path.b, abs=0.05 if lam < 0.5 else 1e-4)


def test_the_separable_constant_joins_the_limit_on_the_other_side():
    distance = 1e-9
    above = two_point.late_s_and_b(1.0, 0.5 + distance).s
    assert above == pytest.approx(two_point.s_inf(0.5 - distance), rel=1e-6)


def test_the_quantile_of_the_accuracy_sets_the_limiting_time():
    lam = 0.48
    t = two_point.accuracy_time_limit(0.9, lam)
    assert np.log1p(two_point.loss_inf(lam) * t) == pytest.approx(ndtri(0.9) * two_point.s_inf(lam))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="0 <= lam <= 1"):
        two_point.s_inf(1.2)
    with pytest.raises(ValueError, match="t is -1"):
        two_point.s_and_b(-1, 0.4)
    with pytest.raises(ValueError, match="0 < lam < 1"):
        two_point.conformal_time(0.1, 1.0)
    with pytest.raises(ValueError, match="loss is 'hinge'"):
        two_point.generalization_time(0.1, 0.4, loss="hinge")
