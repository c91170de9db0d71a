"""Discrete descent against a plain float64 loop; the corrected mode against the steps it leaves out."""

import numpy as np
import pytest
from scipy.special import expit
from training import inseparable, points, train

from sweepjax.solvers.gradient_descent import GradientDescent
from sweepjax.solvers.gradient_flow import GradientFlow

# Three points in the plane; losses and parameters by an independent calculation in float64.
THREE = np.array([[1, 0.5], [-0.3, 0.8], [-1.2, -0.4]])
START = ([0.1, -0.2], 0.0)
REFERENCE = {
    ("logistic", 1): ((0.107459810476704, -0.21387044574125), -0.0480881238325648),
    ("logistic", 1000): ((0.545131392722761, -1.20069487503897), -4.2680062278424),
    ("exponential", 1): ((0.113367835572193, -0.225908384383125), -0.0929249524365229),
    ("exponential", 10): ((0.188249992891197, -0.378390632152418), -0.65807075017668),
}


def loop(x, steps, *, rate, loss="logistic"):
    """Plain descent in float64; (S, b) at the given ascending steps."""
    x = x.astype(np.float64)
    n, d = x.shape
    s, b, path = 0.1 * np.ones(d) / np.sqrt(d), 0.0, {}
    weight = expit if loss == "logistic" else np.exp
    for step in range(int(steps[-1]) + 1):
        path[step] = np.append(s, b) if step in steps else None
        p = weight(x @ s + b) / n
        s, b = s - rate * (p @ x), b - rate * p.sum()
    return np.array([path[int(step)] for step in steps])


@pytest.mark.parametrize(("loss", "step"), REFERENCE)
def test_three_points_in_the_plane(loss, step):
    record = train(GradientDescent(learning_rate=0.1), THREE, [0, step], start=START, loss=loss)
    s, b = REFERENCE[loss, step]
    np.testing.assert_allclose(record["s"][1], s, rtol=1e-13)
    np.testing.assert_allclose(record["b"][1], b, rtol=1e-13)


@pytest.mark.parametrize("sigma", [1, 5])
@pytest.mark.parametrize("d", [16, 24])
def test_a_plain_loop_agrees_to_one_part_in_a_hundred_thousand(sigma, d):
    x, steps = points(40, d, sigma=sigma), np.array([0, 1, 10, 100, 1000, 5000])
    record = train(GradientDescent(learning_rate=0.05), x, steps)
    exact = loop(x, steps, rate=0.05)
    np.testing.assert_allclose(record["b"], exact[:, -1], rtol=1e-5, atol=1e-7)
    scale = np.linalg.norm(exact[:, :-1], axis=1)
    assert (np.linalg.norm(record["s"] - exact[:, :-1], axis=1) / scale).max() < 1e-5


@pytest.mark.slow
def test_what_is_recorded_does_not_change_the_path():
    x = points(40, 16)
    for mode in ("exact", "corrected"):
        solver = GradientDescent(learning_rate=0.1, mode=mode)
        many, few = train(solver, x, [0, 3, 7, 7, 500, 4000]), train(solver, x, [500, 4000])
        for name in ("s", "b"):
            np.testing.assert_array_equal(many[name][4:], few[name], err_msg=f"{mode} {name}")


def test_small_steps_approach_the_flow():
    x = points(40, 16)
    flow = train(GradientFlow(tolerance=1e-7), x, [0, 10.0])
    errors = [
        np.linalg.norm(train(GradientDescent(learning_rate=h), x, [0, round(10 / h)])["s"][1] - flow["s"][1])
        for h in (0.1, 0.05)
    ]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "rate"), [(1, 0.1), (1, 1.0), (5, 0.1)])
@pytest.mark.parametrize("d", [16, pytest.param(24, marks=pytest.mark.slow)])
def test_the_corrected_mode_agrees_with_every_step_taken(sigma, rate, d):
    x, steps = points(40, d, sigma=sigma), [0, 50, 51, 1000, 10_000, 60_000]
    full = train(GradientDescent(learning_rate=rate), x, steps)
    short = train(GradientDescent(learning_rate=rate, mode="corrected"), x, steps)
    assert short["exact_steps"] < 60_000
    assert short["deviation"] < 1e-5
    np.testing.assert_allclose(short["b"], full["b"], rtol=2e-5)
    scale = np.linalg.norm(full["s"], axis=1)
    assert (np.linalg.norm(short["s"] - full["s"], axis=1) / scale).max() < 2e-5


@pytest.mark.slow
def test_the_correction_matters():
    # Without it the flow is off by the learning rate, not by its square.
    x, steps = points(40, 16), [0, 1, 2, 3, 4, 20_000]
    full = train(GradientDescent(learning_rate=1.0), x, steps)["s"][-1]
    short = train(GradientDescent(learning_rate=1.0, mode="corrected"), x, steps)["s"][-1]
    flow = train(GradientFlow(tolerance=1e-7), x, [0, 20_000])["s"][-1]
    assert np.linalg.norm(short - full) < 0.1 * np.linalg.norm(flow - full)


@pytest.mark.slow
def test_a_trillion_steps_take_no_trillion_steps():
    x = inseparable(40, 8)
    record = train(GradientDescent(learning_rate=0.1, mode="corrected"), x, [0, 1, 2, 3, 10**9, 10**12])
    assert not record["diverged"]
    assert record["b"][5] - record["b"][4] == pytest.approx(-np.log(1000), rel=1e-4)


def test_steps_that_are_too_long_are_never_replaced_by_a_flow():
    # At the edge of stability the steps oscillate: they are no flow, and the check sees it.
    x = points(40, 16, sigma=5.0)
    record = train(GradientDescent(learning_rate=0.6, mode="corrected"), x, [0, 1, 2, 3, 4, 128])
    assert np.isinf(record["deviation"]) or record["deviation"] > 1e-5
    assert record["exact_steps"] == 128


def test_a_rate_that_diverges_is_said():
    x = points(40, 16, sigma=5.0)
    record = train(GradientDescent(learning_rate=1e6), x, [0, 300], loss="exponential")
    assert record["diverged"]
    assert not train(GradientDescent(learning_rate=0.01), x, [0, 300])["diverged"]
