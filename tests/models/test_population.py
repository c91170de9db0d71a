"""Expectations over fresh data on the device: precise everywhere, finite in the far tails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import erfc, exp, inf, log, log1p, mp, pi, quad, sqrt
from oracles import POPULATION
from scipy.special import erfcx, log_ndtr, ndtr

from sweepjax import theory
from sweepjax.models import _population as population

SMALLEST_NORMAL = 2.3e-308
BIAS = np.concatenate([-np.logspace(-8, 6, 141), [0, -150, -700, -707], np.logspace(-8, 6, 41)])[:, None]
SPREAD = np.concatenate([[0, 12], np.logspace(-9, 6, 121)])
LABELLED = np.array(
    [
        # b, s_1, s_rest, k
        (0, 1, 1, 1),
        (0, -1, 1, -1),
        (-2, 1, 0.01, 2),
        (-2, -1, 0.01, 2),
        (-1e-9, 1, 1e-9, 1e-9),
        (-200, 100, 1e-3, 2),
        (-2326, 1000, 1, 2.326),
        (3, 0, 1, 1),
        (-30, 0, 1e-3, 1),
        (-0.3, 40, 7, -0.5),
        (-28, 5.7, 0.1, 5),
        (-640, 603, 0.03, 1.0613),
        (4, -3, 30, 0.2),
        (0, 0.1, 0.1, 0),
    ]
)
compiled = {
    name: jax.jit(getattr(population, name)) for name in dir(population) if name.endswith(("loss", "acy", "error"))
}


def device(name, *arguments):
    with jax.enable_x64(True):
        return np.asarray(compiled[name](*(jnp.asarray(value, dtype=jnp.float64) for value in arguments)))


def logarithm_by_mpmath(b, s):
    c = -b / s
    with mp.workdps(30):
        scale = mp.mpf(b + s**2 / 2 if s < c else -(c**2) / 2)
        edges = [-inf, *np.linspace(min(c, s) - 12, max(c, s) + 12, 30).tolist(), inf]
        loss = quad(lambda z: log1p(exp(b + s * z)) * exp(-(z**2) / 2 - scale), edges) / sqrt(2 * pi)
        return float(scale + log(loss))


def by_quadrature(b, s1, s_rest, k):
    scales = np.array([1, s_rest]) / max(abs(s1), 1e-3)
    centres = [k, -b / s1] if s1 else [k]
    fine = [centre + scale * np.linspace(-40, 40, 161) for centre in centres for scale in scales]
    edges = np.unique(np.concatenate([np.linspace(-39, 39, 313), [k], *fine]))
    edges = edges[np.abs(edges) <= 39]
    nodes, weights = np.polynomial.legendre.leggauss(16)
    width = np.diff(edges)[:, None]
    u = edges[:-1, None] + width * (nodes + 1) / 2
    weight = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi) * weights * width / 2
    wrong = np.where(u > k, -1, 1) * (b + s1 * u)
    loss = theory.population_loss(wrong, s_rest)
    return np.sum(weight * ndtr(wrong / s_rest)), np.sum(weight * loss), np.sum(weight * np.exp(wrong + s_rest**2 / 2))


def test_reference_values_are_reproduced():
    b, s, loss, accuracy, exponential = POPULATION.T
    np.testing.assert_allclose(np.exp(device("log_logistic_loss", b, s)), loss, rtol=1e-12)
    np.testing.assert_allclose(device("log_logistic_loss", b, s), np.log(loss), rtol=1e-12)
    np.testing.assert_allclose(device("accuracy", b, s), accuracy, atol=1e-13)
    np.testing.assert_allclose(np.exp(device("log_exponential_loss", b, s)), exponential, rtol=1e-9)


def test_the_loss_agrees_with_the_host_wherever_a_float_holds_it():
    loss, exact = np.exp(device("log_logistic_loss", BIAS, SPREAD)), np.asarray(theory.population_loss(BIAS, SPREAD))
    normal = exact > SMALLEST_NORMAL
    np.testing.assert_allclose(loss[normal], exact[normal], rtol=1e-11)
    assert np.all(loss[~normal] < 2 * SMALLEST_NORMAL)


def test_its_logarithm_agrees_and_is_finite_everywhere():
    logarithm, exact = device("log_logistic_loss", BIAS, SPREAD), np.asarray(theory.population_loss(BIAS, SPREAD))
    normal = exact > SMALLEST_NORMAL
    np.testing.assert_allclose(logarithm[normal], np.log(exact[normal]), atol=1e-11, rtol=1e-12)
    assert np.all(np.isfinite(logarithm))


@pytest.mark.parametrize(("b", "s"), [(-1500.0, 20.0), (-1e4, 99.0), (-1e4, 101.0)])
def test_the_logarithm_holds_where_the_loss_underflows(b, s):
    assert np.exp(device("log_logistic_loss", b, s)) == 0
    assert device("log_logistic_loss", b, s) == pytest.approx(logarithm_by_mpmath(b, s), rel=1e-12)


def test_a_far_bias_turns_the_logistic_loss_into_the_exponential_one():
    assert device("log_logistic_loss", -1e4, 10) == pytest.approx(-9950, rel=1e-14)
    assert device("log_exponential_loss", -1e4, 10) == -9950


def test_no_spread_leaves_the_loss_of_one_sample():
    b = np.array([-1e6, -700.0, -150.0, -3.0, 0.0, 2.0, 800.0])
    np.testing.assert_allclose(np.exp(device("log_logistic_loss", b, 0)), np.logaddexp(0, b), rtol=1e-12)
    np.testing.assert_allclose(device("log_logistic_loss", b[1:], 0), np.log(np.logaddexp(0, b[1:])), atol=1e-12)
    assert device("log_logistic_loss", -1e6, 0) == -1e6


def test_the_loss_rises_with_bias_and_spread():
    loss = device("log_logistic_loss", np.linspace(-2000, 5, 60)[:, None], np.linspace(0, 30, 60))
    assert np.all(np.diff(loss, axis=0) > 0)
    assert np.all(np.diff(loss, axis=1) >= 0)


def test_the_logarithm_of_an_exponential_loss_too_large_for_a_float_is_finite():
    assert device("log_exponential_loss", 0, 100) == 5000


def test_accuracy_and_error_are_those_of_a_normal_variable():
    z = np.concatenate([-np.logspace(-12, 5, 300), [0], np.logspace(-12, 5, 300)])
    np.testing.assert_allclose(device("accuracy", 2 * z, 2), ndtr(-z), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(device("log_error", 2 * z, 2), log_ndtr(z), rtol=1e-13, atol=1e-15)


def test_without_spread_an_accuracy_is_one_or_zero_and_a_tie_counts_half():
    np.testing.assert_array_equal(device("accuracy", [-1e6, -1, 0, 1, 1e6], 0), [1, 1, 0.5, 0, 0])
    error = device("log_error", [-1e6, -1, 0, 1, 1e6], 0)
    assert np.all(np.isfinite(error))
    assert error[2] == pytest.approx(-np.log(2))


def test_the_mills_ratio_is_precise_over_its_whole_range():
    x = np.concatenate([np.linspace(0, 60, 5001), np.logspace(-300, 300, 1201)])
    with jax.enable_x64(True):
        ratio = np.asarray(jax.jit(population._mills_ratio)(x))
    np.testing.assert_allclose(ratio, np.sqrt(np.pi / 2) * erfcx(x / np.sqrt(2)), rtol=4e-15)
    with mp.workdps(40):
        assert ratio[5000] == pytest.approx(float(sqrt(pi / 2) * erfc(60 / sqrt(mp.mpf(2))) * exp(1800)), rel=4e-15)


def test_two_labels_agree_with_a_composite_rule():
    error, loss, exponential = np.array([by_quadrature(*row) for row in LABELLED]).T
    np.testing.assert_allclose(1 - device("labelled_accuracy", *LABELLED.T), error, atol=1e-14)
    np.testing.assert_allclose(device("labelled_loss", *LABELLED.T), loss, rtol=1e-11)
    np.testing.assert_allclose(device("exponential_labelled_loss", *LABELLED.T), exponential, rtol=1e-10)


def random_arguments():
    generator = np.random.default_rng(0)
    b, s1, s_rest = generator.normal(size=(3, 400)) * 10 ** generator.uniform(-2, 2.5, size=(3, 400))
    return b, s1, np.abs(s_rest)


def test_a_threshold_at_infinity_leaves_one_label():
    b, s1, s_rest = random_arguments()
    s = np.hypot(s1, s_rest)
    accuracy, loss = device("labelled_accuracy", b, s1, s_rest, np.inf), device("labelled_loss", b, s1, s_rest, np.inf)
    np.testing.assert_allclose(accuracy, device("accuracy", b, s), atol=1e-14)
    np.testing.assert_allclose(loss, np.exp(device("log_logistic_loss", b, s)), rtol=1e-12)
    exponential = device("exponential_labelled_loss", b / 10, s1 / 100, s_rest / 100, np.inf)
    np.testing.assert_allclose(exponential, np.exp(device("log_exponential_loss", b / 10, s / 100)), rtol=1e-12)


@pytest.mark.parametrize("name", ["labelled_accuracy", "labelled_loss"])
def test_swapping_the_labels_changes_nothing(name):
    b, s1, s_rest = random_arguments()
    k = np.random.default_rng(1).normal(size=b.size)
    k[:20] = -np.inf
    np.testing.assert_allclose(device(name, b, s1, s_rest, k), device(name, -b, s1, s_rest, -k), rtol=1e-11, atol=1e-14)


def test_without_bias_or_threshold_the_error_is_the_angle_between_the_planes():
    angle = np.linspace(0, np.pi, 13)
    accuracy = device("labelled_accuracy", 0, np.cos(angle), np.sin(angle), 0)
    np.testing.assert_allclose(accuracy, 1 - angle / np.pi, atol=1e-14)


def test_without_weights_the_bias_guesses_one_label():
    k = np.array([-1.0, 0.0, 2.0])
    np.testing.assert_allclose(device("labelled_accuracy", -3, 0, 0, k), ndtr(k), atol=1e-14)
    np.testing.assert_allclose(device("labelled_accuracy", 3, 0, 0, k), ndtr(-k), atol=1e-14)
    np.testing.assert_allclose(device("labelled_accuracy", 0, 0, 0, k), 0.5, atol=1e-14)
    loss = np.logaddexp(0, -3) * ndtr(k) + np.logaddexp(0, 3) * ndtr(-k)
    np.testing.assert_allclose(device("labelled_loss", -3, 0, 0, k), loss, rtol=1e-13)


def test_the_plane_of_the_labels_makes_no_error():
    s1, k = np.array([1e-3, 1.0, 1e5]), np.array([0.5, -1.0, 2.0])
    assert np.all(device("labelled_accuracy", -s1 * k, s1, 0, k) == 1)
    assert np.all(device("labelled_accuracy", s1 * k, -s1, 0, k) < 1e-14)


@pytest.mark.parametrize("name", ["log_logistic_loss", "labelled_accuracy"])
def test_an_expectation_can_be_mapped(name):
    columns = LABELLED.T if "labelled" in name else np.abs(LABELLED.T[:2])
    with jax.enable_x64(True):
        mapped = jax.jit(jax.vmap(getattr(population, name)))(*columns)
    np.testing.assert_allclose(mapped, device(name, *columns), rtol=1e-13)


@pytest.mark.parametrize("name", sorted(compiled))
def test_every_expectation_lowers_for_a_gpu_without_a_call_to_the_host(name):
    columns = LABELLED.T if "labelled" in name else LABELLED.T[:2]
    with jax.enable_x64(True):
        text = compiled[name].trace(*columns).lower(lowering_platforms=("cuda",)).as_text()
    assert "f64" in text
    assert "custom_call" not in text
