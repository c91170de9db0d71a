"""Two linear layers: what they share with one, and the theory of a second layer that does not move."""

import jax
import numpy as np
import pytest

import sweepjax as sj
from sweepjax.engine.rows import model_of
from sweepjax.keys import realization_keys
from sweepjax.theory import linear_regression as theory
from sweepjax.theory.linear_regression import Training

SMALL = {"n": 12, "d": 8, "width": 5, "outputs": 2}
STEPS = [0, 1, 10, 100]


@pytest.mark.slow
def test_descent_is_that_of_both_layers():
    frame = sj.run(model="linear_network", solver="gradient_descent", record="0,1,10,100", learning_rate=0.1, **SMALL)
    row = frame.iloc[0]
    data = sj.dataset(row)
    x, teacher = np.asarray(data.x, np.float64), np.asarray(data.teacher)
    first, second = start(row)
    losses = []
    for step in range(STEPS[-1] + 1):
        error = x @ (first @ second - teacher)
        losses += [np.mean(error**2)] if step in STEPS else []
        slope = 2 * x.T @ error / error.size
        first, second = first - 0.1 * slope @ second.T, second - 0.1 * first.T @ slope
    np.testing.assert_allclose(row["train_loss"], losses, rtol=1e-5)


def start(row):
    with jax.enable_x64(True):
        key = realization_keys(model_of(row), np.uint32(row["seed"]), np.uint32(row["realization"])).init
        return (np.asarray(each) for each in model_of(row).init(key, None))


@pytest.mark.slow
def test_the_loss_starts_where_theory_has_it():
    frame = sj.run(model="linear_network", solver="gradient_descent", record="0,1", realizations=400, **SMALL)
    starts = np.stack(frame["test_loss"])[:, 0]
    expected = theory.two_layer_losses(0, Training(1.0, outputs=2)).test
    assert starts.mean() == pytest.approx(expected, abs=4 * starts.std() / 20)


def test_at_first_one_output_takes_twice_as_many_steps_as_one_layer():
    training = Training(0.5, learning_rate=1e-4)
    one, two = theory.losses(100, training), theory.two_layer_losses(200, training)
    assert two.test == pytest.approx(0.75 * one.test, rel=0.01)


@pytest.mark.parametrize("outputs", [1, 2, 50])
def test_the_second_layer_grows_to_the_length_of_the_teacher(outputs):
    growth = theory.second_layer([0, 1e12], Training(0.5, outputs=outputs))
    np.testing.assert_allclose(growth, [1, np.sqrt(2 * outputs)])


@pytest.mark.slow
def test_two_layers_learn_as_a_second_layer_that_grows_says():
    frame = sj.run(
        model="linear_network", solver="gradient_descent", n=600, d=300, width=60, outputs=2, learning_rate=0.05,
        record="0,100,300,1000", realizations=16,
    )  # fmt: skip
    exact = theory.two_layer_losses([0, 100, 300, 1000], Training(0.5, learning_rate=0.05, outputs=2))
    for side in ("train", "test"):
        found = np.median(np.stack(frame[f"{side}_loss"]), axis=0)
        assert np.all(np.abs(np.log(found / getattr(exact, side))) < np.log([1.05, 1.6, 1.6, 1.6]))
