"""The optax solvers: one file each, the same datasets, the updates of their papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from training import points, problem, recorded, train

from sweepjax.engine.engine import Engine
from sweepjax.solvers.adam import Adam
from sweepjax.solvers.adamw import Adamw
from sweepjax.solvers.gradient_descent import GradientDescent
from sweepjax.solvers.lion import Lion
from sweepjax.solvers.sgd import Sgd
from sweepjax.sweep.sweep import Sweep

X = points(40, 16)
ALL = [Sgd(), Adam(), Adamw(), Lion(), Sgd(batch_size=8), Adam(batch_size=8)]


def gradient(y):
    p = expit(X.astype(np.float64) @ y[:-1] + y[-1]) / len(X)
    return np.append(p @ X, p.sum())


def by_hand(update, steps):
    y, memory = np.append(0.1 * np.ones(16) / 4, 0.0), (np.zeros(17), np.zeros(17))
    for k in range(1, steps + 1):
        y, memory = update(y, gradient(y), memory, k)
    return y


def adam(y, g, memory, k, *, decay=0.0):
    m, v = 0.9 * memory[0] + 0.1 * g, 0.999 * memory[1] + 0.001 * g * g
    step = (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
    return y - 0.01 * (step + decay * y), (m, v)


def momentum(y, g, memory, _):
    v = 0.9 * memory[0] + g
    return y - 0.01 * v, (v, v)


def lion(y, g, memory, _):
    return y - 0.001 * np.sign(0.9 * memory[0] + 0.1 * g), (0.99 * memory[0] + 0.01 * g, memory[1])


@pytest.mark.parametrize(
    ("solver", "update"),
    [
        (Sgd(), momentum),
        (Adam(), adam),
        (Adamw(weight_decay=0.3), lambda *given: adam(*given, decay=0.3)),
        (Lion(), lion),
    ],
    ids=["sgd", "adam", "adamw", "lion"],
)
def test_fifty_updates_by_hand(solver, update):
    record, y = train(solver, X, [0, 50]), by_hand(update, 50)
    np.testing.assert_allclose(np.append(record["s"][1], record["b"][1]), y, rtol=1e-4, atol=1e-6)


def test_without_momentum_it_is_gradient_descent():
    plain = train(GradientDescent(learning_rate=0.1), X, [0, 30])
    record = train(Sgd(learning_rate=0.1, momentum=0.0), X, [0, 30])
    np.testing.assert_allclose(record["s"], plain["s"], rtol=1e-12)


def trained(solver, given, steps):
    with jax.enable_x64(True):
        return recorded(solver, given._replace(key=jax.random.key(7)), steps)[0]["s"]


@pytest.mark.parametrize("solver", ALL, ids=str)
def test_what_is_recorded_does_not_change_the_path(solver):
    with jax.enable_x64(True):
        given = problem(X)
    np.testing.assert_array_equal(trained(solver, given, [0, 5, 9, 100])[[1, 3]], trained(solver, given, [5, 100]))


def test_a_batch_is_drawn_anew_in_each_step_from_all_samples_alike():
    with jax.enable_x64(True):
        given = problem(X)._replace(key=jax.random.key(7))
        drawn = np.asarray(jax.vmap(lambda step: Sgd(batch_size=8)._batch(given, step))(jnp.arange(4000)))
    assert len({tuple(batch) for batch in drawn}) == 4000
    # 32,000 draws of 40 samples: each 800 times, within four and a half standard errors.
    counts = np.bincount(drawn.ravel(), minlength=40)
    assert len(counts) == 40
    assert np.abs(counts - 800).max() < 4.5 * np.sqrt(800 * 39 / 40)


def test_a_step_on_a_batch_is_the_step_on_its_samples_alone():
    with jax.enable_x64(True):
        given = problem(X)._replace(key=jax.random.key(7))
        alone = problem(X[np.asarray(Sgd(batch_size=8)._batch(given, jnp.asarray(0)))])
    one, same = trained(Sgd(batch_size=8), given, [1]), trained(Sgd(), alone, [1])
    np.testing.assert_allclose(one, same, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "adam",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("gradient_flow", "gradient_descent", "sgd", "adamw", "lion")
        ),
    ],
)
def test_every_solver_lowers_for_a_gpu(name):
    family = next(Sweep(solver=name, axes=(("n", "20"), ("d", "8")), until=10.0).families())
    for platform in ("cuda", "tpu"):
        Engine(lanes=4).lower(family, platform)
