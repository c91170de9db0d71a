import numpy as np
import pytest
from oracles import POPULATION
from scipy.special import log_ndtr

from sweepjax.theory import exponential_population_loss, log_population_error, population_accuracy, population_loss

CORNERS = [(-150, 12), (-300, 100), (-3000, 100), (-700, 30), (-30, 9), (-400, 20.5), (-1, 1e-3), (7, 3), (0, 100)]


def by_quadrature(b, s):
    c, nodes, weights = -b / s, *np.polynomial.legendre.leggauss(12)
    wide = np.linspace(-13, 13, 261)
    edges = np.unique(np.concatenate([c + np.linspace(-40, 40, 801) / s, s + wide, wide, c + wide]))
    width = np.diff(edges)[:, None]
    z = edges[:-1, None] + width * (nodes + 1) / 2
    f = b + s * z
    log_loss = np.where(f < -50, f, np.log(np.logaddexp(0, np.maximum(f, -50))))
    return np.sum(np.exp(log_loss - z**2 / 2) * weights * width / 2) / np.sqrt(2 * np.pi)


@pytest.mark.parametrize(("b", "s", "loss", "accuracy", "exponential"), POPULATION[POPULATION[:, 1] > 0])
def test_reference_values_are_reproduced(b, s, loss, accuracy, exponential):
    assert population_loss(b, s) == pytest.approx(loss, rel=1e-14, abs=0)
    assert population_accuracy(b, s) == pytest.approx(accuracy, abs=6e-14 if s != 0.1 else 1e-13)
    assert exponential_population_loss(b, s) == pytest.approx(exponential, rel=1e-9, abs=0)


@pytest.mark.parametrize(("b", "s"), CORNERS)
def test_the_loss_agrees_with_a_composite_rule_in_far_corners(b, s):
    assert population_loss(b, s) == pytest.approx(by_quadrature(b, s), rel=1e-12, abs=0)


@pytest.mark.parametrize("b", [-700.0, -3.0, 0.0, 2.0, 800.0])
def test_no_spread_leaves_the_loss_of_one_sample(b):
    assert population_loss(b, 0) == pytest.approx(np.logaddexp(0, b), rel=1e-14, abs=0)
    assert population_loss(b, 1e-9) == pytest.approx(np.logaddexp(0, b), rel=1e-12, abs=0)


def test_reflecting_the_labels_shifts_the_loss_by_the_bias():
    b, s = np.meshgrid(np.linspace(0.1, 9, 8), [0.0, 0.3, 2.0, 40.0])
    assert population_loss(b, s) - population_loss(-b, s) == pytest.approx(b, rel=1e-12)


def test_the_loss_rises_with_bias_and_spread():
    values = population_loss(np.linspace(-20, 5, 60)[:, None], np.linspace(0, 30, 60))
    assert np.all(np.diff(values, axis=0) > 0)
    assert np.all(np.diff(values, axis=1) > 0)


def test_a_far_bias_turns_the_logistic_loss_into_the_exponential_one():
    assert population_loss(-100, 1) == pytest.approx(exponential_population_loss(-100, 1), rel=1e-12, abs=0)


def test_the_separable_loss_diverges_linearly_at_the_hinge_rate():
    c = 1.3
    hinge = np.exp(-(c**2) / 2) / np.sqrt(2 * np.pi) - c * (1 - population_accuracy(-c, 1))
    assert population_loss(-c * 1e6, 1e6) == pytest.approx(1e6 * hinge, rel=1e-10)


def test_the_error_stays_finite_where_the_accuracy_rounds_to_one():
    assert population_accuracy(-100, 1) == 1
    assert log_population_error(-100, 1) == log_ndtr(-100)
    assert np.exp(log_population_error(-1, 2)) == pytest.approx(1 - population_accuracy(-1, 2))


def test_a_tie_counts_half():
    assert population_accuracy([0, -1, 1], 0) == pytest.approx([0.5, 1, 0])


def test_an_exponential_loss_too_large_for_a_float_is_infinite():
    assert exponential_population_loss(0, 100) == np.inf


def test_a_negative_spread_is_refused():
    with pytest.raises(ValueError, match="s is -1"):
        population_loss(0, -1)
