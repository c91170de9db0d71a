"""The perceptron on balls: caps, exponents, and times for many samples."""

import numpy as np
import pytest
from scipy.optimize import brentq

from sweepjax.theory import perceptron_ball as theory


@pytest.mark.parametrize("d", [2, 5, 10])
def test_the_error_vanishes_with_the_exponent(d):
    gaps = np.array([1e-5, 1e-6])
    slope = np.diff(np.log(theory.test_error(1 - gaps, d=d))) / np.diff(np.log(gaps))
    assert slope[0] == pytest.approx(theory.exponent(d), abs=1e-4)


@pytest.mark.parametrize("h", [-0.5, 0.0, 0.3])
def test_the_error_is_the_share_of_a_ball(h):
    x = np.random.default_rng(0).standard_normal((100_000, 7))
    # The first 5 of 7 components of a point on a sphere are uniform in the ball of 5 dimensions.
    ball = x[:, 0] / np.linalg.norm(x, axis=1)
    assert theory.test_error(h, d=5) == pytest.approx(np.mean(ball > h), abs=4 * 0.5 / np.sqrt(100_000))


def test_the_fast_branch_is_as_likely_as_the_specification_says():
    assert theory.fast_probability(2.0, d=5) == pytest.approx(0.0550, abs=5e-5)


def first_passages(start, across, rate, epsilon=2.0):
    """Return when the flow of many samples passes the angles of training and of generalization."""
    end = epsilon / (rate + epsilon**2)

    def ahead(time, level):
        along = end + (start - end) * np.exp(-(epsilon**2 + rate) * time)
        return along - level * across * np.exp(-rate * time)

    levels = 1 / epsilon, 1 / np.sqrt(epsilon**2 - 1)
    return [0.0 if ahead(0, level) >= 0 else brentq(ahead, 0, 200, args=(level,)) for level in levels]


@pytest.mark.parametrize(("rate", "share"), [(1e-6, 1.0), (theory.relaxation_rate(d=5, l2=0.01), 0.74)])
def test_the_fast_delay_is_that_of_the_flow_without_relaxation_only(rate, share):
    starts = np.random.default_rng(0).standard_normal((20_000, 5))
    across = np.linalg.norm(starts[:, 1:], axis=1)
    fast = across**2 < 1 - 1 / 2.0**2
    passed = np.array([first_passages(*start, rate) for start in zip(starts[fast, 0], across[fast], strict=True)])
    later = passed[:, 0] > 0
    ratio = np.diff(passed)[later, 0] / theory.fast_delay(2.0, across[fast][later])
    assert np.median(ratio) == pytest.approx(share, abs=0.03)  # 680 draws
    assert np.all(ratio < 1 + 1e-6)


def test_starts_are_fast_or_slow_as_often_as_theory_says_and_the_slow_ones_take_the_slow_delay():
    rate, starts = theory.relaxation_rate(d=5, l2=0.01), np.random.default_rng(0).standard_normal((20_000, 5))
    across = np.linalg.norm(starts[:, 1:], axis=1)
    slow = across**2 >= 1 - 1 / 2.0**2
    share = theory.fast_probability(2.0, d=5)
    assert abs(np.mean(~slow) - share) < 3 * np.sqrt(share * (1 - share) / 20_000)
    passed = [first_passages(*start, rate) for start in zip(starts[slow, 0][:3000], across[slow][:3000], strict=True)]
    delays = np.diff(passed)[:, 0]
    # Half of them take it exactly, in the limit of many samples; a few, which begin nearly fast, take less.
    assert np.median(delays) == pytest.approx(theory.slow_delay(2.0, d=5, l2=0.01), rel=2e-3)
    assert np.mean(delays) == pytest.approx(0.934, rel=0.03)  # of some hundred draws


def test_the_corrected_slow_delay_is_the_simulated_one_and_the_printed_one_is_not():
    delay = theory.slow_delay(2.0, d=5, l2=0.01)
    printed = np.log(16 / 15) / (2 * theory.relaxation_rate(d=5, l2=0.01))
    assert delay == pytest.approx(0.9410, abs=1e-4)
    assert printed == pytest.approx(0.2111, abs=1e-4)


def test_the_slow_delay_is_that_of_the_flow():
    # w = (1, v e^-λt) with v large: cos passes 1/√(1 + ε²), then 1/ε.
    rate, epsilon = theory.relaxation_rate(d=5, l2=0.01), 2.0
    times = np.linspace(0, 100, 200_001)
    cos = 1 / np.hypot(1, 100 * np.exp(-rate * times))
    passed = [times[np.argmax(cos >= level)] for level in (1 / np.hypot(1, epsilon), 1 / epsilon)]
    assert passed[1] - passed[0] == pytest.approx(-np.log(3.0) / (2 * rate) + np.log(4.0) / (2 * rate), abs=2e-3)
    assert passed[1] - passed[0] == pytest.approx(theory.slow_delay(epsilon, d=5, l2=0.01), abs=2e-3)


def test_without_a_gap_there_is_no_delay():
    with pytest.raises(ValueError, match="only beyond 1"):
        theory.slow_delay(1.0, d=5, l2=0.01)
