"""Observables against exact laws: on paths that are known, and on flows that the engine trains."""

import inspect
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline
from scipy.optimize import nnls
from scipy.special import expit
from training import points, problem

import sweepjax as sj
from sweepjax import plugins
from sweepjax.engine.kernel import completed
from sweepjax.engine.redraw import dataset
from sweepjax.models.logistic import Weights
from sweepjax.models.two_point import TwoPoint
from sweepjax.observables.limit_angle import _angle
from sweepjax.observables.projection_histogram import BINS, EDGES
from sweepjax.sweep.sweep import Sweep
from sweepjax.theory import two_point
from sweepjax.types import Moment, Trajectory

ELSEWHERE = (  # of models that have what they observe, or of networks, and tested with them
    "predictor",
    "log_flow_time",
    *("embedding_spectrum", "hessian_lanczos", "hjorth", "loss_slices", "path_modes", "slingshots"),
)
EVERY = [name for name in plugins.names("observables") if name not in ELSEWHERE]
NAMES = [name for name in EVERY if hasattr(plugins.find("observables", name), "measure")]
ROTATION = np.linalg.qr(np.random.default_rng(7).standard_normal((8, 8)))[0]
DATA = points(30, 8)
TIMES = "0,log:1e-2:1e3@101,log:1e4:1e200@50"
FLOW = Sweep().replaced(solver="gradient_flow", n=8, d=5, realizations=32, observe=NAMES, record=TIMES)


def given(x=DATA, model=None, **fields):
    """The training of `logistic`, or of another model, on given points."""
    with jax.enable_x64(True):
        made = problem(x, **fields)
        return made._replace(model=model or made.model)


@partial(jax.jit, static_argnames=("observable", "model"))
def program(observable, model, training, path, clock):
    training = training._replace(model=model)
    times = jnp.zeros(jax.tree.leaves(path)[0].shape[0])
    kept = jax.vmap(lambda time, params: observable.measure(training, Moment(time, params, {})))(times, path)
    return completed(observable, training, Trajectory(clock, {}, kept))


def bare(training):
    """A problem without its model, which is static, and without a key."""
    return training._replace(model=None, key=None)


def observed(name, training, path, times=None):
    """What an observable makes of a path of parameters on the dataset of a problem."""
    clock = {} if times is None else {"time": times}
    with jax.enable_x64(True):
        path, clock = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (path, clock))
        return np.asarray(program(plugins.find("observables", name)(), training.model, bare(training), path, clock))


def walk(steps=20, d=8, seed=3):
    """A random path of (S, b)."""
    random = np.random.default_rng(seed)
    return Weights(random.standard_normal((steps, d)).cumsum(0), random.standard_normal(steps).cumsum())


def decades(per, last=4):
    """Time 0, and times from 0.01 with so many a decade."""
    return np.append(0, 10 ** (np.arange(-2 * per, last * per + 1) / per))


def clock_of_two_points(per, lam, sigma=1.0, bias=0.0):
    """The conformal time observed and the exact one, after t = 0."""
    times, model = decades(per, last=1), TwoPoint(lam=lam, sigma=sigma)
    s, b = two_point.s_and_b(times, lam, sigma=sigma, start=(0.0, bias))
    with jax.enable_x64(True):
        points = given(model=model)._replace(data=model.sample(None))
    mine = observed("conformal_time", points, Weights(s[:, None], b), times)
    return mine[1:], two_point.conformal_time(s, lam, sigma=sigma)[1:]


def flow_by_scipy(x, times, bias):
    """(S, b) and τ of the flow of the exponential loss, integrated together in log(1 + t)."""
    n, d = x.shape

    def slope(s, y):
        pull = np.exp(x @ y[:d] + y[d] + s) / n
        return np.concatenate([-pull @ x, [-pull.sum(), np.exp(y[d] + s)]])

    start, s = np.concatenate([0.1 * np.ones(d) / np.sqrt(d), [bias, 0]]), np.log1p(times)
    path = solve_ivp(slope, (0, s[-1]), start, "LSODA", rtol=1e-11, atol=1e-12, t_eval=s).y
    return Weights(path[:d].T, path[d]), path[-1]


@pytest.mark.parametrize("bias", [0.0, -3.0])
@pytest.mark.parametrize("sigma", [1.0, 5.0])
@pytest.mark.parametrize("lam", [0.3, 0.6])
def test_twenty_records_a_decade_give_the_exact_conformal_time_of_two_points(lam, sigma, bias):
    mine, exact = clock_of_two_points(20, lam, sigma, bias)
    np.testing.assert_allclose(mine, exact, rtol=1e-6)


def test_twice_as_many_records_make_the_conformal_time_sixteen_times_as_exact():
    errors = [np.abs(np.subtract(*clock_of_two_points(per, 0.6))).max() for per in (5, 10)]
    assert 12 < errors[0] / errors[1] < 20


def test_the_direction_depends_on_time_through_conformal_time_alone():
    times, x = decades(20), DATA.astype(np.float64)
    paths = [flow_by_scipy(x, times, bias)[0] for bias in (0.0, -2.0)]
    training = given(loss="exponential")
    first, second = (observed("conformal_time", training, path, times) for path in paths)
    np.testing.assert_allclose(CubicSpline(first, paths[0].s)(second), paths[1].s, atol=1e-5)


def test_the_conformal_time_of_any_dataset_is_exact_to_a_part_in_ten_million():
    times = decades(20)
    path, exact = flow_by_scipy(DATA.astype(np.float64), times, -1.0)
    mine = observed("conformal_time", given(loss="exponential"), path, times)
    np.testing.assert_allclose(mine, exact, rtol=1e-7)


def test_while_the_bias_rests_at_zero_conformal_time_is_time():
    times, far = decades(5), given(DATA - np.float32(100))  # all samples lie far on the right side of S: none pulls
    still = Weights(np.ones((len(times), 8)), np.zeros(len(times)))
    np.testing.assert_allclose(observed("conformal_time", far, still, times), times, rtol=1e-4)


def test_the_bias_ratio_is_that_of_bias_and_norm():
    path = walk()
    np.testing.assert_allclose(
        observed("bias_ratio", given(), path), np.abs(path.b) / np.linalg.norm(path.s, axis=1), rtol=1e-14
    )


def test_the_start_cosine_is_that_of_all_parameters():
    training, path = given(), walk()
    first = np.append(training.start.s, training.start.b)
    theta = np.column_stack([path.s, path.b])
    cosine = theta @ first / (np.linalg.norm(theta, axis=1) * np.linalg.norm(first))
    np.testing.assert_allclose(observed("start_cosine", training, path), cosine, atol=1e-12)
    tiny = Weights(1e-300 * path.s, 1e-300 * path.b)
    np.testing.assert_allclose(observed("start_cosine", training, tiny), cosine, atol=1e-12)


def test_the_weight_norm_is_that_of_all_parameters():
    path = walk()
    np.testing.assert_allclose(
        observed("weight_norm", given(), path) ** 2, np.sum(path.s**2, axis=1) + path.b**2, rtol=1e-14
    )


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-6, 0.5, np.pi / 2, np.pi - 1e-6, np.pi])
def test_the_smallest_angles_are_as_exact_as_the_largest(angle):
    with jax.enable_x64(True):
        s = 3.0 * jnp.asarray([[np.cos(angle), np.sin(angle), 0.0]])
        assert _angle(s, jnp.asarray([0.2, 0, 0]))[0] == pytest.approx(angle, rel=1e-9, abs=1e-300)


def test_projections_are_counted_as_numpy_counts_them():
    path, x = walk(), DATA.astype(np.float64)
    projections = path.s @ x.T / np.linalg.norm(path.s, axis=1, keepdims=True) / np.sqrt(np.mean(x**2))
    expected = [np.histogram(np.clip(each, -5.99, 5.99), EDGES)[0] for each in projections]
    np.testing.assert_array_equal(observed("projection_histogram", given(), path), expected)


def test_what_lies_beyond_the_outermost_bins_is_counted_in_them():
    x = np.zeros((200, 1), np.float32)
    x[:3, 0] = [50, 40, -60]
    counts = observed("projection_histogram", given(x), walk(4, 1)._replace(s=np.ones((4, 1))))
    assert counts[:, 0].tolist() == [1] * 4
    assert counts[:, -1].tolist() == [2] * 4
    assert counts.sum(axis=1).tolist() == [200] * 4


def test_zero_is_an_edge_so_that_the_signs_are_counted():
    path = walk()
    counts, positive = observed("projection_histogram", given(), path), (path.s @ DATA.T > 0).sum(axis=1)
    assert EDGES[BINS // 2] == 0
    np.testing.assert_array_equal(counts[:, BINS // 2 :].sum(axis=1), positive)


def test_the_unit_of_the_projections_follows_the_data():
    path = walk()
    one, eight = (observed("projection_histogram", given(scale * DATA), path) for scale in (1, 8))
    np.testing.assert_array_equal(one, eight)


def test_nothing_is_counted_where_there_is_no_direction():
    counts = observed(
        "projection_histogram", given(), Weights(np.array([np.zeros(8), np.full(8, np.nan)]), np.zeros(2))
    )
    assert not counts.any()


@pytest.mark.parametrize("shift", [0.0, -400.0])
@pytest.mark.parametrize("loss", ["logistic", "exponential"])
def test_the_curvature_is_that_of_the_weighted_samples(loss, shift):
    path = walk(5)._replace(b=np.linspace(-3, 1, 5) + shift)
    rows = np.column_stack([DATA.astype(np.float64), np.ones(30)])
    scores = DATA @ path.s[:, :, None] + path.b[:, None, None]
    weights = np.exp(scores) if loss == "exponential" else expit(scores) * expit(-scores)
    exact = np.linalg.eigvalsh(rows.T @ (weights * rows / 30))[:, [0, -1]]
    mine = observed("hessian_extremes", given(loss=loss), path)
    assert (np.abs(mine - exact) < 1e-12 * exact[:, 1:]).all()


class Pair(NamedTuple):
    """Parameters of another shape."""

    u: np.ndarray
    v: np.ndarray


class Quadratic:
    """½ θ·Aθ."""

    def training_loss(self, params, data, batch=None):
        theta = jnp.concatenate([params.u.ravel(), params.v])
        return theta @ data @ theta / 2


def test_the_curvature_of_a_quadratic_is_its_own_everywhere():
    random = np.random.default_rng(0)
    half = random.standard_normal((7, 7))
    training = given(model=Quadratic())._replace(data=(half + half.T).astype(np.float32))
    path = Pair(random.standard_normal((3, 2, 2)), random.standard_normal((3, 3)))
    exact = np.linalg.eigvalsh((half + half.T).astype(np.float32).astype(np.float64))[[0, -1]]
    np.testing.assert_allclose(observed("hessian_extremes", training, path), np.tile(exact, (3, 1)), rtol=1e-12)


def test_a_straight_path_has_cosine_one_inside_and_none_at_its_ends():
    length = np.array([0, 0.1, 1, 5, 5.5, 1e6])
    path = Weights(length[:, None] * np.arange(1, 9), -length)
    cosine = observed("step_cosine", given(), path)
    np.testing.assert_allclose(cosine[1:-1], 1, rtol=1e-9)
    assert np.isnan(cosine[[0, -1]]).all()


def test_a_corner_has_cosine_zero_and_a_turn_back_minus_one():
    corner = Weights(np.array([[0.0, 0], [1, 0], [1, 2], [1, 1]]), np.zeros(4))
    assert observed("step_cosine", given(), corner)[1:-1] == pytest.approx([0, -1])


@pytest.mark.parametrize("steps", [1, 2])
def test_a_path_too_short_to_turn_has_no_cosine(steps):
    assert np.isnan(observed("step_cosine", given(), walk(steps))).tolist() == [True] * steps


@pytest.mark.parametrize("name", [name for name in NAMES if name != "limit_angle"])
def test_rotating_data_and_direction_changes_nothing(name):
    path, times = walk(), decades(5)[:20] if name == "conformal_time" else None
    turned = path._replace(s=path.s @ ROTATION)
    one, other = given(), given((DATA @ ROTATION).astype(np.float32))
    other = other._replace(start=one.start._replace(s=np.asarray(one.start.s) @ ROTATION))
    np.testing.assert_allclose(
        observed(name, one, path, times), observed(name, other, turned, times), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("name", ["projection_histogram", "step_cosine", "hessian_extremes"])
def test_a_map_over_realizations_gives_what_each_gives(name):
    paths, training, observable = [walk(seed=seed) for seed in (1, 2)], given(), plugins.find("observables", name)()
    with jax.enable_x64(True):
        both = jax.tree.map(lambda *leaves: jnp.stack(leaves), *paths)
        mapped = np.asarray(jax.vmap(lambda path: program(observable, training.model, bare(training), path, {}))(both))
    np.testing.assert_allclose(mapped, [observed(name, training, path) for path in paths], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "lack"),
    [
        ("conformal_time", "a bias b"),
        ("bias_ratio", "a bias b"),
        ("limit_angle", "a direction s"),
        ("projection_histogram", "a direction s"),
    ],
)
def test_a_model_without_the_parts_an_observable_needs_is_refused(name, lack):
    sweep = Sweep().replaced(model="two_gaussians", solver="gradient_flow", n=4, d=2, until=1, observe=name)
    with pytest.raises(ValueError, match=f"observable '{name}' needs {lack}, which model 'two_gaussians' lacks; leave"):
        sj.run(sweep)


def test_a_model_without_signed_rows_has_no_limit_angle():
    with pytest.raises(ValueError, match="observable 'limit_angle' needs signed_rows"):
        observed("limit_angle", given(model=Quadratic()), walk())


@pytest.mark.parametrize("name", NAMES)
def test_every_observable_says_in_a_line_what_it_is(name):
    line, _, rest = inspect.getdoc(plugins.find("observables", name)).partition("\n")
    assert line.endswith(".")
    assert not rest.split("\n")[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_observable_lowers_for_a_gpu(name):
    training, clock = given(points(8, 5)), {"time": decades(5)[:20]} if name == "conformal_time" else {}
    with jax.enable_x64(True):
        path = jax.tree.map(jnp.asarray, walk(d=5))
        traced = program.trace(plugins.find("observables", name)(), training.model, bare(training), path, clock)
        assert "stablehlo" in traced.lower(lowering_platforms=("cuda",)).as_text()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    out = tmp_path_factory.mktemp("observed") / "rows"
    sj.run(FLOW, out=out)
    return out


@pytest.fixture(scope="module")
def rows(directory):
    """Rows, with the margin that SciPy finds and the gap from it to the next sample, in margins."""
    frame = sj.read(directory)
    found = [margin_and_gap(np.asarray(dataset(row).x, float)) for _, row in frame.iterrows()]
    return frame.assign(**dict(zip(("margin", "gap"), np.transpose(found), strict=True)))


def margin_and_gap(x):
    p, _ = nnls(np.vstack([x.T, np.ones(len(x))]), np.append(np.zeros(x.shape[1]), 1.0))
    nearest = p @ x / p.sum()
    margin = np.linalg.norm(nearest)
    return margin, np.min(np.append(x @ nearest, np.inf)[np.append(p, 0) == 0]) / margin**2 - 1


@pytest.fixture(scope="module")
def separable(rows):
    """Rows whose late time comes: a large margin, and no sample that nearly is a support vector."""
    chosen = rows[(rows["margin"] > 0.2) & (rows["gap"] > 0.4)]
    assert len(chosen) >= 3
    return chosen


def table(frame, name):
    return np.stack([np.stack(list(value)) if value.dtype == object else value for value in frame[name]])


@pytest.mark.slow
def test_every_observable_is_a_column_over_the_recorded_times(directory):
    schema, count = pq.read_schema(next(directory.glob("*.parquet"))), len(FLOW.times)
    curve = pa.list_(pa.float64(), count)
    kinds = dict.fromkeys(NAMES, curve) | {
        "hessian_extremes": pa.list_(pa.list_(pa.float64(), 2), count),
        "projection_histogram": pa.list_(pa.list_(pa.int32(), BINS), count),
    }
    assert {name: schema.field(name).type for name in NAMES} == kinds


@pytest.mark.slow
def test_only_what_does_not_exist_is_nan(directory):
    frame = sj.read(directory)
    nowhere = {"step_cosine": [0, len(FLOW.times) - 1], "step_distance": [0]}
    for name in NAMES:
        assert np.isnan(table(frame, name)).any(axis=0).nonzero()[0].tolist() == nowhere.get(name, []), name
        assert not np.isinf(table(frame, name)).any(), name


@pytest.mark.slow
def test_the_histogram_of_a_row_counts_every_sample(rows):
    assert (table(rows, "projection_histogram").sum(axis=2) == 8).all()


@pytest.mark.slow
def test_columns_agree_with_those_of_the_model(rows):
    b, s = table(rows, "b"), table(rows, "s_norm")
    np.testing.assert_allclose(table(rows, "bias_ratio"), np.abs(b) / s, rtol=1e-12)
    np.testing.assert_allclose(table(rows, "weight_norm"), np.hypot(b, s), rtol=1e-12)


def late(frame, name):
    """A quantity at 1e104 and at the last time, and the logarithms of these times."""
    middle = FLOW.times.index(1e104)
    return table(frame, name)[:, [middle, -1]].T, np.log([FLOW.times[middle], FLOW.times[-1]])


@pytest.mark.slow
def test_the_bias_ratio_of_separable_draws_tends_to_one_over_the_margin(separable):
    # Its distance falls like 1/log t, so that two times show the limit.
    ratio, log_t = late(separable, "bias_ratio")
    limit = np.diff(ratio * log_t[:, None], axis=0)[0] / np.diff(log_t)
    np.testing.assert_allclose(limit, 1 / separable["margin"], rtol=1e-3)


@pytest.mark.slow
def test_the_angle_to_the_limit_falls_like_one_over_log_t_on_separable_draws(separable):
    angle, log_t = late(separable, "limit_angle")
    np.testing.assert_allclose(angle[0] * log_t[0], angle[1] * log_t[1], rtol=2e-2)


@pytest.mark.slow
def test_the_angle_to_the_limit_vanishes_on_inseparable_draws(rows):
    # Near the transition, where ‖S_∞‖ is large, not even this time is late.
    inseparable = rows[(rows["margin"] < 1e-9) & (table(rows, "s_norm")[:, -1] < 3)]
    assert len(inseparable) >= 3
    assert table(inseparable, "limit_angle")[:, -1].max() < 1e-5
