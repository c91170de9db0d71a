"""The benchmark command runs every job."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = [pytest.mark.slow]

JOBS = {
    "s_norm, n = 400": 5,
    "s_norm, n = 2400, d = 930 to 1110": 4,
    "s_norm, n = 2400, d = 1173 to 1191": 1,
    "margin, n = 400, d = 240 to 320": 5,
    "margin, n = 400, d = 208": 5,
    "margin, n = 2400, d = 1290 to 1500": 1,
    "whole run, n = 400": 1,
    "peak memory of a run": 1,
    "sj.limit, n = 400, d = 160, 0 of 2 separable, one a call": 4,
    "sj.limit, n = 400, d = 160, 0 of 2 separable, 2 a call": 4,
    "gradient flow to t = 1e+06, n = 400, σ = 1": 3,
    "gradient flow to t = 1e+06, n = 400, σ = 1, and its losses and accuracies": 1,
    "gradient flow to t = 1e+06, n = 400, σ = 5": 2,
    "gradient flow to t = 1e+30, n = 400, σ = 1": 2,
    "gradient descent, 200 steps, n = 400, d = 192": 3,
    "gradient descent, 20 steps, n = 2400, d = 1110": 1,
    "gradient descent, 20000 steps, n = 400, d = 192, corrected": 1,
    "modular addition, p = 23, width = 128, 50 steps": 2,
    "transformer, p = 31, width = 64, 10 steps": 2,
    "diagonal network, n = 96, d = 1000, gradient_flow": 2,
    "diagonal network, n = 96, d = 1000, gradient_descent": 2,
    "matrix completion, d = 20, gradient_flow": 2,
    "matrix completion, d = 20, gradient_descent": 2,
    "perceptron exponential, exact": 1,
    "perceptron ball, exact": 1,
    "linear regression, exact_descent": 1,
    "a run of 20 points": 1,
    "fine scan, nothing compiled": 1,
    "fine scan, compiled before": 1,
}


CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    for library in ("clarabel", "diffrax", "highspy", "sklearn", "torch"):
        pytest.importorskip(library)
    out = tmp_path_factory.mktemp("benchmarks")
    command = [sys.executable, "-m", "benchmarks", "--short", "--out", str(out)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=1800)
    assert "| ratio (min to max) |" in (out / "table.md").read_text()
    return pd.read_csv(out / "table.csv", comment="#")


def test_every_job_has_its_rows(table):
    assert table["job"].value_counts().to_dict() == JOBS


def test_times_and_ratios_are_positive_and_finite(table):
    numbers = table[["ours", "theirs", "ratio_min", "ratio", "ratio_max"]].to_numpy()
    assert all(math.isfinite(number) and number > 0 for number in numbers.flat)


def test_no_row_of_ours_is_uncertified_or_far_from_the_reference(table):
    kernels = table[table["uncertified"].notna()]
    limits = kernels[~kernels["job"].str.match(r"gradient|sj\.limit|whole run")]
    assert len(limits) == 21
    assert (kernels["uncertified"] == 0).all()
    assert (limits["error"] < 1e-6).all()


def test_trajectories_of_ours_and_of_scipy_are_within_one_part_in_ten_thousand(table):
    trajectories = table[table["job"].str.startswith("gradient")]
    scipy = trajectories[trajectories["peer"].str.startswith("SciPy")]
    assert (trajectories["error"] < 1e-4).all()
    assert len(scipy) == 4
    assert (scipy["their_error"] <= 1e-4).all()


def test_descents_take_the_steps_that_float64_takes(table):
    descents = table[table["job"].str.startswith("gradient descent")]
    assert (descents[["error", "their_error"]] < 1e-5).to_numpy().all()


def test_networks_are_where_their_loops_are(table):
    networks = table[table["job"].str.contains("network|completion")]
    assert len(networks) == 8
    assert (networks["error"] < 1e-2).all()


def test_every_peer_comes_close_or_is_said_to_stop_short(table):
    complete = table[table["note"].isna() & table["their_error"].notna()]
    assert (complete["their_error"] <= 1e-4).all()
    assert len(complete) >= 8


def test_the_time_of_a_draw_is_split_into_parts_and_a_rest(tmp_path):
    command = [sys.executable, "-m", "benchmarks.profile", "--short", "--out", str(tmp_path)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=900)
    lines = pd.read_csv(tmp_path / "profile.csv", comment="#")
    parts = lines.filter(like="ms_")
    # Which of the two bounds a product is a matter of this machine's rates, as they are now.
    assert (parts["ms_drawing"] > 0).all()
    assert (parts["ms_memory"] + parts["ms_products"] > 0).all()
    assert (lines["ms_cholesky"] > 0).equals(lines["kernel"].str.startswith("limit"))
    assert np.allclose(parts.sum(axis=1) / lines["ms"], lines["share"])


def test_every_cost_is_measured_against_every_size(tmp_path):
    command = [sys.executable, "-m", "benchmarks.scaling", "--short", "--out", str(tmp_path)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=900)
    points = pd.read_csv(tmp_path / "scaling.csv", comment="#")
    sizes = points[points["unit"].isin(["ms", "rows/s", "MiB"])].groupby("curve").size()
    assert len(sizes) == 3
    assert (sizes == 2).all()
    assert (points["value"] > 0).all()
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
