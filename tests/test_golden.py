"""Rows of presets at a small size are those of an earlier engine, which computed them one row after the other."""

import pyarrow.parquet as pq
import pytest
from golden_rows import FOLDER, SMALL, golden, rows

from sweepjax.store.same_rows import differences

SLOW = ("trajectories", "trajectories_descent")
CASES = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in SMALL]


@pytest.mark.parametrize("name", CASES)
def test_a_preset_gives_the_rows_of_an_earlier_engine(name):
    stored, now = pq.read_table(FOLDER / f"{name}.parquet"), rows(golden(name))
    assert stored.num_rows == now.num_rows
    assert set(stored.column_names) <= set(now.column_names)
    assert not list(differences(stored, now.select(stored.column_names)))
