"""Linear students: the Marchenko–Pastur law, its closed forms, and times."""

import numpy as np
import pytest

from sweepjax.theory import linear_regression as theory
from sweepjax.theory.linear_regression import Training

# Delay to an accuracy erf(√2) (loss ε/4) over equation 12, at ε = 10⁻³ and η = 0.01.
RATIOS = {0.1: 0.572, 0.3: 0.619, 0.5: 0.603, 0.7: 0.545, 0.8: 0.483, 0.9: 0.363, 0.95: 0.253, 0.99: 0.095}
ERF_ROOT_TWO = 0.9544997361


@pytest.mark.parametrize("lam", [0.1, 0.5, 0.9, 1.5, 4.0])
def test_the_law_has_mass_one_and_mean_one(lam):
    law = theory.eigenvalue_law(lam)
    assert law.weights.sum() == pytest.approx(1, abs=1e-12)
    assert law.weights @ law.values == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("lam", [0.1, 0.5, 0.9])
def test_inverse_moments_of_the_law_are_known(lam):
    law = theory.eigenvalue_law(lam)
    assert law.weights @ law.values**-1 == pytest.approx(1 / (1 - lam), rel=1e-9)
    assert law.weights @ law.values**-2 == pytest.approx(1 / (1 - lam) ** 3, rel=1e-9)


def test_the_law_is_that_of_a_large_matrix():
    x = np.random.default_rng(0).standard_normal((800, 400))
    values = np.linalg.eigvalsh(x.T @ x / 800)
    law = theory.eigenvalue_law(0.5)
    assert np.mean(values < 0.5) == pytest.approx(law.weights[law.values < 0.5].sum(), abs=0.01)


@pytest.mark.parametrize("lam", [0.1, 0.9, 1.5])
def test_the_flow_has_a_closed_form(lam):
    time = np.array([0, 0.1, 1.0, 10.0])
    small = Training(lam, learning_rate=1e-6)
    np.testing.assert_allclose(theory.flow_train_loss(time, lam), theory.losses(time * 1e6, small).train, rtol=1e-4)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.45])
def test_losses_of_each_step_are_those_of_the_step_itself_where_it_is_too_long(rate):
    training, law = Training(0.5, learning_rate=rate, l2=0.1), theory.eigenvalue_law(0.5)
    start, teacher = np.ones_like(law.values), np.zeros_like(law.values)
    for step in range(6):
        each = 0.5 * (start**2 + (teacher - 1) ** 2)
        found = theory.losses(step, training)
        np.testing.assert_allclose(found, ((law.values * each) @ law.weights, each @ law.weights), rtol=1e-12)
        kept = 1 - 2 * rate * (law.values + 0.05)
        start, teacher = kept * start, kept * teacher + 2 * rate * law.values


def test_late_losses_are_those_of_the_lower_edge():
    time, slow = np.array([50.0, 200.0, 1000.0]), Training(0.9, learning_rate=1e-6)
    exact, late = theory.losses(time * 1e6, slow), theory.late_flow_losses(time, 0.9)
    np.testing.assert_allclose(exact.train / late.train, [0.999, 1, 1], atol=5e-4)
    np.testing.assert_allclose(exact.test / late.test, [0.354, 0.640, 0.883], atol=1e-3)


@pytest.mark.parametrize("lam", RATIOS)
def test_equation_12_is_a_limit_only(lam):
    steps = theory.crossing_steps(Training(lam), level=ERF_ROOT_TWO)
    delay = steps.test - steps.train
    assert delay / theory.leading_delay(lam) == pytest.approx(RATIOS[lam], abs=2e-3)


def test_equation_12_is_approached_as_the_tolerance_vanishes():
    steps = theory.crossing_steps(Training(0.9, tolerance=1e-12))
    assert (steps.test - steps.train) / theory.leading_delay(0.9) == pytest.approx(0.91, abs=5e-3)


@pytest.mark.parametrize(
    ("training", "train", "test"),
    [
        (Training(0.1), 272, 295),
        (Training(0.9), 2353, 22634),
        (Training(1.5), 765, np.inf),
        (Training(0.9, l2=1e-3), 2348, 27072),
        (Training(0.9, l2=1e-2), 2516, np.inf),
    ],
)
def test_steps_to_an_accuracy_are_those_of_the_specification(training, train, test):
    assert theory.crossing_steps(training) == pytest.approx((train, test), rel=0.01)


def test_equation_16_is_twice_too_large():
    ends = theory.losses(np.inf, Training(0.5, l2=1e-4))
    assert ends == pytest.approx(theory.plateaus(0.5, l2=1e-4), rel=1e-3)
    assert ends.train == pytest.approx(1e-8 / (8 * 0.5), rel=1e-3)
    assert ends.test == pytest.approx(1e-8 / (8 * 0.5**3), rel=1e-3)


def test_above_one_no_loss_of_fresh_samples_vanishes():
    assert theory.losses(np.inf, Training(1.5)).test == pytest.approx(1 / 3)
    assert theory.losses(np.inf, Training(1.5, l2=1e-6)).test == pytest.approx(1 / 6, rel=1e-4)


def test_accuracy_95_is_a_loss_of_the_tolerance_over_3_8415():
    assert 1e-3 / theory.loss_at(0.95) == pytest.approx(3.8415, abs=1e-4)
    assert theory.accuracy(theory.loss_at(0.9, outputs=5), outputs=5) == pytest.approx(0.9)
