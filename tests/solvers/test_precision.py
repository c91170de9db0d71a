import numpy as np
import pytest

import sweepjax as sj
from sweepjax.plugins import find, names

TRAINERS = [name for name in names("solvers") if getattr(find("solvers", name), "needs", "") == "training_loss"]
MORE = {"gradient_descent": {"mode": "corrected"}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "solver", [pytest.param(name, marks=[] if name == "adam" else pytest.mark.slow) for name in TRAINERS]
)
def test_parameters_of_any_precision_are_trained_as_those_of_float64_to_their_rounding(solver):
    frame = sj.run(
        model="precise:Line",
        solver=solver,
        mixed=[False, True],
        until=20,
        record=3,
        realizations=1,
        **MORE.get(solver, {}),
    )
    losses = [np.stack(rows.train_loss) for _, rows in frame.groupby("mixed")]
    assert not np.allclose(losses[0][:, 0], losses[0][:, -1])
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05, atol=0.01)


@pytest.mark.slow
def test_a_measured_number_of_half_precision_is_stored_as_float32():
    frame = sj.run(model="precise:Line", solver="sgd", mixed=True, until=1, record=2, realizations=1)
    assert {frame.brain[0].dtype, frame.half[0].dtype} == {np.dtype(np.float32)}
