import numpy as np

import sweepjax as sj

TRAINING = {"n": "20", "lam": "0.4", "realizations": 2, "until": 100, "record": "4"}


def test_with_full_friction_it_is_gradient_descent():
    mine = sj.run(solver="mine:Mine", friction="1", **TRAINING)
    theirs = sj.run(solver="gradient_descent", **TRAINING)
    np.testing.assert_allclose(np.stack(mine["s_norm"]), np.stack(theirs["s_norm"]), rtol=1e-5)


def test_what_is_recorded_changes_no_step():
    often = sj.run(solver="mine:Mine", **TRAINING | {"record": "20"})
    seldom = sj.run(solver="mine:Mine", **TRAINING | {"record": "2"})
    for a, b in zip(often["train_loss"], seldom["train_loss"], strict=True):
        assert a[-1] == b[-1]
