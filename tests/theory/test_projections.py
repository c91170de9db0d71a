from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from sweepjax.theory import (
    margin,
    margin_projection_atom,
    margin_projection_density,
    negative_mean,
    positive_fraction,
    positive_mean,
    projection_density,
)

CASES = [(0.05, "exponential"), (0.48, "exponential"), (0.499, "exponential"), (0.3, "logistic"), (0.48, "logistic")]


def integral(function, *edges):
    return sum(quad(function, low, high, epsabs=1e-12)[0] for low, high in pairwise(edges))


@pytest.mark.parametrize(("lam", "loss"), CASES)
def test_the_density_below_the_transition_has_mass_one(lam, loss):
    assert integral(lambda u: projection_density(u, lam, loss=loss), -9, -0.5, 0, 0.2, 9) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("lam", "loss"), CASES)
def test_the_positive_part_has_the_known_mass_and_mean(lam, loss):
    mass = integral(lambda u: projection_density(u, lam, loss=loss), 0, 0.2, 9)
    mean = integral(lambda u: u * projection_density(u, lam, loss=loss), 0, 0.2, 9) / mass
    assert mass == pytest.approx(positive_fraction(lam, loss=loss), abs=1e-9)
    assert mean == pytest.approx(positive_mean(lam, loss=loss), abs=1e-9)


@pytest.mark.parametrize(("lam", "loss"), CASES)
def test_the_negative_part_has_the_known_mean(lam, loss):
    total = integral(lambda u: u * projection_density(u, lam, loss=loss), -9, -0.5, 0)
    assert total / (1 - positive_fraction(lam, loss=loss)) == pytest.approx(negative_mean(lam, loss=loss), abs=1e-9)


def test_few_features_leave_the_projections_gaussian():
    u = np.linspace(-3, 3, 13)
    assert projection_density(u, 1e-6) == pytest.approx(np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi), rel=1e-2)


def test_wider_data_have_wider_densities():
    assert projection_density(-2.0, 0.4, sigma=5) == pytest.approx(projection_density(-0.4, 0.4) / 5)
    assert margin_projection_density(-2.0, 0.6, sigma=5) == pytest.approx(margin_projection_density(-0.4, 0.6) / 5)


@pytest.mark.parametrize("sigma", [1.0, 5.0])
def test_density_and_atom_above_the_transition_have_mass_one(sigma):
    position, mass = margin_projection_atom(0.7, sigma=sigma)
    rest = integral(lambda u: margin_projection_density(u, 0.7, sigma=sigma), -9 * sigma, position)
    assert position == -margin(0.7, sigma=sigma)
    assert mass + rest == pytest.approx(1, abs=1e-9)


def test_no_sample_lies_inside_the_margin():
    assert np.all(margin_projection_density([-0.1, 0.0, 1.0], 0.6) == 0)


def test_each_density_points_to_the_other_across_the_transition():
    with pytest.raises(ValueError, match="margin_projection_density"):
        projection_density(0.0, 0.6)
    with pytest.raises(ValueError, match="see projection_density"):
        margin_projection_density(0.0, 0.4)
