"""Observables of the path of a network against dense NumPy, at sizes where that is quick."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from networks import drawn

import sweepjax as sj
from sweepjax.engine.facts import completed
from sweepjax.models.quadratic_modular import QuadraticModular
from sweepjax.models.relu_modular import ReluModular
from sweepjax.models.transformer_modular import TransformerModular
from sweepjax.observables.embedding_spectrum import EmbeddingSpectrum
from sweepjax.observables.hessian_lanczos import HessianLanczos
from sweepjax.observables.hjorth import Hjorth
from sweepjax.observables.loss_slices import SHOWN, LossSlices
from sweepjax.observables.path_modes import PathModes
from sweepjax.observables.slingshots import Slingshots
from sweepjax.observables.step_cosine import StepCosine
from sweepjax.observables.step_distance import StepDistance
from sweepjax.observables.weight_norm import WeightNorm
from sweepjax.types import Moment, Problem, Trajectory

TINY = QuadraticModular(p=3, width=4)
RUN = {"model": "quadratic_modular", "solver": "adamw", "p": 5, "width": 8, "fraction": 0.8, "realizations": 1}


@pytest.fixture(autouse=True)
def double():
    """Every test computes as rows do, with float64."""
    with jax.enable_x64(True):
        yield


def training(model=TINY):
    """A problem in float64."""
    data, start = drawn(model)
    wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), start)
    return Problem(model, data, wide, jax.random.key(5))


def path_of(problem, count, size=0.3, seed=0):
    """Parameters of so many times, on a random walk from the start."""
    y, unravel = ravel_pytree(problem.start)
    steps = size * np.random.default_rng(seed).standard_normal((count, y.size))
    steps[0] = 0
    return [unravel(jnp.asarray(each)) for each in np.asarray(y) + np.cumsum(steps, axis=0)]


def seen(observable, problem, path):
    """What an observable makes of a path."""
    see = jax.jit(lambda params: observable.measure(problem, moment(problem, params)))
    kept = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(see, path))
    return np.asarray(jax.jit(lambda kept: completed(observable, problem, Trajectory({}, {}, kept)))(kept))


def moment(problem, params):
    return Moment(jnp.float64(0), params, problem.model.metrics(params, problem.data))


def of_losses(observable, losses, steps=None):
    """What an observable makes of training losses at these steps, by default at every one."""
    step = jnp.arange(len(losses)) if steps is None else jnp.asarray(steps)
    return np.asarray(observable.finish(None, Trajectory({"step": step}, {}, jnp.asarray(losses))))


def signature(loss, slowest):
    """Activity, mobility and two complexities by a matrix of sines and cosines."""
    count, times = len(loss), np.arange(len(loss))
    x = loss - (loss[0] + (loss[-1] - loss[0]) * times / (count - 1))
    y = np.zeros(count)
    for k in range(count // 2 + 1):
        if k / count >= 1 / slowest:
            waves = np.exp(2j * np.pi * k * times / count)
            y += (1 if k in (0, count / 2) else 2) * np.real(waves * (waves.conj() @ x)) / count
    m0, m2, m4 = (np.var(np.diff(y, order)) for order in range(3))
    return [m0, np.sqrt(m2 / m0), np.sqrt(m4 / m2) / np.sqrt(m2 / m0), np.sqrt(m4 / m2)]


@pytest.mark.parametrize(("steps", "slowest"), [(40, 25), (41, 10)])
def test_the_signature_is_that_of_a_discrete_fourier_transform(steps, slowest):
    loss = np.exp(np.cumsum(np.random.default_rng(1).standard_normal(50)) / 5)
    found = of_losses(Hjorth(steps=steps, slowest=slowest), loss)
    assert np.isnan(found[: steps - 1]).all()
    both = [*signature(loss[:steps], slowest), *signature(np.log(loss[:steps]), slowest)]
    np.testing.assert_allclose(found[steps - 1 :], np.tile(both, (50 - steps + 1, 1)), rtol=1e-8)


def test_the_activity_of_a_wave_is_its_variance_and_a_slow_one_has_none():
    times = np.arange(400)
    wave = 3 + 0.5 * np.cos(2 * np.pi * times / 10)
    assert of_losses(Hjorth(), wave - wave[-1] * times / 399)[-1][0] == pytest.approx(0.125, rel=0.02)
    slow = 3 + 0.5 * np.cos(2 * np.pi * times / 400)
    assert of_losses(Hjorth(), slow)[-1][0] < 1e-10


def test_a_step_that_is_not_recorded_leaves_no_signature():
    steps = np.arange(12)
    steps[5:] += 1
    assert np.isnan(of_losses(Hjorth(steps=10), np.ones(12), steps)).all()


def test_too_few_steps_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"needs every step from 0 to 399; record them with --record 0:400, or give"):
        sj.run(**RUN, until=9.0, record="0:9", observe="hjorth")
    with pytest.raises(ValueError, match=r"'slingshots' needs steps, which this solver does not take"):
        sj.run(model="relu_modular", solver="gradient_flow", until=1.0, observe="slingshots")


def test_slingshots_are_rises_over_the_least_of_the_last_fifty_steps():
    loss = np.full(300, 1e-4)
    loss[[100, 103]] = 0.5  # the second belongs to the first
    loss[200] = 0.009  # less than a hundredfold
    loss[250] = 0.011
    counts = of_losses(Slingshots(), loss)
    assert np.flatnonzero(np.diff(counts)).tolist() == [99, 249]


def test_a_loss_that_was_not_small_or_is_rounding_slings_nothing():
    large, tiny = np.full(90, 2e-3), np.zeros(90)
    large[60], tiny[60] = 1.0, 1e-9
    assert of_losses(Slingshots(), large)[-1] == 0
    assert of_losses(Slingshots(), tiny)[-1] == 0


def test_a_least_that_is_longer_ago_than_the_window_is_forgotten():
    loss = np.array([1e-5, 5e-3, 5e-3, 5e-3])
    assert of_losses(Slingshots(), loss, [0, 40, 45, 49])[-1] == 1
    assert of_losses(Slingshots(), loss, [0, 51, 60, 70])[-1] == 0


def hessian(problem, params):
    y, unravel = ravel_pytree(params)
    return jax.jit(jax.hessian(lambda y: problem.model.training_loss(unravel(y), problem.data)))(y)


SMALL = TransformerModular(p=3, width=2, heads=1, precision="float64")


@pytest.mark.slow
@pytest.mark.parametrize("model", [TINY, pytest.param(SMALL, marks=pytest.mark.slow)])
def test_lanczos_finds_the_ends_of_the_dense_spectrum(model):
    problem = training(model)
    path = path_of(problem, 2)
    found = seen(HessianLanczos(steps=200), problem, path)
    for params, (largest, smallest, ratio) in zip(path, found, strict=True):
        dense = np.linalg.eigvalsh(hessian(problem, params))
        np.testing.assert_allclose([smallest, largest], dense[[0, -1]], rtol=1e-6)
        assert ratio == pytest.approx(dense[-1] / dense[0], rel=1e-6)


def test_lanczos_with_few_products_stays_within_the_spectrum():
    problem = training()
    few, all_of_them = (seen(HessianLanczos(steps=steps), problem, [problem.start])[0] for steps in (4, 100))
    assert all_of_them[1] <= few[1] < few[0] <= all_of_them[0] * (1 + 1e-12)


def test_a_flat_loss_has_a_spectrum_of_zeros():
    problem = training()
    flat = jax.tree.map(jnp.zeros_like, problem.start)
    assert seen(HessianLanczos(), problem, [flat])[0, :2].tolist() == [0, 0]


def test_distances_are_those_between_successive_directions():
    problem = training()
    path = path_of(problem, 6)
    rows = np.stack([np.asarray(ravel_pytree(params)[0]) for params in path])
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = seen(StepDistance(), problem, path)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], 1 - np.sum(rows[1:] * rows[:-1], axis=1), rtol=1e-12)


def test_modes_are_singular_values_of_the_path_so_far():
    problem = training()
    path = path_of(problem, 6)
    found = seen(PathModes(), problem, path)
    rows = np.stack([ravel_pytree(params)[0] for params in path])
    assert np.isnan(found[0]).all()
    for now in range(1, 6):
        far = rows[: now + 1]
        expected = [share for about in (far[-1], far.mean(axis=0)) for share in shares(far - about)]
        np.testing.assert_allclose(found[now], expected, rtol=1e-8)


def shares(matrix):
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    return np.cumsum(squares)[:2] / squares.sum()


def line(problem, here, away, at):
    """Losses and accuracies at here + s away."""
    y, unravel = ravel_pytree(here)
    metrics = jax.jit(lambda y: problem.model.metrics(unravel(y), problem.data))
    found = [metrics(jnp.asarray(np.asarray(y) + s * away)) for s in at]
    return np.array([[float(columns[name]) for columns in found] for name in SHOWN])


@pytest.mark.parametrize(("direction", "aims"), [("end", [2, 2, 2]), ("next", [1, 2, 2]), ("start", [0, 0, 0])])
def test_slices_pass_through_the_other_point(direction, aims):
    problem = training()
    path = path_of(problem, 3)
    found = seen(LossSlices(direction=direction, filters=False, reach=1.0, points=3), problem, path)
    rows = np.stack([ravel_pytree(params)[0] for params in path])
    for here, aim in enumerate(aims):
        expected = line(problem, path[here], rows[aim] - rows[here], (-1, 0, 1))
        np.testing.assert_allclose(found[here], expected, rtol=1e-8)


@pytest.mark.slow
def test_an_end_that_is_never_reached_is_not_aimed_at():
    problem, observable = training(), LossSlices(direction="end", filters=False, reach=1.0, points=3)
    path = path_of(problem, 3)
    kept = jax.tree.map(
        lambda *leaves: jnp.stack([*leaves[:2], 0 * leaves[2]]),
        *(observable.measure(problem, moment(problem, params)) for params in path),
    )
    stopped = observable.finish(problem, Trajectory({}, {}, kept))
    np.testing.assert_allclose(stopped[0], seen(observable, problem, path[:2])[0], rtol=1e-8)


def test_filters_make_a_line_as_long_as_the_weights_of_each_unit():
    model = ReluModular(p=3, width=4)
    problem = training(model)
    here = path_of(problem, 2)[1]
    start, now = (jax.tree.map(np.asarray, params) for params in (problem.start, here))
    away = jax.tree.map(np.subtract, start, now)
    scaled = away._replace(
        **{name: getattr(away, name) * lengths(now, name, 0) / lengths(away, name, 0) for name in ("u", "v")},
        w=away.w * lengths(now, "w", 1) / lengths(away, "w", 1),
        c=np.sign(away.c) * np.abs(now.c),
    )
    expected = line(problem, here, np.asarray(ravel_pytree(scaled)[0]), (-2, 0, 2))
    found = seen(LossSlices(direction="start", reach=2.0, points=3), problem, [here])
    np.testing.assert_allclose(found[0], expected, rtol=1e-7)


def lengths(params, name, axis):
    return np.linalg.norm(getattr(params, name), axis=axis, keepdims=True)


def test_a_random_line_is_one_for_all_times_of_a_row():
    problem = training()
    find = partial(seen, LossSlices(reach=1.0, points=3, filters=False), problem)
    first, same = find([problem.start, problem.start])
    np.testing.assert_array_equal(first, same)
    assert first[0, 0] != first[0, 2]


@pytest.mark.parametrize(
    "model", [QuadraticModular(p=7, width=4), ReluModular(p=7, width=4), TransformerModular(p=7, width=4)]
)
def test_an_embedding_of_one_frequency_has_that_one_alone(model):
    problem = training(model)
    numbers = np.arange(7)[:, None]
    waves = jnp.asarray(np.cos(2 * np.pi * 3 * numbers / 7 + np.arange(4)) + 5)
    first = "embedding" if isinstance(model, TransformerModular) else "u"
    rows = getattr(problem.start, first)
    params = problem.start._replace(**{first: rows.at[:7].set(waves)})
    np.testing.assert_allclose(seen(EmbeddingSpectrum(), problem, [params])[0], [0, 0, 1], atol=1e-5)


def test_a_model_without_an_embedding_is_refused():
    with pytest.raises(
        ValueError, match="'embedding_spectrum' needs an embedding, which model 'teacher_student' lacks"
    ):
        sj.run(model="teacher_student", solver="adam", until=2.0, observe="embedding_spectrum")


@pytest.mark.slow
def test_a_run_observes_all_of_them_and_again_on_recheck(tmp_path):
    names = "hjorth:steps=8,slingshots,hessian_lanczos,path_modes,loss_slices:direction=end,embedding_spectrum"
    options = {**RUN, "model": "transformer_modular", "heads": 2, "realizations": 2}
    frame = sj.run(**options, until=10.0, record="0:10", observe=names, out=tmp_path / "rows")
    assert np.stack([np.stack(list(row)) for row in frame["hjorth"]]).shape == (2, 11, 8)
    assert np.asarray([row[-1] for row in frame["slingshots"]]).tolist() == [0, 0]
    late = np.stack([np.stack(list(row[-1])) for row in frame["loss_slices"]])
    assert late.shape == (2, 4, 31)
    np.testing.assert_allclose(late[:, 0, 15], [row[-1] for row in frame["train_loss"]], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "observable", [HessianLanczos(steps=4), PathModes(), LossSlices(direction="next", points=3), EmbeddingSpectrum()]
)
def test_observables_of_networks_lower_for_a_gpu(observable):
    problem = training()
    path = jax.tree.map(lambda *leaves: jnp.stack(leaves), *path_of(problem, 3))

    def see(path):
        kept = jax.vmap(lambda params: observable.measure(problem, moment(problem, params)))(path)
        return completed(observable, problem, Trajectory({}, {}, kept))

    assert "stablehlo" in jax.jit(see).trace(path).lower(lowering_platforms=("cuda",)).as_text()


@pytest.fixture(scope="module")
def grokked():
    """One training of the quadratic network to its end: curvature, modes, and the line from each record to the end."""
    options = {"model": "quadratic_modular", "solver": "adamw", "b2": 0.98, "weight_decay": 1.0, "realizations": 1}
    slices = "loss_slices:direction=end:filters=false:reach=1:points=5"
    frame = sj.run(**options, until=900.0, record="0:900:20", observe=f"hessian_lanczos:steps=32,path_modes,{slices}")
    row = frame.iloc[0]
    names = ("hessian_lanczos", "path_modes", "loss_slices")
    return {name: np.array([np.array(list(each)) for each in row[name]]) for name in names[:2]} | {
        "loss_slices": np.array([[np.array(line) for line in each] for each in row["loss_slices"]])
    }


@pytest.mark.slow
def test_two_modes_explain_most_of_a_path_but_not_all(grokked):
    _, about_last, _, about_mean = grokked["path_modes"][-1]
    assert 0.85 < about_last < 0.97
    assert 0.75 < about_mean < about_last


@pytest.mark.slow
def test_curvature_grows_as_the_network_learns(grokked):
    largest, smallest, _ = grokked["hessian_lanczos"].T
    assert largest[0] < 0.01
    assert 0.06 < largest[5] < 0.25
    assert 0.12 < largest[-1] < 0.5
    assert -2e-3 < smallest[-1] < 0


@pytest.mark.slow
def test_a_network_turns_a_thousandfold_less_at_each_step_once_it_has_memorised():
    options = {"model": "quadratic_modular", "solver": "adamw", "b2": 0.98, "weight_decay": 1.0, "realizations": 1}
    turned = np.array(sj.run(**options, until=101.0, record="0,1,100,101", observe="step_distance")["step_distance"][0])
    spread = 0.5 / (2 * 128) ** (1 / 3)  # of the start, all of which the first step of Adam moves by the learning rate
    assert turned[1] == pytest.approx((0.01 / spread) ** 2 / 2, rel=0.1)
    assert 4e-6 < turned[3] < 2e-5


@pytest.mark.slow
def test_a_barrier_lies_between_the_memorising_and_the_generalising_minimum(grokked):
    train_loss, _, train_accuracy, test_accuracy = grokked["loss_slices"][5]  # step 100
    assert train_loss[3] > 2 * max(train_loss[2], train_loss[4])
    assert train_accuracy[2] == 1
    assert test_accuracy[2] < 0.2
    assert test_accuracy[4] > 0.98


def test_modes_of_a_path_that_ended_are_those_of_what_there_is_of_it():
    problem = training()
    path = path_of(problem, 6)
    nothing = jax.tree.map(lambda leaf: leaf * np.nan, path[0])
    whole, found = (seen(PathModes(), problem, each) for each in (path, [*path[:4], nothing, nothing]))
    np.testing.assert_allclose(found[:4], whole[:4], rtol=1e-9)
    assert np.isnan(found[4:]).all()


def test_weights_whose_squares_underflow_have_a_norm_and_directions():
    problem = training()
    start = jax.tree.map(lambda leaf: (leaf * 1e-25).astype(jnp.float32), problem.start)
    norm = float(WeightNorm().measure(problem, Moment(jnp.float64(0), start, {})))
    assert norm == pytest.approx(1e-25 * np.linalg.norm(ravel_pytree(problem.start)[0]), rel=1e-5)
    kept = jnp.asarray([[0, 0], [1e-25, 0], [1e-25, 1e-25]], jnp.float32)
    turns = StepCosine().finish(problem, Trajectory({}, {}, kept))
    assert float(turns[1]) == pytest.approx(0, abs=1e-6)
