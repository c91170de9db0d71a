from math import comb

import numpy as np
import pytest

from sweepjax.theory import (
    inseparable_probability,
    large_deviation_rate,
    separable_probability,
    separable_probability_gaussian,
)


def exact(n, d):
    term = total = 1
    for k in range(1, d):
        term = term * (n - k) // k
        total += term
    return total / 2 ** (n - 1)


@pytest.mark.parametrize("d", [1, 2, 5, 50, 500_000, 5_000_000])
def test_half_of_all_draws_are_separable_at_the_critical_ratio(d):
    assert separable_probability(n=2 * d, d=d) == 0.5


def test_no_more_samples_than_dimensions_are_always_separable():
    assert np.all(separable_probability(n=[1, 1, 7, 400], d=[1, 9, 7, 400]) == 1.0)
    assert np.all(inseparable_probability(n=[1, 1, 7, 400], d=[1, 9, 7, 400]) == 0.0)


def test_small_counts_agree_with_sums_of_binomials():
    for n in range(1, 40):
        expected = [sum(comb(n - 1, k) for k in range(d)) / 2 ** (n - 1) for d in range(1, n + 1)]
        assert separable_probability(n=n, d=np.arange(1, n + 1)) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(("n", "d"), [(400, 20), (2400, 930), (4000, 1980), (20_000, 9_000)])
def test_the_lower_tail_keeps_its_digits(n, d):
    assert separable_probability(n=n, d=d) == pytest.approx(exact(n, d), rel=1e-12, abs=0)


def test_a_million_samples_keep_their_digits_in_the_tail():
    # Evaluated once with forty digits.
    assert separable_probability(n=10**6, d=490_000) == pytest.approx(2.71660285165e-89, rel=1e-10, abs=0)
    assert separable_probability(n=10**7, d=4_990_000) == pytest.approx(1.26979479274e-10, rel=1e-10, abs=0)


def test_the_complement_keeps_its_digits_where_the_probability_rounds_to_one():
    assert inseparable_probability(n=2400, d=1500) == pytest.approx(exact(2400, 900), rel=1e-12, abs=0)


def test_the_complement_is_the_mirror_image():
    d = np.arange(1, 400)
    assert np.array_equal(inseparable_probability(n=400, d=d), separable_probability(n=400, d=400 - d))


def test_probability_and_complement_sum_to_one():
    d = np.arange(1, 120)
    total = separable_probability(n=100, d=d) + inseparable_probability(n=100, d=d)
    assert total == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize(
    ("n", "d", "value"),
    [
        (3, 2, 0.75),
        (4, 2, 0.5),
        (5, 2, 0.3125),
        (10, 3, 0.08984375),
        (10, 5, 0.5),
        (20, 12, 0.820358276367188),
        (100, 45, 0.157439945518811),
        (4000, 1980, 0.263521386354395),
        (400, 20, 1.136322539e-88),
        (400, 40, 1.710191251e-66),
        (400, 80, 8.673309715e-36),
        (400, 160, 2.937497541e-5),
        (400, 180, 0.02254750362),
        (400, 192, 0.211582808),
        (400, 220, 0.9774524964),
        (40000, 19200, 6.163092215e-16),
        (2400, 930, 8.573436855e-29),
        (2400, 990, 4.096793974e-18),
        (2400, 1086, 1.593742397e-6),
        (2400, 1152, 0.02498657602),
        (2400, 1191, 0.3566271542),
        (2400, 1260, 0.9928656417),
    ],
)
def test_reference_probabilities_are_reproduced(n, d, value):
    assert separable_probability(n=n, d=d) == pytest.approx(value, rel=1e-9, abs=0)


@pytest.mark.parametrize(
    ("n", "d", "value"),
    [
        (2400, 1320, 4.6968705e-7),
        (2400, 1380, 8.9474817e-14),
        (2400, 1440, 4.0650772e-23),
        (400, 240, 2.9374975e-5),
        (400, 300, 6.448093e-25),
    ],
)
def test_reference_complements_are_reproduced(n, d, value):
    assert inseparable_probability(n=n, d=d) == pytest.approx(value, rel=3e-8, abs=0)


@pytest.mark.parametrize(
    ("n", "d", "value"),
    [(2400, 930, 1.4475771e-28), (2400, 1152, 0.024997885), (400, 80, 1.4813431e-33), (400, 188, 0.11477811)],
)
def test_the_normal_limit_is_reproduced(n, d, value):
    assert separable_probability_gaussian(n=n, d=d) == pytest.approx(value, rel=3e-8, abs=0)


def test_the_normal_limit_is_good_in_the_window():
    d = np.arange(1170, 1231)
    assert separable_probability_gaussian(n=2400, d=d) == pytest.approx(separable_probability(n=2400, d=d), abs=2e-5)


def test_the_decay_rate_is_the_large_deviation_rate():
    n = 10_000
    measured = -np.log(separable_probability(n=n, d=4000)) / n
    assert measured == pytest.approx(large_deviation_rate(0.4), rel=0.03)


def test_the_decay_rate_is_log_two_for_no_features_and_zero_above_the_transition():
    assert large_deviation_rate(0.0) == np.log(2)
    assert large_deviation_rate([0.5, 0.6, 2.0]) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("counts", [{"n": 4.5, "d": 2}, {"n": 0, "d": 2}, {"n": 4, "d": 0}])
def test_counts_that_are_no_positive_whole_numbers_are_refused(counts):
    with pytest.raises(ValueError, match="positive whole number"):
        separable_probability(**counts)
