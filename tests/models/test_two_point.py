"""The closed form of the two-point model against reference points, an independent one, and laws it must obey."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles import FLOW
from scipy.special import lambertw

from sweepjax import theory
from sweepjax.engine.engine import Engine
from sweepjax.models.logistic import Weights
from sweepjax.models.two_point import TwoPoint
from sweepjax.run import run
from sweepjax.sweep.sweep import Sweep
from sweepjax.theory import two_point

LATE = np.array([0, 1e-9, 1e-3, 0.5, 20, 1e4, 1e12, 1e30, 1e60])


@jax.jit
def solved(model, params, times):
    prepared = model.prepare(params, model.sample(None))
    return jax.vmap(lambda time: model.solution(prepared, time))(times)


@jax.jit
def measured(model, params):
    data = model.sample(None)
    return model.metrics(params, data), jax.grad(model.training_loss)(params, data)


def weights(s, b):
    return Weights(jnp.array([s], jnp.float64), jnp.array(b, jnp.float64))


def model_of(lam, sigma=1.0, **fields):
    return TwoPoint(lam=float(lam), sigma=float(sigma), **fields)


def path(times, lam, *, sigma=1.0, start=(0.0, 0.0)):
    """S and b at the given times; these are padded, for one program serves every test."""
    with jax.enable_x64(True):
        padded = jnp.pad(jnp.asarray(times, jnp.float64), (0, len(LATE) - len(times)), "edge")
        found = solved(model_of(lam, sigma), weights(*start), padded)
        return np.asarray(found.s)[: len(times), 0], np.asarray(found.b)[: len(times)]


def columns(lam, s, b, *, sigma=1.0, loss="exponential"):
    with jax.enable_x64(True):
        return {
            name: float(value) for name, value in measured(model_of(lam, sigma, loss=loss), weights(s, b))[0].items()
        }


def descent(lam, s, b, *, sigma=1.0):
    """-∇L at (S, b)."""
    with jax.enable_x64(True):
        gradient = measured(model_of(lam, sigma), weights(s, b))[1]
        return -float(gradient.s[0]), -float(gradient.b)


@pytest.mark.parametrize(("lam", "s", "b"), FLOW)
def test_reference_points_of_the_flow_are_reproduced(lam, s, b):
    found = path([1e4], lam)
    np.testing.assert_allclose(np.ravel(found), (s, b), atol=4e-9 if lam == 0.1 else 3e-10)


def test_without_features_the_path_decays_through_a_hyperbolic_tangent():
    s, b = path([0, 5], 0.0, start=(2.0, 0.0))
    np.testing.assert_allclose(s, [2, 0.44033418763], atol=2e-11)
    np.testing.assert_allclose(b, [0, -2.07647932], atol=1e-8)
    np.testing.assert_allclose(b, np.log(np.sinh(s) / np.sinh(2)), atol=1e-14)


def test_the_critical_path_is_the_lambert_function():
    times = np.array([0, 1e-6, 10, 1e6, 1e60, 1e300])
    w = lambertw(times / 2).real
    s, b = path(times, 0.5)
    np.testing.assert_allclose(s, np.log1p(w), rtol=1e-13)
    np.testing.assert_allclose(b, -w - np.log1p(w), rtol=1e-13)


def test_the_path_of_coinciding_points_is_a_logarithm():
    times = np.array([0, 1e-6, 1e3, 1e60, 1e300])
    s, b = path(times, 1.0)
    np.testing.assert_allclose(s, 0.5 * np.log1p(2 * times), rtol=1e-12)
    np.testing.assert_allclose(b, -s, rtol=1e-14)
    assert s[2] == pytest.approx(3.8007011673, abs=1e-10)


@pytest.mark.parametrize("lam", [0.0, 0.1, 0.48, 0.5 - 1e-9, 0.5, 0.5 + 1e-9, 0.52, 0.9, 1.0])
@pytest.mark.parametrize("sigma", [0.7, 5.0])
@pytest.mark.parametrize("start", [(0.0, 0.0), (1.5, -0.3), (0.1, 4.0)])
def test_an_independent_closed_form_agrees(lam, sigma, start):
    s, b = path(LATE, lam, sigma=sigma, start=start)
    other = two_point.s_and_b(LATE, lam, sigma=sigma, start=start)
    np.testing.assert_allclose(s, other.s, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(b, other.b, rtol=1e-9, atol=1e-12)


HARD = [
    (0.02, 100.0, (2.0, -1.0)),
    (0.48, 30.0, (0.3, 5.0)),
    (0.3, 300.0, (0.0, 0.0)),
    (0.5 + 1e-12, 50.0, (0.1, 0.0)),
    (0.52, 100.0, (0.0, 0.0)),
    (1 - 1e-9, 3.0, (0.2, 1.0)),
    (0.7, 0.01, (0.0, 0.0)),
]


@pytest.mark.parametrize(("lam", "sigma", "start"), HARD)
def test_going_on_from_a_point_of_the_path_stays_on_it(lam, sigma, start):
    steps = np.array([1e-6, 1e-3, 0.3, 10, 1e5, 1e20])
    s, b = start
    for step in steps:
        (s,), (b,) = path([step], lam, sigma=sigma, start=(s, b))
    whole = path([steps.sum()], lam, sigma=sigma, start=start)
    np.testing.assert_allclose((s, b), np.ravel(whole), rtol=1e-9)


@pytest.mark.parametrize(("lam", "sigma", "start"), HARD)
def test_the_path_starts_down_the_gradient(lam, sigma, start):
    slope = np.array(descent(lam, *start, sigma=sigma))
    step = 1e-4 / np.abs(slope * [sigma, 1]).max()
    change = np.ravel(path([step], lam, sigma=sigma, start=start)) - start
    np.testing.assert_allclose(change / step, slope, rtol=2e-2, atol=1e-9 / step)


@pytest.mark.parametrize("lam", [0.1, 0.48, 0.7])
@pytest.mark.parametrize("sigma", [0.5, 4.0])
def test_one_combination_of_s_and_b_is_conserved(lam, sigma):
    x = 1 - 2 * lam
    s, b = path(np.logspace(-3, 0, 9), lam, sigma=sigma, start=(0.05, 0.4))
    conserved = sigma**2 * b + sigma * s - np.log(np.abs(1 - x * np.exp((1 + x) * sigma * s))) / x
    np.testing.assert_allclose(conserved, conserved[0], atol=1e-9 * sigma**2)


def test_sigma_multiplies_the_speed_of_scaled_s_by_its_square_and_leaves_that_of_b():
    sigma, scaled, b = 4.0, 0.8, -0.5
    wide, unit = descent(0.4, scaled / sigma, b, sigma=sigma), descent(0.4, scaled, b)
    assert sigma * wide[0] == pytest.approx(sigma**2 * unit[0])
    assert wide[1] == pytest.approx(unit[1])


@pytest.mark.parametrize("loss", ["exponential", "logistic"])
def test_what_is_measured_depends_on_sigma_times_s_alone(loss):
    wide, unit = columns(0.45, 0.5, -1.2, sigma=3.0, loss=loss), columns(0.45, 1.5, -1.2, loss=loss)
    assert wide.pop("s_norm") * 3 == unit.pop("s_norm")
    assert wide == pytest.approx(unit, rel=1e-14)


@pytest.mark.parametrize("lam", [0.3, 0.5, 0.8, 1.0])
def test_late_times_follow_table_one(lam):
    late = two_point.late_s_and_b(1e300, lam)
    s, b = path([1e300], lam)
    assert s[0] == pytest.approx(late.s, abs=1e-8)
    assert b[0] == pytest.approx(late.b, abs=0.05 if lam < 0.5 else 1e-8)


def test_paths_from_both_sides_end_at_the_same_limit():
    ends = [path([1e60], 0.2, start=(s, 0.0))[0][0] for s in (0.0, 10.0)]
    np.testing.assert_allclose(ends, two_point.s_inf(0.2), rtol=1e-12)


def test_a_start_of_infinite_loss_has_no_path():
    assert np.isnan(path([1.0], 0.0, sigma=1000.0, start=(10.0, 0.0))[0]).all()


def test_fresh_points_are_measured_exactly():
    s, b, sigma = 0.6, -1.3, 2.0
    exponential, logistic = (columns(0.48, s, b, sigma=sigma, loss=loss) for loss in ("exponential", "logistic"))
    assert exponential["test_loss"] == pytest.approx(np.exp(b + (sigma * s) ** 2 / 2))
    assert logistic["test_loss"] == pytest.approx(theory.population_loss(b, sigma * s))
    for found in (exponential, logistic):
        assert found["test_accuracy"] == pytest.approx(theory.population_accuracy(b, sigma * s))
        assert found["log_test_error"] == pytest.approx(theory.log_population_error(b, sigma * s))


def test_both_points_count_in_the_training_loss():
    s, b, lam = 0.6, 0.1, 0.4
    found = columns(lam, s, b)
    scores = np.array([b - s, b + (1 - 2 * lam) * s])
    assert found["train_loss"] == pytest.approx(np.exp(scores).mean())
    assert found["log_train_loss"] == pytest.approx(np.log(np.exp(scores).mean()))
    assert found["train_accuracy"] == (scores < 0).mean()


def test_logarithms_stay_finite_where_the_losses_vanish():
    for loss in ("exponential", "logistic"):
        found = columns(0.48, 3.0, -900.0, loss=loss)
        assert found["train_loss"] == found["test_loss"] == 0
        assert found["log_train_loss"] == pytest.approx(-900 + np.log((np.exp(-3.0) + np.exp(0.12)) / 2), abs=1e-9)
        assert found["log_test_loss"] == pytest.approx(-900 + 4.5, abs=1e-9)


@pytest.mark.slow
def test_the_limit_solver_finds_the_closed_forms():
    frame = run(model="two_point", lam="0.1,0.48,0.499,0.501,0.6,1", sigma="1,5", realizations=1)
    assert frame["certified"].all()
    lam, sigma = frame["lam"].to_numpy(), frame["sigma"].to_numpy()
    np.testing.assert_allclose(frame["s_norm"], two_point.s_inf(lam) / sigma, rtol=1e-9)
    np.testing.assert_allclose(frame["margin"], two_point.margin(lam) * sigma, rtol=1e-9)
    np.testing.assert_allclose(frame["loss_inf"], two_point.loss_inf(lam), rtol=1e-9)


@pytest.mark.slow
def test_a_point_on_the_origin_is_never_certified():
    assert not run(model="two_point", lam="0.5", realizations=1)["certified"].any()


def test_the_program_lowers_for_an_accelerator():
    family = next(Sweep(model="two_point", solver="exact", until=1e3).families())
    assert Engine(lanes=4).lower(family, "cuda").as_text()
