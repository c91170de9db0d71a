"""Rows are computed under settings of JAX of their own, whatever a user has chosen."""

import os
import subprocess
import sys

import pytest
from places import TESTS

ROWS = """\
import numpy as np
import sweepjax as sj
for solver in ("limit", "sgd"):
    options = {} if solver == "limit" else {"until": 10, "record": 3}
    print(sj.run("0.4,0.6", n=12, realizations=4, solver=solver, **options).to_json(double_precision=15))
print(np.asarray(sj.dataset(sj.run(0.5, n=12, realizations=1, solver="probe:Bits").iloc[0]).x).sum())
"""
CHOSEN = {
    "JAX_RANDOM_SEED_OFFSET": "7",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_LEGACY_PRNG_KEY": "error",
    "JAX_DISABLE_JIT": "1",
    "JAX_DEBUG_NANS": "1",
    "JAX_DEBUG_INFS": "1",
    "JAX_ENABLE_X64": "1",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_TRANSFER_GUARD": "disallow",
    "JAX_DEFAULT_DTYPE_BITS": "32",
}


def rows(**variables):
    """The rows that a process of its own prints."""
    line = [sys.executable, "-c", ROWS]
    done = subprocess.run(line, env=os.environ | TESTS | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_no_flag_of_jax_changes_a_bit_of_a_row():
    assert rows(**CHOSEN) == rows()
