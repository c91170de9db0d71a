"""The gradient flow against SciPy, closed forms and its own invariances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training import flow_by_scipy, inseparable, points, train

from sweepjax.solvers._flat import alike
from sweepjax.solvers._flow import integrate
from sweepjax.solvers.gradient_flow import GradientFlow
from sweepjax.solvers.limit import solve_limit
from sweepjax.theory import two_point

FLOW = GradientFlow()
# One length of record and few shapes of data, since every other is compiled anew.
TIMES = np.concatenate([[0], np.logspace(-2, 6, 159)])


@pytest.mark.parametrize("sigma", [0.5, 1, 5])
@pytest.mark.parametrize(("d", "loss"), [(16, "logistic"), (24, "logistic"), (16, "exponential")])
def test_scipy_agrees_to_one_part_in_ten_thousand_at_every_recorded_time(sigma, d, loss):
    x = points(40, d, sigma=sigma)
    mine = train(FLOW, x, TIMES, loss=loss)
    s, b = flow_by_scipy(x, TIMES, loss=loss)
    norm = np.linalg.norm(s, axis=1)
    assert np.abs(np.linalg.norm(mine["s"], axis=1) - norm).max() / norm.max() < 1e-4
    np.testing.assert_allclose(np.linalg.norm(mine["s"], axis=1), norm, rtol=1e-4)
    np.testing.assert_allclose(mine["b"], b, rtol=1e-4, atol=1e-4)
    assert mine["converged"]


def test_what_is_recorded_does_not_change_the_path():
    x = points(40, 16)
    many, few = train(FLOW, x, TIMES), train(FLOW, x, TIMES[::2])
    np.testing.assert_array_equal(many["s"][::2], few["s"])
    np.testing.assert_array_equal(many["b"][::2], few["b"])


def test_time_zero_is_the_start():
    record = train(FLOW, points(40, 16), TIMES, start=(np.full(16, 0.5), -2.0))
    np.testing.assert_array_equal(record["s"][0], np.full(16, 0.5))
    assert record["b"][0] == -2


@pytest.mark.slow
def test_the_bias_does_not_freeze_in_thirty_decades():
    x = inseparable(40, 8)
    times = np.concatenate([[0], np.logspace(0, 30, 159)])
    record = train(FLOW, x, times)
    with jax.enable_x64(True):
        minimum = jax.jit(solve_limit)(jnp.asarray(x)).direction
        loss = np.mean(np.exp(x @ np.asarray(minimum)))
    late = times > 1e4
    np.testing.assert_allclose(np.exp(-record["b"][late]) / times[late] / loss, 1, rtol=2e-2)
    # The bias is off by 1e-5 of itself in each step, so that its exponential is by 2e-3 at t = 1e30.
    np.testing.assert_allclose(record["s"][-1], minimum, rtol=1e-3, atol=1e-4)


def test_a_time_beyond_the_range_of_float32_is_reached():
    times = np.concatenate([[0], np.logspace(100, 290, 159)])
    record = train(FLOW, inseparable(40, 8), times)
    assert record["converged"]
    np.testing.assert_allclose(record["b"][1:], -np.log(times[1:]), rtol=5e-3)


@pytest.mark.parametrize("lam", [0.3, *(pytest.param(lam, marks=pytest.mark.slow) for lam in (0.45, 0.6)), 0.9])
def test_two_points_follow_their_closed_form(lam):
    x = np.array([[-1.0], [1 - 2 * lam]], dtype=np.float64)
    times = np.concatenate([[0], np.logspace(-1, 6, 159)])
    record = train(GradientFlow(tolerance=1e-7), x, times, start=([0.0], 0.0), loss="exponential")
    exact = two_point.s_and_b(times, lam)
    np.testing.assert_allclose(record["s"][:, 0], exact.s, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(record["b"], exact.b, rtol=1e-5, atol=1e-7)


def test_a_rotation_of_the_points_rotates_the_path():
    x = points(40, 16, sigma=2.0)
    q = np.linalg.qr(np.random.default_rng(1).standard_normal((16, 16)))[0]
    start = np.linspace(-0.1, 0.1, 16)
    plain = train(FLOW, x, TIMES, start=(start, 0.5))
    turned = train(FLOW, (x @ q).astype(np.float32), TIMES, start=(start @ q, 0.5))
    np.testing.assert_allclose(turned["s"], plain["s"] @ q, atol=2e-4)
    np.testing.assert_allclose(turned["b"], plain["b"], rtol=1e-4, atol=1e-5)


def test_with_the_exponential_loss_s_depends_on_conformal_time_alone():
    x = points(40, 16)
    times = np.concatenate([[0], np.logspace(-3, 3, 159)])
    start = np.linspace(-0.1, 0.1, 16)
    late, early = (train(GradientFlow(tolerance=1e-7), x, times, start=(start, b), loss="exponential") for b in (-3, 0))
    # S(τ) is one curve: where the loss without the bias agrees, which only falls, all of S must.
    fallen, place = (-np.log(np.mean(np.exp(x @ record["s"].T), axis=0)) for record in (early, late))
    for k in (80, 120, 155):
        where = np.interp(place[k], fallen, np.arange(fallen.size))
        between = early["s"][int(where)] * (1 - where % 1) + early["s"][int(where) + 1] * (where % 1)
        np.testing.assert_allclose(between, late["s"][k], atol=1e-2 * np.linalg.norm(late["s"][k]))


def test_a_start_that_is_not_finite_is_said_and_ends():
    record = train(FLOW, points(40, 16), TIMES, start=(np.full(16, np.nan), 0.0))
    assert not record["converged"]
    assert np.isnan(record["b"][-1])


def test_error_falls_with_the_tolerance():
    x = points(40, 16, sigma=2.0)
    b = flow_by_scipy(x, TIMES)[1]
    errors = [np.abs(train(GradientFlow(tolerance=t), x, TIMES)["b"] - b).max() for t in (1e-3, 1e-5, 1e-7)]
    assert errors[0] > 5 * errors[1] > 25 * errors[2]


def advanced(equation, start, until):
    """The path of an equation from position 0 on, once it has reached another."""
    stages = [lambda path, stage=stage: alike(stage(equation, path), path) for stage in integrate.STAGES]
    return jax.jit(
        lambda path: jax.lax.while_loop(
            lambda path: integrate.waits(path, until) < len(stages),
            lambda path: jax.lax.switch(integrate.waits(path, until), stages, path),
            path,
        )
    )(integrate.start(equation, jnp.zeros(()), start))


@pytest.mark.parametrize("size", [1.0, 1e-13])
def test_errors_are_relative_however_small_the_parameters_and_the_times_are(size):
    target = size * jnp.array([3.0, -2.0, 5.0])
    rate = jnp.array([1.0, 2.0, 0.5]) / size
    until = 2.0 * size
    with jax.enable_x64(True):
        equation = integrate.Equation(
            lambda position, y: -rate * (y - target), lambda position, y, v: -rate * v, (1, 2), 1e-6
        )
        path = advanced(equation, size * jnp.ones(3), until)
        y = np.asarray(integrate.interpolated(path, jnp.asarray(until)))
    assert not path.failed
    start, end = size * np.ones(3), np.asarray(target)
    np.testing.assert_allclose(y, end + (start - end) * np.exp(-np.asarray(rate) * until), rtol=1e-5)


def test_stiff_eigenvalues_neither_break_the_step_nor_cost_its_square():
    rates = jnp.array([1.0, 100.0, 1e4])
    with jax.enable_x64(True):
        equation = integrate.Equation(lambda position, y: -rates * y, lambda position, y, v: -rates * v, (3,), 1e-5)
        path = advanced(equation, jnp.ones(3), 5.0)
        y = np.asarray(integrate.interpolated(path, jnp.asarray(5.0)))
    assert y[0] == pytest.approx(np.exp(-5), rel=1e-2)
    assert abs(y[1]) < 1e-5
    assert path.evaluations < 5e4 / 3 / 3  # what is not stabilised needs 5e4/3 or more
