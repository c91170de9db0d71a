"""Linear students: rows against plain descent, their optimum, and the limit of many samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweepjax as sj
from sweepjax.engine.rows import model_of
from sweepjax.keys import realization_keys
from sweepjax.primitives.quadratic import Quadratic, descent_spans, modes, moved
from sweepjax.recheck.linear_regression import contradictions
from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.store.rows import scan
from sweepjax.theory import linear_regression as theory
from sweepjax.theory.linear_regression import Training

BASE = {"model": "linear_regression", "solver": "exact_descent"}
STEPS = (0, 1, 2, 3, 10, 100, 1000)
SHAPES = [(12, 8, 1), (8, 12, 2)]  # n, d, outputs; the second is compiled again
EACH = [SHAPES[0], pytest.param(SHAPES[1], marks=pytest.mark.slow)]


def rows(n, d, outputs, **axes):
    options = {"n": n, "d": d, "outputs": outputs, "record": ",".join(map(str, STEPS)), "realizations": 2}
    return sj.run(**BASE | options | axes)


def walked(row, data):
    """Take every step in NumPy, and return both losses and accuracies at the recorded ones."""
    x, teacher = np.asarray(data.x, np.float64), np.asarray(data.teacher)
    sigma, eta = x.T @ x / len(x), row["learning_rate"] / row["outputs"]
    s, found = start_of(row), []
    for step in range(STEPS[-1] + 1):
        error = np.mean((x @ (s - teacher)) ** 2, axis=1)
        if step in STEPS:
            test = np.sum((s - teacher) ** 2) / row["outputs"]
            found.append((error.mean(), test, np.mean(error < row["tolerance"])))
        s = s - eta * (2 * sigma @ (s - teacher) + row["l2"] * s)
    return np.transpose(found)


def start_of(row):
    model = model_of(row)
    with jax.enable_x64(True):
        key = realization_keys(model, np.uint32(row["seed"]), np.uint32(row["realization"])).init
        return np.asarray(model.init(key, None).s)


@pytest.mark.parametrize("shape", EACH)
def test_the_recursion_is_plain_descent(shape):
    frame = rows(*shape, l2="0,0.1", learning_rate=0.05, tolerance=0.01)
    for _, row in frame.iterrows():
        train, test, accuracy = walked(row, sj.dataset(row))
        np.testing.assert_allclose(row["train_loss"], train, rtol=1e-6, atol=1e-24)
        np.testing.assert_allclose(row["test_loss"], test, rtol=1e-6, atol=1e-24)
        np.testing.assert_allclose(row["train_accuracy"], accuracy, rtol=1e-12)


@pytest.mark.parametrize("shape", EACH)
def test_the_optimum_is_where_descent_ends(shape):
    frame = rows(*shape, l2="0,0.1", record=f"0,1,2,3,10,100,{10**9}", learning_rate=0.05)
    for side in ("train", "test"):
        last = np.stack(frame[f"{side}_loss"])[:, -1]
        np.testing.assert_allclose(last, frame[f"{side}_loss_inf"], rtol=1e-6, atol=1e-24)


def test_a_step_that_is_too_long_is_said_to_diverge():
    frame = rows(*SHAPES[0], learning_rate="0.05,3")
    assert frame.groupby("learning_rate")["diverged"].agg(["min", "max"]).to_numpy().tolist() == [[0, 0], [1, 1]]


@pytest.mark.slow
def test_descent_is_the_flow_where_steps_are_short():
    descent = rows(*SHAPES[0], learning_rate=1e-4, record="0,1,2,3,10,1000,100000")
    flow = rows(*SHAPES[0], solver="exact", record="0,1e-4,2e-4,3e-4,1e-3,0.1,10")
    np.testing.assert_allclose(np.stack(descent["test_loss"]), np.stack(flow["test_loss"]), rtol=1e-3)


@pytest.mark.slow
def test_the_tolerance_is_the_models_and_that_of_a_solver_keeps_its_default():
    frame = rows(*SHAPES[0], solver="gradient_descent", tolerance="0.01,1", learning_rate=0.05)
    assert sorted(set(frame["tolerance"])) == [0.01, 1]
    exact = rows(*SHAPES[0], tolerance="0.01,1", learning_rate=0.05)
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        np.testing.assert_allclose(np.stack(frame[name]), np.stack(exact[name]), rtol=1e-5, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("lam", [0.1, 0.5])
def test_mean_losses_are_those_of_many_samples(lam):
    frame = sj.run(**BASE, d=40, n=round(40 / lam), record="0,30,100,300", realizations=200)
    exact = theory.losses([0, 30, 100, 300], Training(lam))
    np.testing.assert_allclose(np.stack(frame["train_loss"]).mean(0), exact.train, rtol=0.1)
    np.testing.assert_allclose(np.stack(frame["test_loss"]).mean(0), exact.test, rtol=0.1)


@pytest.mark.slow
def test_accuracy_on_fresh_samples_is_that_of_normal_errors():
    frame = rows(*SHAPES[1], tolerance=0.1)
    x = np.random.default_rng(0).standard_normal((20_000, 12))
    row = frame.iloc[0]
    difference = start_of(row) - np.asarray(sj.dataset(row).teacher)
    correct = np.mean(np.mean((x @ difference) ** 2, axis=1) < 0.1)
    # Two outputs of unlike variances: the formula is exact for d → ∞ only.
    assert row["test_accuracy"][0] == pytest.approx(correct, abs=0.05)


@pytest.mark.parametrize("shape", EACH)
def test_least_squares_find_rows_again_and_see_what_is_wrong(shape):
    row = rows(*shape, l2=0.1).iloc[0].to_dict()
    assert list(contradictions(row, None, sj.dataset(row))) == []
    wrong = row | {"test_loss_inf": 1.001 * row["test_loss_inf"], "test_accuracy": 0.9 * row["test_accuracy"]}
    found = {each.column.partition("[")[0] for each in contradictions(wrong, None, sj.dataset(row))}
    assert found == {"test_loss_inf", "test_accuracy"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "train", "test"),
    [(4000, (280, 0.05), (303, 0.08)), (444, (2551, 0.15), (22_480, 0.35)), (267, (788, 0.1), None)],
)
def test_times_at_d_400_are_those_of_the_specification(n, train, test, tmp_path):
    sj.run(**BASE, d=400, n=n, until=1e6, realizations=20, out=tmp_path)
    table = GrokkingTime(clock="step", each=True)(scan([tmp_path]))
    assert table["t_train"].mean() == pytest.approx(train[0], rel=train[1])
    assert bool(table["censored_test"].all()) == (test is None)
    if test:
        assert table["t_test"].mean() == pytest.approx(test[0], rel=test[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "l2", "train", "ends"),
    [
        (444, 1e-3, 2554, {"steps": 37_777}),
        (444, 1e-2, 2751, {"accuracy": 0.375}),
        (267, 0.0, 788, {"accuracy": 0.044}),
        (267, 1e-2, 809, {"accuracy": 0.062}),
    ],
)
def test_what_decay_does_at_d_400_is_that_of_the_specification(n, l2, train, ends, tmp_path):
    sj.run(**BASE, d=400, n=n, l2=l2, until=1e6, realizations=20, out=tmp_path)
    table = GrokkingTime(clock="step", each=True)(scan([tmp_path]))
    assert table["t_train"].mean() == pytest.approx(train, rel=0.15)
    if "steps" in ends:
        assert table["t_test"].mean() == pytest.approx(ends["steps"], rel=0.35)  # of 20 draws, 15,000 apart
    else:
        assert table["censored_test"].all()
        assert np.stack(sj.read(tmp_path)["test_accuracy"])[:, -1].mean() == pytest.approx(ends["accuracy"], rel=0.12)


def test_a_mode_that_rests_stays_where_others_diverge():
    with jax.enable_x64(True):
        loss = Quadratic(jnp.diag(jnp.array([1.0, 5.0])), jnp.array([2.0, 5.0]))
        each = modes(loss, jnp.array([0.0, 1.0]))  # the second component is at its minimum
        theta = moved(each, descent_spans(each.rates, jnp.asarray(1.0), jnp.asarray(1e6)))
    np.testing.assert_allclose(theta, [2.0, 1.0])
