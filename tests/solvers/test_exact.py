"""The closed form as a solver: rows of it, what it refuses, and that an integrator agrees."""

import jax
import numpy as np
import pytest
from training import recorded

from sweepjax.models.two_point import TwoPoint
from sweepjax.run import run
from sweepjax.solvers.exact import Exact
from sweepjax.sweep.sweep import Sweep
from sweepjax.theory import two_point
from sweepjax.types import Problem


def path(times):
    """Record S and b of one path."""
    with jax.enable_x64(True):
        model = TwoPoint(lam=0.4, sigma=2.0, init_norm=0.3)
        data = model.sample(None)
        problem = Problem(model, data, model.init(None, data), None)
        return recorded(Exact(), problem, times)[0]


def test_what_is_recorded_does_not_change_the_path():
    many, few = path([0.0, 0.1, 3.0, 3.0, 500.0, 1e9]), path([0.1, 3.0, 1e9])
    for name, values in many.items():
        np.testing.assert_array_equal(values[[1, 3, 5]], few[name])


@pytest.mark.slow
def test_a_row_holds_the_whole_path():
    frame = run(model="two_point", solver="exact", lam="0.4,0.6", sigma="1,5", until=1e6, record="9", realizations=1)
    assert len(frame) == 4
    for _, row in frame.iterrows():
        s, b = two_point.s_and_b(row["time"], row["lam"], sigma=row["sigma"])
        np.testing.assert_allclose(row["s_norm"], s, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(row["b"], b, rtol=1e-9, atol=1e-12)
        assert row["time"][0] == 0
        assert row["test_accuracy"][0] == 0.5


def test_a_model_without_a_closed_form_is_refused():
    with pytest.raises(ValueError, match="needs solution, which model 'logistic' lacks"):
        Sweep(model="logistic", solver="exact", until=10.0)


def test_the_logistic_loss_has_no_closed_form():
    with pytest.raises(ValueError, match="loss = logistic is not allowed with solver 'exact'"):
        Sweep(model="two_point", solver="exact", until=10.0, axes=(("loss", "logistic"),))


@pytest.mark.slow
def test_the_integrated_flow_agrees():
    options = {"model": "two_point", "lam": "0.1,0.48,0.6", "sigma": 3, "init_norm": 0.1, "until": 1e5, "record": "9"}
    exact, flow = (run(solver=solver, realizations=1, **options) for solver in ("exact", "gradient_flow"))
    for name in ("s_norm", "b", "log_test_loss"):
        one, other = (np.stack(frame[name]) for frame in (exact, flow))
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3, err_msg=name)
