"""Analytic weights of quadratic networks: what they solve, and how wide they must be."""

import numpy as np
import pytest

from sweepjax.theory.modular_addition import analytic_weights, answers


def identity(numbers):
    return numbers


def accuracy(p, width, *, functions=(identity, identity), table=None, draws=1):
    a, b = np.indices((p, p))
    first, second = functions
    right = (first(a) + second(b)) % p if table is None else table(a, b) % p
    each = [function(np.arange(p)) for function in functions]
    found = [analytic_weights(*each, p=p, width=width, seed=seed) for seed in range(draws)]
    return float(np.mean([answers(each) == right for each in found]))


@pytest.mark.parametrize(
    ("p", "width", "expected"), [(23, 11, 0.31), (23, 22, 0.64), (23, 44, 0.93), (23, 88, 0.9985), (23, 176, 1.0)]
)
def test_accuracy_grows_with_the_width_as_measured_before(p, width, expected):
    # The earlier numbers are of one draw each, and draws differ by some 0.06 where they are far from 1.
    assert accuracy(p, width, draws=10) == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize(("width", "expected"), [(48, 0.88), (96, 0.995), (192, 1.0)])
def test_and_at_the_modulus_of_the_paper(width, expected):
    assert accuracy(97, width, draws=4) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda a: a, lambda b: -b),
        (lambda a: a**2, lambda b: b**2),
        (lambda a: a**2, lambda b: -(b**2)),
        (lambda a: a**3, lambda b: b),
    ],
    ids=["a-b", "a^2+b^2", "a^2-b^2", "a^3+b"],
)
def test_every_sum_of_functions_of_one_operand_is_solved(first, second):
    assert accuracy(23, 400, functions=(first, second)) == 1.0


def test_products_of_both_operands_are_not():
    squares = (lambda a: a**2,) * 2
    assert accuracy(23, 400, functions=squares, table=lambda a, b: a**2 + a * b + b**2) < 0.2
