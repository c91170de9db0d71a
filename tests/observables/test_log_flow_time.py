"""The clock of a flow whose loss is descended by its logarithm."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from training import problem

import sweepjax as sj
from sweepjax.observables.log_flow_time import LogFlowTime
from sweepjax.types import Moment, Trajectory


class Model(NamedTuple):
    """A model of which only the loss counts."""

    loss: str = "normalized"


def clock_of(times: Any, log_loss: Any, loss: str = "normalized"):
    with jax.enable_x64(True):
        training = problem(np.ones((2, 2)))._replace(model=Model(loss))
        path = Trajectory({"time": np.asarray(times, np.float64)}, {}, np.asarray(log_loss, np.float64))
        return np.asarray(LogFlowTime().finish(training, path))


def test_of_a_loss_that_falls_exponentially_it_is_exact_where_no_number_holds_it():
    times = np.array([0, 1e-9, 1, 30, 3e4, 1e6])
    found = clock_of(times, -times)
    np.testing.assert_allclose(found[1:4], np.log(np.expm1(times[1:4])), rtol=1e-7)
    np.testing.assert_allclose(found[4:], times[4:], rtol=1e-12)
    assert found[0] == -np.inf


def test_where_the_loss_stands_still_it_is_the_time_over_the_loss():
    np.testing.assert_allclose(clock_of([0, 2, 10], [-5, -5, -5])[1:], np.log([2, 10]) + 5)


def test_of_another_loss_it_is_the_logarithm_of_the_time():
    np.testing.assert_allclose(clock_of([1, 10], [-3, -4], "logistic"), np.log([1, 10]))


def test_a_model_without_the_logarithm_of_its_loss_is_refused():
    with jax.enable_x64(True), pytest.raises(ValueError, match="needs the column log_train_loss"):
        LogFlowTime().measure(problem(np.ones((2, 2))), Moment(np.float64(0), {}, {}))


@pytest.mark.slow
def test_descent_of_the_logarithm_passes_times_that_no_number_holds():
    frame = sj.run(
        model="relu_modular", solver="gradient_descent", loss="normalized", p=7, width=32, l2=0, learning_rate=0.005,
        until=32_000, observe="log_flow_time", realizations=1,  # longer steps swing about so large a norm
    )  # fmt: skip
    (clock,), (loss,) = frame["log_flow_time"], frame["log_train_loss"]
    assert np.all(np.diff(clock) > 0)
    assert clock[-1] > 1000
    # A homogeneous network of two layers descends like 1/t, up to powers of log t.
    assert clock[-1] == pytest.approx(-loss[-1], rel=0.1)
