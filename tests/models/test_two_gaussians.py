"""Two Gaussians: what is drawn, and that planes are exactly the model of one label."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, ndtr

from sweepjax import theory
from sweepjax.engine.redraw import dataset
from sweepjax.keys import realization_keys
from sweepjax.models import logistic
from sweepjax.models.two_gaussians import Direction, Signed, TwoGaussians
from sweepjax.run import run

ROW = {"model": "two_gaussians", "n": 60, "d": 24, "mu": 0.25, "sigma_a": 0.0, "sigma_b": 1.5, "init_norm": 0.1}
ROW |= {"seed": 0, "realization": 3}


def draw(**changes):
    return dataset(ROW | changes)


def descend(rows, start, *, rate, steps):
    """Plain descent on mean log(1 + e^{z·w}) in float64."""
    w = np.array(start)
    for _ in range(steps):
        w = w - rate * expit(rows @ w) @ rows / len(rows)
    return w


@jax.jit
def metrics(model, params, data):
    return model.metrics(params, data)


def measured(model, params, data):
    with jax.enable_x64(True):
        return {name: float(value) for name, value in metrics(model, params, data).items()}


def test_planes_train_as_the_model_of_one_label():
    mu, sigma, rate = ROW["mu"], ROW["sigma_b"], 0.7
    data = jax.tree.map(lambda leaf: np.asarray(leaf, dtype=np.float64), draw())
    start = np.append(0.3, 0.1 * np.ones(24))
    mapped = np.column_stack([data.z[:, 1:] / mu, np.ones(60)])
    one_label = logistic.Dataset(mapped[:, :-1], -np.ones(60))
    for steps in (1, 10, 1000):
        w = descend(data.z, start, rate=rate, steps=steps)
        s_and_b = descend(mapped, np.append(mu * start[1:], -mu * start[0]), rate=rate * mu**2, steps=steps)
        np.testing.assert_allclose(np.append(mu * w[1:], -mu * w[0]), s_and_b, rtol=1e-12)
        here = measured(TwoGaussians(n=60, d=24, mu=mu, sigma_b=sigma), Direction(w), data)
        weights = logistic.Weights(s_and_b[:-1], s_and_b[-1])
        there = measured(logistic.Logistic(n=60, d=24, sigma=sigma / mu), weights, one_label)
        assert mu * here.pop("s_norm") == pytest.approx(there.pop("s_norm"), rel=1e-12)
        assert here == pytest.approx(there, rel=1e-12)


def test_the_training_loss_has_the_gradient_that_descent_follows():
    model, data = TwoGaussians(n=60, d=24, mu=0.25, sigma_b=1.5), draw(sigma_a=0.3)
    w = np.linspace(-0.2, 0.3, 25)
    with jax.enable_x64(True):
        gradient = np.asarray(jax.grad(model.training_loss)(Direction(jnp.asarray(w)), data).w)
    np.testing.assert_allclose(descend(np.asarray(data.z, float), w, rate=1.0, steps=1), w - gradient, atol=1e-6)


def test_the_accuracy_is_that_of_fresh_points():
    model, w = TwoGaussians(n=1, d=2, mu=0.3, sigma_a=0.2, sigma_b=0.5), np.array([2.0, 0.4, -0.3])
    found = measured(model, Direction(w), Signed(np.zeros((1, 3)), np.ones(1)))
    spread = np.sqrt((0.2 * 2.0) ** 2 + (0.5 * 0.5) ** 2)
    assert found["test_accuracy"] == pytest.approx(ndtr(0.3 * 2.0 / spread))
    assert found["test_loss"] == pytest.approx(theory.population_loss(-0.3 * 2.0, spread))


def test_rows_lie_around_minus_mu_on_the_first_axis():
    z = np.asarray(draw(n=20_000, d=4, mu=0.25, sigma_a=0.5).z, dtype=float)
    error = np.array([0.5, 1.5, 1.5, 1.5, 1.5]) / np.sqrt(20_000)
    # Ten numbers at four standard errors: one false alarm in 1600 seeds.
    assert (np.abs(z.mean(0) - [-0.25, 0, 0, 0, 0]) < 4 * error).all()
    assert (np.abs(z.std(0) - error * np.sqrt(20_000)) < 4 * error / np.sqrt(2)).all()


def test_labels_are_fair_and_independent_of_the_rows():
    data = draw(n=20_000, d=4, sigma_a=0.5)
    y = np.asarray(data.y)
    assert set(y) == {-1.0, 1.0}
    assert abs(y.mean()) < 4 / np.sqrt(y.size)
    assert np.abs(y @ np.asarray(data.z) / y.size).max() < 4 * 1.5 / np.sqrt(y.size)


def test_planes_have_no_thickness():
    assert (np.asarray(draw().z)[:, 0] == -0.25).all()


@pytest.mark.parametrize("changes", [{"mu": 0.7}, {"sigma_a": 0.3}, {"init_norm": 2.0}])
def test_lengths_do_not_change_the_noise_across_the_axis(changes):
    np.testing.assert_array_equal(draw().z[:, 1:], draw(**changes).z[:, 1:])


def test_datasets_are_float32():
    assert draw().z.dtype == np.float32


def test_training_starts_across_the_axis_with_the_norm_asked_for():
    model = TwoGaussians(n=5, d=7, init_norm=0.3)
    with jax.enable_x64(True):
        keys = realization_keys(model, np.uint32(0), np.uint32(0))
        w = np.asarray(model.init(keys.init, model.sample(keys.data)).w)
    assert w[0] == 0
    assert np.linalg.norm(w) == pytest.approx(0.3, rel=1e-15)


@pytest.mark.slow
def test_the_limit_solver_finds_the_margin():
    frame = run(model="two_gaussians", d=40, n=100, sigma_a="0,0.1", realizations=8)
    assert frame["certified"].all()
    planes, thick = (frame.query(f"sigma_a == {sigma_a}")["margin"] for sigma_a in (0, 0.1))
    np.testing.assert_allclose(planes, 0.2, rtol=1e-6)
    # Single margins scatter by a quarter at n = 100.
    assert thick.mean() == pytest.approx(theory.two_gaussians.margin(0.4, sigma_a=0.1), rel=0.25)
