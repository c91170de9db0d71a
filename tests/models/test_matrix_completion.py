"""Matrix completion: what is observed, the kernel's plateau, and the numbers of the paper."""

import jax
import numpy as np
import pyarrow.dataset as pds
import pytest
from training import first_draw, metrics_at

from sweepjax.engine.redraw import dataset
from sweepjax.keys import realization_keys
from sweepjax.models.matrix_completion import Factors, MatrixCompletion
from sweepjax.recheck._paths import states
from sweepjax.recheck.matrix_completion import contradictions
from sweepjax.reducers.switch_time import SwitchTime
from sweepjax.run import run
from sweepjax.solvers.gradient_descent import GradientDescent
from sweepjax.solvers.gradient_flow import GradientFlow
from sweepjax.sweep.sweep import Sweep

ROW = {"model": "matrix_completion", "seed": 0, "realization": 1}
SMALL = {"d": 8, "fraction": 0.5, "alpha": 4.0, "l2": 0.03}
TIMES = [0.0, 1.0, 10.0, 30.0, 100.0]


def draw(**fields):
    return dataset(ROW | {"d": 20, "fraction": 0.3, "alpha": 10.0, "l2": 0.01} | fields)


def rows(out=None, **options):
    return run(Sweep.from_toml(options), out=out)


def training(**changes):
    return first_draw(MatrixCompletion(**(SMALL | changes)))


@pytest.fixture(scope="module")
def flow():
    return metrics_at(GradientFlow(), training(), TIMES)


@pytest.fixture(scope="module")
def descent():
    return metrics_at(GradientDescent(learning_rate=0.01), training(), np.array(TIMES) / 0.01)


@pytest.mark.parametrize(
    ("d", "fraction", "many"), [(20, 0.3, 120), (97, 0.05, 470), (20, 0.9999999999999, 399), (20, 1e-9, 1)]
)
def test_the_number_of_observed_entries_is_rounded_down(d, fraction, many):
    data = draw(d=d, fraction=fraction)
    assert int(data.many) == many
    assert np.sum(data.observed) == many


def test_a_larger_fraction_observes_the_same_entries_and_others():
    few, more = draw(fraction=0.3).observed, draw(fraction=0.6).observed
    assert not np.any(few & ~more)


def test_the_matrix_is_that_of_the_paper():
    x = draw().x
    assert (float(x[19, 19]), float(x[2, 3])) == pytest.approx((361 / 400, 6 / 400))
    assert np.linalg.matrix_rank(x, tol=1e-4) == 1


def test_the_loss_has_the_gradient_of_the_paper():
    model, random = MatrixCompletion(d=8, fraction=0.5, l2=0.03), np.random.default_rng(0)
    u, v = random.standard_normal((2, 8, 8))
    with jax.enable_x64(True):
        keys = realization_keys(model, np.uint32(0), np.uint32(0))
        data = model.sample(keys.data)
        found = jax.grad(model.training_loss)(Factors(u, v), data)
    e = np.where(data.observed, u @ u.T - v @ v.T - np.asarray(data.x, np.float64), 0) * 2 / int(data.many)
    np.testing.assert_allclose(found.u, (e + e.T) @ u + 0.03 * u, rtol=1e-9)
    np.testing.assert_allclose(found.v, -(e + e.T) @ v + 0.03 * v, rtol=1e-9)


def test_the_flow_in_its_own_variables_is_that_of_small_steps(flow, descent):
    for name in ("train_loss", "test_loss", "nuclear_norm", "norm"):
        np.testing.assert_allclose(flow[name], descent[name], rtol=3e-3, atol=3e-3 * np.max(flow[name]))


def test_a_network_of_equal_factors_starts_at_nothing(flow):
    first = {name: flow[name][0] for name in ("nuclear_norm", "norm", "off_support")}
    assert first == pytest.approx({"nuclear_norm": 0.0, "norm": 16.0, "off_support": 0.0}, abs=1e-6)


@pytest.mark.parametrize("solver", ["flow", "descent"])
def test_numpy_finds_rows_again_and_sees_what_is_wrong(solver, request):
    columns, data = request.getfixturevalue(solver), dataset(ROW | SMALL | {"realization": 0})
    with jax.enable_x64(True):
        plateau = float(MatrixCompletion(**SMALL).facts(data)["kernel_plateau"])
    row = ROW | SMALL | columns | {"solver": f"gradient_{solver}", "kernel_plateau": plateau}
    row |= {"time": TIMES, "step": np.array(TIMES) / 0.01, "learning_rate": 0.01}
    assert list(contradictions(row, None, data)) == []
    wrong = row | {"kernel_plateau": 0.5, "nuclear_norm": row["nuclear_norm"] * 1.01}
    found = {each.column.partition("[")[0] for each in contradictions(wrong, None, data)}
    assert found == {"kernel_plateau", "nuclear_norm"}


def test_the_kernel_fits_what_is_observed_and_its_mirror_image():
    problem = training(alpha=30.0, l2=0.0)
    loss = metrics_at(GradientFlow(), problem, [20.0])["test_loss"][0]
    with jax.enable_x64(True):
        plateau = float(problem.model.facts(problem.data)["kernel_plateau"])
    assert loss == pytest.approx(plateau, rel=0.01)


@pytest.fixture(scope="module")
def turning(tmp_path_factory):
    where = tmp_path_factory.mktemp("rows")
    fields = {"model": "matrix_completion", "d": 20, "fraction": 0.3, "l2": 0.01, "alpha": [3.0, 10.0, 30.0]}
    rows(**fields, solver="gradient_flow", realizations=3, until=800, record="0:800:2", out=where)
    return pds.dataset(where, format="parquet", exclude_invalid_files=True)


@pytest.mark.slow
def test_the_turn_comes_when_the_factors_have_decayed(turning):
    half = SwitchTime(column="test_loss", threshold=0.5, share_of="kernel_plateau", falling=True)(turning)
    assert half.attrs["slope"] == pytest.approx(1.0, abs=0.003)
    assert half["time"].to_list() == pytest.approx([173, 294, 404], rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("l2", "until", "half", "tenth", "ends"),
    [
        (0.01, 600, 294, 495, {"test_loss": 4.4e-3, "relative_error": 0.20, "nuclear_norm": 5.2}),
        (0.003, 2000, 907, 1277, {"relative_error": 0.098}),
    ],
)
def test_the_draw_of_the_specification_is_one_of_ours(l2, until, half, tenth, ends):
    fields = {"model": "matrix_completion", "d": 20, "fraction": 0.3, "l2": l2, "alpha": 10.0}
    found = rows(**fields, solver="gradient_flow", realizations=16, until=until, record=f"0:{until}:{until // 200}")
    assert found["true_nuclear_norm"].to_numpy() == pytest.approx(6.175)
    share = np.stack(found["test_loss"]) / found["kernel_plateau"].to_numpy()[:, None]
    time = found["time"].iloc[0]
    # Another draw of the mask: within three standard deviations of ours. Some do not fall to a tenth by then.
    for level, expected in ((0.5, half), (0.1, tenth)):
        first = time[np.argmax(share < level, axis=1)][share[:, -1] < level]
        assert abs(first.mean() - expected) < 3 * first.std()
    for name, expected in ends.items():
        last = np.stack(found[name])[:, -1]
        assert abs(last.mean() - expected) < 3 * last.std()
    plateau = time < 0.2 * until
    np.testing.assert_allclose(share[:, plateau & (time >= 12)], 1, atol=0.01)
    norm = np.stack(found["nuclear_norm"])[:, np.argmax(time >= 12)]
    assert abs(norm.mean() - 12.1) < 3 * norm.std()


@pytest.mark.slow
def test_the_size_of_the_paper_groks_at_half_a_million_steps():
    fields = {"model": "matrix_completion", "d": 97, "fraction": 0.05, "l2": 1e-4, "alpha": 10.0}
    times = "0,3,10000,20000,30000,36000,60000,100000"
    row = rows(**fields, solver="gradient_flow", realizations=1, until=1e5, record=times).iloc[0]
    loss = row["test_loss"] / row["kernel_plateau"]
    assert row["observed"] == 470
    assert row["kernel_plateau"] == pytest.approx(0.102, rel=0.05)
    assert row["train_loss"][1] < 1e-4
    np.testing.assert_allclose(loss[1:3], 1, atol=0.01)
    assert 0.3 < loss[5] < 0.7
    assert row["test_loss"][-1] < 0.05 * row["kernel_plateau"]


def test_the_training_error_falls_at_once_and_rises_to_a_bias_of_weight_decay():
    problem = first_draw(MatrixCompletion(d=20, fraction=0.3, alpha=10.0, l2=0.01))
    loss = metrics_at(GradientDescent(learning_rate=0.1), problem, [0, 3, 4, 5, 6, 6000])["train_loss"]
    # t = 0.5 is step 5.
    assert np.argmax(loss < 1e-4) in (2, 3, 4)
    assert 1e-3 < loss[-1] < 1e-2


@pytest.mark.slow
def test_steps_beyond_the_bound_of_stability_leave_another_plateau():
    problem = first_draw(MatrixCompletion(d=20, fraction=0.3, alpha=30.0, l2=0.01))
    bound = 120 / (8 * 30.0**2)  # observed entries over 8α²
    with jax.enable_x64(True):
        plateau = float(problem.model.facts(problem.data)["kernel_plateau"])
    within, beyond = (
        metrics_at(GradientDescent(learning_rate=rate), problem, [20 / rate])["test_loss"][0] for rate in (0.01, 0.02)
    )
    assert 0.01 < bound < 0.02
    assert within == pytest.approx(plateau, rel=0.01)
    assert abs(beyond / plateau - 1) > 0.02


def test_a_walk_of_too_many_steps_is_left_alone_however_small_each_is():
    calls = []

    def gradient(y):
        calls.append(y)
        return y

    row = {"solver": "gradient_descent", "learning_rate": 0.1, "step": [0, 3, 10**9]}
    found = dict(states(row, gradient, np.ones(1), 1.0))
    assert set(found) == {0, 1}
    assert found[1] == pytest.approx(0.9**3)
    assert len(calls) == 3


def test_a_training_that_diverges_is_found_again_as_far_as_it_is_finite():
    steps = [0, 2, 100]
    columns = metrics_at(GradientDescent(learning_rate=10.0), training(), steps)
    assert not np.isfinite(columns["train_loss"][-1])
    with jax.enable_x64(True):
        plateau = float(MatrixCompletion(**SMALL).facts(dataset(ROW | SMALL | {"realization": 0}))["kernel_plateau"])
    row = ROW | SMALL | columns | {"solver": "gradient_descent", "kernel_plateau": plateau, "learning_rate": 10.0}
    row |= {"realization": 0, "step": steps, "time": [10.0 * step for step in steps]}
    assert list(contradictions(row, None, dataset(row))) == []
