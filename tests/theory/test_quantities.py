import subprocess
import sys
import types

import numpy as np
import pytest

from sweepjax import theory


def test_the_public_names_are_functions_not_their_files():
    assert not isinstance(theory.margin, types.ModuleType)
    assert not isinstance(theory.s_inf, types.ModuleType)
    assert isinstance(theory.two_point, types.ModuleType)


def test_the_promised_values_hold():
    assert theory.separable_probability(n=400, d=180) == pytest.approx(0.02254750362, abs=1e-11)
    assert theory.margin(0.6) == pytest.approx(0.116554577, abs=1e-9)
    assert theory.s_inf(0.48) == pytest.approx(5.8825104, abs=5e-8)
    assert theory.s_inf(0.48, loss="logistic") == pytest.approx(9.429424, abs=5e-7)
    assert theory.two_point.s_inf(0.48) == pytest.approx(3.0950729, abs=5e-8)


@pytest.mark.parametrize("quantity", theory.QUANTITIES)
def test_every_quantity_takes_a_number_or_an_axis(quantity):
    lam = np.linspace(0.1, 0.9, 9)
    values = theory.evaluate(quantity, lam, n=100, sigma=2.0)
    single = [theory.evaluate(quantity, ratio, n=100, sigma=2.0) for ratio in lam]
    assert all(isinstance(value, float) for value in single)
    assert values == pytest.approx(np.array(single), rel=1e-12, nan_ok=True)
    assert np.isfinite(values).any()


def test_the_feature_count_is_the_rounded_one():
    expected = theory.separable_probability(n=100, d=[44, 45])
    assert theory.evaluate("separable_probability", [0.4449, 0.4451], n=100) == pytest.approx(expected)


def test_inseparable_data_generalize_perfectly():
    assert np.all(theory.evaluate("limiting_accuracy", [0.1, 0.4, 0.5]) == 1)


def test_an_unknown_quantity_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="unknown quantity 'kappa'; choose one of: separable_probability"):
        theory.evaluate("kappa", 0.4)


def test_theory_needs_no_jax():
    code = "import sys, sweepjax.theory; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
