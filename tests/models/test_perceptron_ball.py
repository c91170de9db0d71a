"""The perceptron on balls: who generalizes and when, with and without an L1 penalty."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training import first_draw

import sweepjax as sj
from sweepjax.engine.engine import Engine
from sweepjax.engine.rows import model_of
from sweepjax.keys import realization_keys
from sweepjax.models._first_crossings import MOST_STEPS, FirstCrossings, _next
from sweepjax.models.perceptron_ball import PerceptronBall
from sweepjax.recheck.perceptron_ball import contradictions, minimum
from sweepjax.sweep.sweep import Sweep
from sweepjax.theory import perceptron_ball as theory

BASE = {"model": "perceptron_ball", "n": 10, "d": 5, "record": "0,0.1,1,10"}
DRAWS = 1000


def closed(draws):
    return sj.run(**BASE, solver="exact", epsilon="1.01,2", l2="0.01,0.1", realizations=draws)


@pytest.fixture(scope="module")
def frame():
    return closed(DRAWS)


@pytest.fixture(scope="module")
def few():
    return closed(60)


@pytest.fixture(scope="module")
def penalized():
    return sj.run(**BASE, solver="proximal_flow", epsilon="1,1.01", l1="0,0.1,0.5", l2=0.1, realizations=100)


def of(frame, **fields):
    for name, value in fields.items():
        frame = frame[frame[name] == value]
    return frame.sort_values("realization")


def drawn(row):
    """Draw the inputs of a row again, times their labels, and its start."""
    data, model = sj.dataset(row), model_of(row)
    with jax.enable_x64(True):
        key = realization_keys(model, np.uint32(row["seed"]), np.uint32(row["realization"])).init
        start = np.asarray(model.init(key, None).w)
    return np.asarray(data.x * data.y[:, None]), start


def parts(row, z):
    """Return the Hessian and the pull of the loss without its L1 penalty."""
    return z.T @ z / len(z) + row["l2"] * np.eye(z.shape[1]), z.mean(0)


def first(times, good):
    """Return the time at which something is true for the first time."""
    return times[np.argmax(good)]


@pytest.mark.slow
def test_as_many_generalize_as_the_specification_says(frame):
    share = of(frame, epsilon=1.01, l2=0.1)["generalizes"].mean()
    assert abs(share - 0.080) < 3 * np.sqrt(0.08 * 0.92 / DRAWS)


@pytest.mark.slow
def test_times_have_the_quantiles_of_the_specification(frame):
    rows = of(frame, epsilon=2.0, l2=0.01)
    # Of 500 draws, by other random numbers.
    assert rows["t_train"].median() == pytest.approx(0.89, rel=0.1)
    assert rows["t_test"].median() == pytest.approx(5.52, rel=0.1)
    np.testing.assert_allclose(rows["t_grok"].quantile([0.1, 0.5, 0.9]), [0, 3.12, 9.1], rtol=0.15, atol=1e-6)


@pytest.mark.slow
def test_times_of_fifty_samples_are_those_of_the_specification():
    rows = sj.run(**BASE | {"n": 50}, solver="exact", epsilon=2.0, l2=0.01, realizations=DRAWS)
    # Of 500 draws, by other random numbers.
    assert rows["t_train"].median() == pytest.approx(2.81, rel=0.1)
    assert rows["t_test"].median() == pytest.approx(4.85, rel=0.1)
    np.testing.assert_allclose(rows["t_grok"].quantile([0.1, 0.5, 0.9]), [0, 1.47, 3.14], rtol=0.12, atol=1e-6)


@pytest.mark.slow
def test_many_samples_have_the_hessian_and_the_end_of_theory():
    row = {"model": "perceptron_ball", "n": 50_000, "d": 5, "epsilon": 2.0, "l1": 0.0, "l2": 0.01}
    hessian, pull = parts(row, drawn(row | {"seed": 0, "realization": 0})[0])
    rate = theory.relaxation_rate(d=5, l2=0.01)
    np.testing.assert_allclose(hessian, np.diag([4.0, 0, 0, 0, 0]) + rate * np.eye(5), atol=0.02)
    np.testing.assert_allclose(np.linalg.solve(hessian, pull), [2 / (rate + 4), 0, 0, 0, 0], atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("epsilon", "l2"), [(1.01, 0.1), (2.0, 0.01)])
def test_times_are_those_of_the_flow(frame, epsilon, l2):
    for _, row in of(frame, epsilon=epsilon, l2=l2).head(30).iterrows():
        z, start = drawn(row)
        hessian, pull = parts(row, z)
        rates, axes = np.linalg.eigh(hessian)
        end = np.linalg.solve(hessian, pull)
        times = np.append(0, np.geomspace(1e-3, 1e3, 6001))
        w = end + (np.exp(-np.outer(times, rates)) * (axes.T @ (start - end))) @ axes.T
        tested = epsilon * w[:, 0] >= np.linalg.norm(w, axis=1)
        trained = (w @ z.T > 0).all(1)
        assert row["generalizes"] == tested[-1]
        for name, good, known in (("t_train", trained, trained.any()), ("t_test", tested, tested[-1])):
            assert np.isnan(row[name]) == (not known)
            if known:
                assert row[name] == pytest.approx(first(times, good), rel=3e-3, abs=2e-3)


def test_training_comes_before_generalization(few):
    known = few.dropna(subset=["t_train", "t_test"])
    np.testing.assert_allclose(known["t_grok"], known["t_test"] - known["t_train"], atol=1e-12)
    assert few["t_train"].notna().sum() > few["t_test"].notna().sum()


def test_curves_are_those_of_the_start(few):
    row = of(few, epsilon=2.0, l2=0.01).iloc[0]
    z, w = drawn(row)
    assert row["train_loss"][0] == pytest.approx(0.5 * np.mean((z @ w - 1) ** 2))
    assert row["test_accuracy"][0] == pytest.approx(1 - theory.test_error(2 * w[0] / np.linalg.norm(w), d=5))
    assert row["test_loss"][0] == pytest.approx(0.5 * (w @ w / 7 + (2 * w[0] - 1) ** 2))


@pytest.mark.slow
def test_a_penalty_makes_every_draw_generalize(penalized):
    share = penalized.groupby(["epsilon", "l1"])["generalizes"].mean()
    assert share[1.0, 0.0] == 0
    assert share[1.0, 0.5] == 1
    assert share[1.01, 0.1] > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 20])
def test_with_a_penalty_every_draw_generalizes_unless_it_holds_all_weights_at_zero(d):
    options = {"n": 10, "d": d, "epsilon": 1.01, "l1": "0.1,0.4,0.8", "l2": 0.1, "record": 2, "until": 1}
    rows = sj.run(model="perceptron_ball", solver="proximal_flow", realizations=200, **options)
    share = rows.groupby("l1")["generalizes"].mean()
    assert (share.loc[:0.4] >= 0.985).all()  # 0.999 to 1, and three standard errors of 200 draws
    assert share[0.8] > 0.95
    for _, row in rows[~rows["generalizes"] & (rows["l1"] > 0.1)].iterrows():
        assert np.abs(drawn(row)[0].mean(0)).max() <= row["l1"]


@pytest.mark.parametrize("along", [1.0, 0.1, 1 / 3, 1e-3])
def test_where_balls_touch_nothing_is_wrong_on_the_axis_alone(along):
    model = PerceptronBall(n=1, d=3, epsilon=1.0)
    with jax.enable_x64(True):
        data = model.sample(jax.random.key(0))
        ahead = [float(model.heights(jnp.array([along, off, 0.0]), data)[1]) for off in (0.0, 1e-9 * along)]
    assert ahead[0] == 0
    assert ahead[1] < 0


@pytest.mark.slow
@pytest.mark.parametrize(("d", "l1"), [(2, 0.1), (5, 0.8), (20, 0.2)])
def test_where_balls_touch_those_generalize_whose_weights_end_on_the_axis(d, l1):
    options = {"n": 10, "d": d, "epsilon": 1.0, "l1": l1, "l2": 0.1, "record": 2, "until": 1, "realizations": 60}
    for _, row in sj.run(model="perceptron_ball", solver="proximal_flow", **options).iterrows():
        data = sj.dataset(row)
        w = minimum(np.asarray(data.x), np.asarray(data.y), row)
        assert row["generalizes"] == (w[0] > 0 and not np.any(w[1:]))


@pytest.mark.slow
def test_the_flow_with_a_penalty_is_that_of_small_proximal_steps(penalized):
    for _, row in of(penalized, epsilon=1.01, l1=0.1).head(3).iterrows():
        z, w = drawn(row)
        hessian, pull = parts(row, z)
        step, late = 1e-3, []
        for k in range(10_001):
            if k * step in (0.1, 1.0, 10.0):
                late.append(0.5 * np.mean((z @ w - 1) ** 2))
            w = w - step * (hessian @ w - pull)
            w = np.sign(w) * np.maximum(np.abs(w) - step * 0.1, 0)
        np.testing.assert_allclose(row["train_loss"][1:], late, rtol=5e-3)


@pytest.mark.slow
def test_without_a_penalty_both_solvers_agree(frame, penalized):
    exact = of(frame, epsilon=1.01, l2=0.1).head(100)
    walked = of(penalized, epsilon=1.01, l1=0.0)
    for name in ("train_loss", "test_loss", "test_accuracy"):
        np.testing.assert_allclose(np.stack(exact[name]), np.stack(walked[name]), rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_rows_side_by_side_are_those_of_one_after_the_other():
    options = BASE | {"solver": "proximal_flow", "epsilon": 1.01, "l1": [0, 0.3], "realizations": 24, "until": 10}
    alone, wide = (sj.run(Sweep.from_toml(options), engine=Engine(lanes=lanes)) for lanes in (1, 8))
    for name in ("generalizes", "t_train", "t_test", "t_grok"):
        np.testing.assert_allclose(wide[name].astype(float), alone[name].astype(float), rtol=1e-9)
    np.testing.assert_allclose(np.stack(wide["test_loss"]), np.stack(alone["test_loss"]), rtol=1e-9)


@pytest.mark.parametrize("solver", ["exact", "exact_descent"])
def test_a_penalty_has_no_closed_form(solver):
    with pytest.raises(ValueError, match=r"l1 = 0\.1 is not allowed with solver"):
        Sweep.from_toml({"model": "perceptron_ball", "solver": solver, "until": 10, "l1": 0.1})


@pytest.mark.slow
def test_the_bias_that_a_penalty_holds_is_walked_as_its_closed_form_says():
    options = {"model": "perceptron_exponential", "n": 5, "epsilon": 0.2, "l1": "0.05,0.5,3", "l2": 0.3}
    options |= {"record": "0,0.5,1,2,4,8", "realizations": 20, "init_bias": "4,-1,0"}
    exact, walked = (
        sj.run(**options, solver=solver).sort_values(["l1", "init_bias", "realization"])
        for solver in ("exact", "proximal_flow")
    )
    np.testing.assert_allclose(np.stack(walked["b"]), np.stack(exact["b"]), atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("l1", [0.0, 0.1, 0.5])
def test_coordinate_descent_finds_rows_again_and_sees_what_is_wrong(penalized, l1):
    for _, row in of(penalized, epsilon=1.01, l1=l1).head(10).iterrows():
        assert list(contradictions(row, None, sj.dataset(row))) == []
        wrong = row.to_dict() | {"generalizes": not row["generalizes"]}
        assert [each.column for each in contradictions(wrong, None, sj.dataset(row))] == ["generalizes"]
        assert not [*contradictions(wrong | {"generalizes": None, "t_test": None}, None, sj.dataset(row))]


@pytest.mark.slow
def test_fewer_samples_than_dimensions_end_where_they_start_and_are_no_contradiction():
    options = {"n": 1, "d": 3, "epsilon": 1.5, "l2": 0.0, "record": 2, "until": 1, "realizations": 6}
    frame = sj.run(model="perceptron_ball", solver="exact", **options)
    assert set(frame["generalizes"]) == {False, True}
    for _, row in frame.iterrows():
        z, w = drawn(row)
        end = w + np.linalg.pinv(z) @ (1 - z @ w)
        assert row["generalizes"] == (1.5 * end[0] >= np.linalg.norm(end))
        assert list(contradictions(row, None, sj.dataset(row))) == []


@pytest.mark.slow
@pytest.mark.parametrize(("d", "share"), [(2, 0.591), (3, 0.324), (10, 0.0022)])
def test_the_share_falls_exponentially_with_the_dimension(d, share):
    found = sj.run(model="perceptron_ball", solver="exact", d=d, until=1.0, record="2", realizations=4000)
    assert abs(found["generalizes"].mean() - share) < 3 * np.sqrt(2 * share * (1 - share) / 4000)


@pytest.mark.slow
def test_more_samples_and_a_wider_gap_make_more_draws_generalize():
    options = {"model": "perceptron_ball", "solver": "exact", "until": 1.0, "record": "2", "realizations": 1000}
    many = sj.run(**options, n=100)["generalizes"].mean()
    more = sj.run(**options, n=1000)["generalizes"].mean()
    wide = sj.run(**options, epsilon="1.01,1.5", l2="0.1,1,10").groupby(["epsilon", "l2"])["generalizes"].mean()
    assert many == pytest.approx(0.928, abs=0.03)
    assert more == 1
    assert wide[1.5, 0.1] == 1
    assert wide[1.01, 1.0] == pytest.approx(0.146, abs=0.035)
    assert wide[1.01, 10.0] == pytest.approx(0.154, abs=0.035)


def test_a_walk_that_is_cut_off_leaves_open_how_it_ends():
    search = FirstCrossings()
    with jax.enable_x64(True):
        problem = first_draw(PerceptronBall(n=7, d=4, epsilon=1.5, l1=0.05))
        begun = search.init(problem)
        long, resting = (begun.path._replace(**what) for what in ({"steps": MOST_STEPS}, {"resting": np.True_}))
        cut, ended = (_next(begun._replace(path=path, right=np.True_)) for path in (long, resting))
        found = {True: search.info(problem, ended), False: search.info(problem, cut)}
    for known, columns in found.items():
        assert [bool(columns[name][1]) for name in ("generalizes", "t_test", "t_grok")] == [known] * 3
    assert int(cut.waits) == int(ended.waits) == len(search.stages)
