"""The benchmark command runs every job."""

import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

pytestmark = [pytest.mark.slow]

JOBS = {
    "s_norm, n = 400": 2,
    "s_norm, n = 2400": 2,
    "margin, n = 400, d = 240 to 320": 4,
    "margin, n = 400, d = 208": 4,
    "whole run, n = 400": 1,
    "peak memory of a run": 1,
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    for library in ("clarabel", "sklearn", "torch"):
        pytest.importorskip(library)
    out, checkout = tmp_path_factory.mktemp("benchmarks"), Path(__file__).parent.parent
    command = [sys.executable, "-m", "benchmarks", "--short", "--out", str(out)]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True, timeout=900)
    assert "| ratio (min to max) |" in (out / "table.md").read_text()
    return pd.read_csv(out / "table.csv", comment="#")


def test_every_job_has_its_rows(table):
    assert table["job"].value_counts().to_dict() == JOBS


def test_times_and_ratios_are_positive_and_finite(table):
    numbers = table[["ours", "theirs", "ratio_min", "ratio", "ratio_max"]].to_numpy()
    assert all(math.isfinite(number) and number > 0 for number in numbers.flat)


def test_no_row_of_ours_is_uncertified_or_far_from_the_reference(table):
    kernels = table[table["error"].notna()]
    assert len(kernels) == 12
    assert (kernels["uncertified"] == 0).all()
    assert (kernels["error"] < 1e-6).all()


def test_every_peer_comes_close_or_is_said_to_stop_short(table):
    complete = table[table["note"].isna() & table["their_error"].notna()]
    assert (complete["their_error"] <= 1e-4).all()
    assert len(complete) >= 8
