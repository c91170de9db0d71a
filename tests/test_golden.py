"""Rows of presets at a small size are those of an earlier engine, which computed them one row after the other."""

import everyday
import pytest
from golden_rows import SMALL

SLOW = ("two_point_delay", "symmetric_laws", "trajectories", "trajectories_descent", "adam_plateau")
CASES = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in SMALL]


@pytest.mark.parametrize("name", CASES)
def test_a_preset_gives_the_rows_of_an_earlier_engine(name):
    everyday.run(f"from golden_rows import check; check({name!r})")
