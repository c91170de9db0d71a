"""The accuracy with two labels against quadrature and the cases without an angle."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from sweepjax.theory import label_fraction_accuracy, population_accuracy


def integrated(b, s, cosine, fraction):
    """Over the first component u: f = b + s(ρu + √(1-ρ²) Z) must be positive beyond k and negative short of it."""
    k, rest = ndtri(fraction), s * np.sqrt(1 - cosine**2)

    def negative(u):
        return ndtr(-(b + s * cosine * u) / rest)

    def density(u):
        return np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)

    options = {"epsabs": 1e-12, "epsrel": 1e-12, "limit": 200}
    short = quad(lambda u: density(u) * negative(u), -12, min(k, 12), **options)[0]
    return short + (quad(lambda u: density(u) * (1 - negative(u)), k, 12, **options)[0] if k < 12 else 0)


@pytest.mark.parametrize("b", [-3.0, -0.4, 0.0, 0.7])
@pytest.mark.parametrize("cosine", [-0.6, 0.0, 0.5, 0.98])
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.95, 1.0])
def test_the_accuracy_is_the_weight_of_the_right_side(b, cosine, fraction):
    measured = label_fraction_accuracy(b, 1.3, cosine=cosine, fraction=fraction)
    assert measured == pytest.approx(integrated(b, 1.3, cosine, fraction), abs=1e-10)


@pytest.mark.parametrize("cosine", [-1.0, 0.3, 1.0])
def test_with_one_label_it_is_the_plain_accuracy(cosine):
    b, s = np.array([-3.0, 0.0, 2.0]), 1.5
    measured = label_fraction_accuracy(b, s, cosine=cosine, fraction=1.0)
    assert measured == pytest.approx(population_accuracy(b, s), abs=1e-15)


def test_the_threshold_itself_classifies_perfectly():
    fraction = np.array([0.05, 0.5, 0.95, 0.99])
    assert label_fraction_accuracy(-3 * ndtri(fraction), 3.0, cosine=1.0, fraction=fraction) == pytest.approx(1, abs=0)


def test_along_the_axis_the_errors_lie_between_the_two_thresholds():
    assert label_fraction_accuracy(-1.0, 2.0, cosine=1.0, fraction=0.9) == pytest.approx(1 - (0.9 - ndtr(0.5)))


def test_across_the_axis_the_two_sides_are_independent():
    p, r = ndtr(0.5), 0.9
    assert label_fraction_accuracy(-1.0, 2.0, cosine=0.0, fraction=r) == pytest.approx(p * r + (1 - p) * (1 - r))


def test_turning_the_direction_around_exchanges_right_and_wrong():
    one = label_fraction_accuracy(-1.0, 2.0, cosine=0.3, fraction=0.9)
    other = label_fraction_accuracy(1.0, 2.0, cosine=-0.3, fraction=0.9)
    assert one + other == pytest.approx(1)


def test_two_half_planes_disagree_on_the_angle_between_them():
    angle = np.array([0.0, 0.3, np.pi / 2, 3.0])
    assert label_fraction_accuracy(0.0, 1.0, cosine=np.cos(angle), fraction=0.5) == pytest.approx(1 - angle / np.pi)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="fraction is 0"):
        label_fraction_accuracy(0.0, 1.0, cosine=0.0, fraction=0)
    with pytest.raises(ValueError, match="cosine is 2"):
        label_fraction_accuracy(0.0, 1.0, cosine=2, fraction=1.0)
