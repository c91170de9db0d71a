"""The margin of two Gaussians against reference values, exact limits and a brute-force search."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import nnls
from scipy.special import ndtr

from sweepjax import theory
from sweepjax.theory import two_gaussians

REFERENCE = [(0.01, 0.19399, 1.00000), (0.05, 0.16929, 0.96311), (0.1, 0.13757, 0.82042)]


@pytest.mark.parametrize(("sigma_a", "margin", "accuracy"), REFERENCE)
def test_reference_values_are_reproduced(sigma_a, margin, accuracy):
    assert two_gaussians.margin(0.4, sigma_a=sigma_a) == pytest.approx(margin, abs=5e-6)
    assert two_gaussians.limiting_accuracy(0.4, sigma_a=sigma_a) == pytest.approx(accuracy, abs=5e-6)


def test_touching_planes_separate_below_the_transition_with_their_own_distance():
    assert two_gaussians.margin([0.1, 0.5], mu=0.3) == pytest.approx(0.3)
    assert (two_gaussians.limiting_accuracy([0.1, 0.5], mu=0.3) == 1).all()


@pytest.mark.parametrize("lam", [0.51, 0.7, 3.0])
def test_planes_are_the_model_of_one_label_with_sigma_over_mu(lam):
    mu, sigma = 0.3, 2.0
    kappa = theory.margin(lam, sigma=sigma / mu)
    assert two_gaussians.margin(lam, mu=mu, sigma_b=sigma) == pytest.approx(mu * np.hypot(1, kappa))
    accuracy = two_gaussians.limiting_accuracy(lam, mu=mu, sigma_b=sigma)
    assert accuracy == pytest.approx(theory.limiting_accuracy(kappa, sigma=sigma / mu))


@pytest.mark.parametrize("lam", [0.3, 0.5, 0.7])
def test_thin_gaussians_are_nearly_planes(lam):
    thin, plane = (two_gaussians.margin(lam, sigma_a=sigma_a) for sigma_a in (1e-6, 0.0))
    assert thin == pytest.approx(plane, abs=5e-6)


def test_only_ratios_of_lengths_matter():
    one = two_gaussians.margin(0.45, mu=0.2, sigma_a=0.05, sigma_b=1.0)
    assert two_gaussians.margin(0.45, mu=2.0, sigma_a=0.5, sigma_b=10.0) == pytest.approx(10 * one)


def test_points_on_one_spot_are_separated_by_its_distance():
    assert two_gaussians.margin(0.6, mu=50.0, sigma_a=1e-3, sigma_b=1e-3) == pytest.approx(50, rel=1e-3)


@pytest.mark.parametrize(("lam", "sigma_a"), [(0.4, 0.1), (0.7, 0.3)])
def test_the_margin_is_the_largest_that_some_angle_allows(lam, sigma_a):
    mu, kappa = 0.2, two_gaussians.margin(lam, mu=0.2, sigma_a=sigma_a)

    def demand(k, angle):
        spread = np.hypot(sigma_a * np.cos(angle), np.sin(angle))
        a = (k - mu * np.cos(angle)) / spread
        density = quad(lambda z: (z + a) ** 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), -a, 12)[0]
        return spread**2 * density / np.sin(angle) ** 2

    angles = np.linspace(0.01, np.pi / 2, 400)
    least = [min(demand(kappa * factor, angle) for angle in angles) for factor in (0.99, 1.01)]
    assert least[0] < lam < least[1]


def test_wide_gaussians_are_not_separable_below_the_transition():
    assert np.isnan(two_gaussians.margin(0.1, sigma_a=1.0))
    assert np.isnan(two_gaussians.limiting_accuracy(0.1, sigma_a=1.0))


@pytest.mark.parametrize("sigma_a", [0.05, 0.1])
def test_drawn_points_have_this_margin(sigma_a):
    n, d, mu = 300, 120, 0.2
    random, margins, accuracies = np.random.default_rng(0), [], []
    for _ in range(6):
        z = np.column_stack([mu + sigma_a * random.standard_normal(n), random.standard_normal((n, d))])
        p, _ = nnls(np.vstack([z.T, np.ones(n)]), np.append(np.zeros(d + 1), 1.0))
        nearest = z.T @ p / p.sum()
        margins.append(np.linalg.norm(nearest))
        accuracies.append(ndtr(mu * nearest[0] / np.hypot(sigma_a * nearest[0], np.linalg.norm(nearest[1:]))))
    assert np.mean(margins) == pytest.approx(two_gaussians.margin(0.4, sigma_a=sigma_a), rel=0.05)
    assert np.mean(accuracies) == pytest.approx(two_gaussians.limiting_accuracy(0.4, sigma_a=sigma_a), abs=0.03)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="sigma_a is -1"):
        two_gaussians.margin(0.4, sigma_a=-1.0)
    with pytest.raises(ValueError, match="mu is 0"):
        two_gaussians.margin(0.4, mu=0.0)
